// Copies that would take an object out of the reach of the rule it is under.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide, type EncryptionRule } from '../../../src/core/index.ts';
import { ruleLeft } from '../../../src/core/policy/copy.ts';
import { context, rule, unsignedRequest } from '../fixture.ts';

const kept = rule({ name: 'kept', buckets: ['kept'] });
const free = rule({ name: 'free', buckets: ['free'], mode: 'off' });
const watched = rule({ name: 'watched', buckets: ['watched'], mode: 'observe' });
const lax = rule({ name: 'lax', buckets: ['lax'], otherEncryption: 'allow' });
const other = rule({ name: 'other', buckets: ['other'] });
const rules: readonly EncryptionRule[] = [kept, free, watched, lax, other];

const source = (bucket: string) => ({ bucket, key: 'key', versionId: undefined });

function reasonOf(
  path: string,
  from: string,
  headers: Readonly<Record<string, string>> = {},
): string | undefined {
  const request = unsignedRequest('PUT', path, { 'x-amz-copy-source': `${from}/key`, ...headers });
  const verdict = decide(request, context({ rules }));
  return verdict.kind === 'refused' ? verdict.refusal.reason : undefined;
}

describe('a copy', () => {
  const TABLE: readonly (readonly [
    from: string,
    to: string,
    headers: Readonly<Record<string, string>>,
    reason: string | undefined,
  ])[] = [
    ['kept', 'kept', {}, undefined],
    ['kept', 'other', {}, undefined],
    ['kept', 'free', {}, 'encryption_downgrade'],
    ['kept', 'watched', {}, 'encryption_downgrade'],
    ['kept', 'lax', {}, undefined],
    ['kept', 'lax', { 'x-amz-server-side-encryption': 'AES256' }, 'encryption_downgrade'],
    ['kept', 'free', { 'x-amz-server-side-encryption': 'AES256' }, 'encryption_downgrade'],
    ['free', 'free', {}, undefined],
    ['free', 'kept', {}, undefined],
    ['lax', 'free', {}, undefined],
    ['lax', 'lax', { 'x-amz-server-side-encryption': 'AES256' }, undefined],
    ['unruled', 'free', {}, undefined],
  ];
  for (const [from, to, headers, reason] of TABLE) {
    const name = Object.values(headers).join();
    test(`from ${from} to ${to} ${name} is ${reason === undefined ? 'let through' : 'refused'}`, () => {
      assert.equal(reasonOf(`/${to}/copy`, from, headers), reason);
    });
  }

  test('of a part is one too; where its upload may be under anything, it is out of reach', () => {
    const part = (to: string, from: string) => reasonOf(`/${to}/copy?partNumber=1&uploadId=u`, from);
    assert.equal(part('other', 'kept'), undefined);
    assert.equal(part('free', 'kept'), 'encryption_downgrade');
    assert.equal(part('lax', 'kept'), 'encryption_downgrade');
    assert.equal(part('kept', 'free'), undefined);
  });

  test('says which rule it would leave', () => {
    const request = unsignedRequest('PUT', '/free/copy', { 'x-amz-copy-source': 'kept/key' });
    const verdict = decide(request, context({ rules }));
    assert.ok(verdict.kind === 'refused');
    assert.equal(verdict.refusal.status, 403);
    assert.match(verdict.refusal.message, /rule kept does not let this object be copied/);
  });

  test('out of a rule that only observes is let through, and counted', () => {
    const request = unsignedRequest('PUT', '/free/copy', { 'x-amz-copy-source': 'watched/key' });
    const verdict = decide(request, context({ rules }));
    assert.equal(verdict.kind, 'forward');
    assert.equal(verdict.facts.observedReason, 'encryption_downgrade');
  });

  test('is judged by the rule of the very object, prefixes included', () => {
    const ledger = rule({ name: 'ledger', prefixes: ['ledger/'] });
    const rest = rule({ name: 'rest', mode: 'off' });
    const target = { rule: 'rest', encrypted: false };
    assert.equal(ruleLeft({ ...source('any'), key: 'ledger/1' }, target, [ledger, rest])?.name, 'ledger');
    assert.equal(ruleLeft({ ...source('any'), key: 'other/1' }, target, [ledger, rest]), undefined);
  });
});
