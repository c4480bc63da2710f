// The JSON Schema of the configuration file, for editors that complete and check YAML.
// Derived from the schema that is enforced; says nothing of its own about keys.
import { z } from 'zod';
import { fileSchema } from './schema.ts';

/** The JSON Schema (draft 2020-12) of the file as people write it. */
export function configurationJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(fileSchema, {
    target: 'draft-2020-12',
    io: 'input',
    override: ({ jsonSchema }) => admitVariables(jsonSchema),
  });
  const { $schema, ...rest } = schema;
  return {
    $schema,
    title: 's3-kms-gateway configuration',
    description:
      'Listeners, clients, backends and encryption rules of s3-kms-gateway. ' +
      `\${NAME} and \${NAME:-default} in strings take environment variables.`,
    ...rest,
  };
}

/** A choice may come from an environment variable: editors must not underline that. */
function admitVariables(node: z.core.JSONSchema.BaseSchema): void {
  if (node.type !== 'string' || node.enum === undefined) return;
  node.anyOf = [{ enum: node.enum }, { pattern: '\\$\\{' }];
  delete node.enum;
}
