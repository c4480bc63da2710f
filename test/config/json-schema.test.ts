import assert from 'node:assert/strict';
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
