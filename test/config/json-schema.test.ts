import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { configurationJsonSchema } from '../../src/config/json-schema.ts';

const schema = configurationJsonSchema();

function at(...path: readonly string[]): unknown {
  return path.reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], schema);
}

/** Every schema inside a schema, with the way to it. */
function nodes(node: unknown, way = ''): readonly (readonly [way: string, node: Record<string, unknown>])[] {
  if (typeof node !== 'object' || node === null) return [];
  const inner = Object.entries(node).flatMap(([key, value]) => nodes(value, `${way}/${key}`));
  return [[way, node as Record<string, unknown>], ...inner];
}

test('the schema names its dialect and itself', () => {
  assert.equal(schema['$schema'], 'https://json-schema.org/draft/2020-12/schema');
  assert.equal(schema['title'], 's3-kms-gateway configuration');
});

test('only listeners and backends have no default', () => {
  assert.deepEqual(schema['required'], ['listeners', 'backends']);
});

test('every mapping refuses unknown keys', () => {
  for (const [way, node] of nodes(schema)) {
    if (node['properties'] === undefined || way.endsWith('/properties')) continue;
    assert.equal(node['additionalProperties'], false, way);
  }
});

test('every key is described', () => {
  for (const [way, node] of nodes(schema)) {
    if (!/\/properties\/[^/]+$/.test(way)) continue;
    assert.equal(typeof node['description'], 'string', way);
  }
});

test('defaults are those a person would write', () => {
  assert.equal(at('properties', 'timeouts', 'properties', 'bodyIdle', 'default'), '60s');
  assert.equal(at('properties', 'admin', 'properties', 'address', 'default'), '127.0.0.1:9090');
  assert.equal(at('properties', 'limits', 'properties', 'headerBytes', 'default'), 8192);
});

test('a choice may come from a variable', () => {
  assert.deepEqual(at('properties', 'signatureV2', 'anyOf'), [
    { enum: ['refuse-kms', 'refuse'] },
    { pattern: '\\$\\{' },
  ]);
});

const DEPLOY = join(import.meta.dirname, '../../deploy');

test('the schema that is shipped is that of the sources', () => {
  const shipped = readFileSync(join(DEPLOY, 'gateway.schema.json'), 'utf8');
  assert.equal(shipped, `${JSON.stringify(schema, null, 2)}\n`, 'run: npm run schema');
});

test('every configuration that is there to be copied begins with a link to it', () => {
  const files = globSync('{gateway.example.yaml,*/gateway.yaml}', { cwd: DEPLOY });
  assert.ok(files.length >= 4);
  for (const file of files) {
    const [line = ''] = readFileSync(join(DEPLOY, file), 'utf8').split('\n');
    const [, link = ''] = /^# yaml-language-server: \$schema=(\S+)$/.exec(line) ?? [];
    assert.match(link, /gateway\.schema\.json$/, file);
    assert.ok(existsSync(join(DEPLOY, dirname(file), link)), `${file}: ${link}`);
  }
});
