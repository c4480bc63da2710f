// Whatever the rules, the client, the channel and the request: `explain` says what `decide` gives for the same request
// signed by a signer that is not ours.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { explain } from '../../src/command/explain/explain.ts';
import type { Explanation } from '../../src/command/explain/explanation.ts';
import {
  type Channel,
  decide,
  type EncryptionRule,
  type ForwardVerdict,
  type ReceivedRequest,
  type SigningClient,
  type Verdict,
} from '../../src/core/index.ts';
import {
  CLIENT,
  type ClientRequest,
  context,
  EMPTY_HASH,
  escapeBytes,
  headersOf,
  httpRequest,
  NOW,
  oracle,
  type Query,
  queryString,
} from '../core/fixture.ts';
import { channel, key, requestOf, rules, write } from '../core/generators.ts';
import { configurationOf, listenerOf, OTHER_PEER, TRUSTED_PEER } from './configuration.ts';

const READER: SigningClient = {
  ...CLIENT,
  name: 'reader',
  accessKeyId: 'READER00000000000001',
  secretAccessKey: 'another-secret',
  sessionToken: 'a/session+token==',
  buckets: ['bucket', 'source'],
  access: 'read-only',
};
const STRANGER: SigningClient = {
  ...CLIENT,
  name: 'stranger',
  accessKeyId: 'STRANGER000000000001',
  secretAccessKey: 'third-secret',
  buckets: ['elsewhere'],
};
const CLIENTS = new Map([CLIENT, READER, STRANGER].map((client) => [client.accessKeyId, client]));

/** All that is not a write, and some that is no operation. */
const other: fc.Arbitrary<ClientRequest> = fc
  .record({
    method: fc.constantFrom('GET', 'HEAD', 'DELETE', 'PUT', 'POST'),
    key: fc.option(key, { nil: undefined }),
    query: fc.constantFrom<Query>(
      {},
      { acl: '' },
      { 'list-type': '2', prefix: 'a b' },
      { uploads: '' },
      { partNumber: '1', uploadId: 'u' },
      { madeup: '' },
      { encryption: '' },
    ),
    headers: fc.constantFrom<Record<string, string>>(
      {},
      { 'x-amz-server-side-encryption': 'aws:kms' },
      { range: 'bytes=0-1' },
      { 'x-amz-made-up': '1' },
      { 'transfer-encoding': 'chunked' },
    ),
  })
  .map(({ method, key: name, query, headers }) => {
    const path = name === undefined ? '/bucket' : `/bucket/${escapeBytes(name, '/')}`;
    return { method, path, query, headers };
  });

const request: fc.Arbitrary<ClientRequest> = fc.oneof(
  {
    weight: 2,
    arbitrary: write.map((one) => requestOf(one.write, `/bucket/${escapeBytes(one.key, '/')}`, one.headers)),
  },
  { weight: 1, arbitrary: other },
);

const proxied = fc.constantFrom<Record<string, string>>(
  {},
  {},
  { 'x-forwarded-proto': 'https' },
  { 'x-forwarded-proto': 'http' },
);

const rule: fc.Arbitrary<EncryptionRule> = fc
  .tuple(rules, fc.constantFrom<EncryptionRule['mode'][]>('inject', 'require', 'observe', 'off', 'inject'))
  .map(([generated, mode]) => ({ ...generated, mode: mode === 'inject' ? generated.mode : mode }));

/** As clients of Signature Version 2 sign: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html */
function signV2(
  client: SigningClient,
  { method, path, query = {} }: ClientRequest,
  headers: Readonly<Record<string, string>>,
): string {
  const amz = Object.entries(headers)
    .filter(([name]) => name.startsWith('x-amz-'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim()}\n`);
  const signed = ['acl', 'delete', 'encryption', 'partNumber', 'uploadId', 'uploads'].filter(
    (name) => name !== 'encryption',
  );
  const resource = signed
    .filter((name) => name in query)
    .map((name) => (query[name] === '' ? name : `${name}=${query[name]}`))
    .join('&');
  const text = [method, '', headers['content-type'] ?? '', headers['date'] ?? '', ''].join('\n');
  const toSign = `${text}${amz.join('')}${path}${resource === '' ? '' : `?${resource}`}`;
  return `AWS ${client.accessKeyId}:${createHmac('sha1', client.secretAccessKey).update(toSign).digest('base64')}`;
}

type Signature = 'v4' | 'v2' | 'none' | 'presigned';

interface Case {
  readonly client: SigningClient;
  readonly signature: Signature;
  readonly channel: Channel;
  readonly request: ClientRequest;
}

/** The request as the client sends it, signed apart from the code under test. */
async function received({
  client,
  signature,
  channel: over,
  request: asked,
}: Case): Promise<ReceivedRequest> {
  const { method } = asked;
  const { sessionToken } = client;
  const base = { ...asked, headers: { host: 'gateway.example', ...asked.headers } };
  if (signature === 'none') {
    return {
      method,
      target: asked.path + queryString(asked.query ?? {}),
      headers: headersOf(base.headers),
      channel: over,
    };
  }
  if (signature === 'v2') {
    const token: Record<string, string> =
      sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken };
    const headers = { ...base.headers, date: NOW.toUTCString(), ...token };
    const authorization = signV2(client, asked, headers);
    const target = asked.path + queryString(asked.query ?? {});
    return { method, target, headers: headersOf({ ...headers, authorization }), channel: over };
  }
  const signer = oracle(client);
  const http = httpRequest(base);
  const signed =
    signature === 'v4'
      ? await signer.sign(http, { signingDate: NOW })
      : await signer.presign(
          { ...http, headers: { ...http.headers, 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' } },
          { signingDate: NOW, expiresIn: 300, unhoistableHeaders: new Set(Object.keys(http.headers)) },
        );
  const target = signed.path + queryString((signed.query ?? {}) as Query);
  return { method, target, headers: headersOf(signed.headers), channel: over };
}

/** What HTTP and the signature ask of any client, added to a request. */
function completed(asked: ClientRequest, proxy: Record<string, string>, signature: Signature): ClientRequest {
  const carriesBody = asked.method === 'PUT' || asked.method === 'POST';
  const framed = asked.headers !== undefined && 'transfer-encoding' in asked.headers;
  const length: Record<string, string> = carriesBody && !framed ? { 'content-length': '0' } : {};
  const hash = carriesBody ? 'UNSIGNED-PAYLOAD' : EMPTY_HASH;
  const hashed: Record<string, string> = signature === 'v4' ? { 'x-amz-content-sha256': hash } : {};
  return { ...asked, headers: { ...length, ...asked.headers, ...proxy, ...hashed } };
}

function joined(fields: Iterable<readonly [string, string]>): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of fields)
    values.set(name, values.has(name) ? `${values.get(name)},${value}` : value);
  return values;
}

/** What must differ, told apart from the code under test; of the signature its name alone. */
function differences(sent: ReceivedRequest, { outgoing }: ForwardVerdict): Record<string, string[]> {
  const before = joined(sent.headers.fields.map(({ name, value }) => [name, value] as const));
  const after = joined(outgoing.headers);
  const utf8 = (latin1: string) => Buffer.from(latin1, 'latin1').toString('utf8');
  const line = (name: string, value: string) =>
    name === 'authorization' || name === 'x-amz-security-token' ? name : `${name}: ${utf8(value)}`;
  const result: Record<string, string[]> = { added: [], changed: [], removed: [], kept: [] };
  for (const [name, value] of after) {
    const was = before.get(name);
    const kind = was === undefined ? 'added' : was === value ? 'kept' : 'changed';
    result[kind]?.push(line(name, value));
  }
  for (const [name, value] of before) if (!after.has(name)) result['removed']?.push(line(name, value));
  for (const lines of Object.values(result)) lines.sort();
  return result;
}

function shownDifferences({ edits }: Explanation): Record<string, string[]> {
  assert.ok(edits);
  const line = (name: string, value: string) => (value === 'redacted' ? name : `${name}: ${value}`);
  const lines = (headers: readonly { readonly name: string; readonly value: string }[]) =>
    headers.map(({ name, value }) => line(name, value)).sort();
  return {
    added: lines(edits.added),
    changed: edits.changed.map(({ name, after }) => line(name, after)).sort(),
    removed: lines(edits.removed),
    kept: lines(edits.kept),
  };
}

const OUTCOMES: Partial<Record<Verdict['kind'], Explanation['outcome']>> = {
  forward: 'forwarded',
  refused: 'refused',
  'read-form': 'undecided',
  'read-document': 'undecided',
};

function assertSame(answer: Explanation, verdict: Verdict, sent: ReceivedRequest): void {
  const { facts } = verdict;
  assert.equal(answer.outcome, OUTCOMES[verdict.kind]);
  const told = [
    'operation',
    'secure',
    'bucket',
    'key',
    'client',
    'accessKeyId',
    'scheme',
    'rule',
    'ruleMode',
  ] as const;
  for (const name of told) assert.equal(answer[name], facts[name], name);
  const more = ['backend', 'observedReason', 'clientAlgorithm', 'clientKeyId'] as const;
  for (const name of more) assert.equal(answer[name], facts[name], name);
  if (verdict.kind === 'refused') {
    const { status, reason, code, message } = verdict.refusal;
    assert.deepEqual(
      [answer.status, answer.reason, answer.errorCode, answer.errorMessage],
      [status, reason, code, message],
    );
    assert.equal(answer.edits, undefined);
  }
  if (verdict.kind !== 'forward') return;
  assert.equal(answer.status, undefined);
  assert.equal(answer.forwardMethod, verdict.outgoing.method);
  assert.equal(answer.requestedAlgorithm, verdict.encryption?.algorithm);
  assert.equal(answer.requestedKeyId, verdict.encryption?.keyId);
  assert.deepEqual(answer.injected, verdict.injected);
  assert.deepEqual(shownDifferences(answer), differences(sent, verdict));
}

describe('explain', () => {
  test('says what decide gives for the same request, signed by another signer', async () => {
    const seen = new Map<string, number>();
    const signing = fc.constantFrom<Channel['signing'][]>('replace', 'replace', 'replace', 'preserve');
    const signatures = fc.constantFrom<Signature[]>('v4', 'v4', 'v4', 'v2', 'none', 'presigned');
    await fc.assert(
      fc.asyncProperty(
        ...([
          rule,
          channel,
          signing,
          proxied,
          request,
          signatures,
          fc.constantFrom(CLIENT, CLIENT, CLIENT, READER, STRANGER),
        ] as const),
        async (under, generated, preserve, proxy, asked, signature, client) => {
          const declaredSecure = !generated.encrypted && generated.declaredSecure;
          const authentication = preserve === 'preserve' ? 'signature' : generated.authentication;
          const over = { ...generated, declaredSecure, authentication, signing: preserve };
          const whole = completed(asked, proxy, signature);
          const sent = await received({ client, signature, channel: over, request: whole });
          const decision = context({ rules: [under], clients: CLIENTS });
          const verdict = decide(sent, decision);
          const presigned = signature === 'presigned';
          const lines = presigned
            ? sent.headers.fields.map(
                ({ name, value }) => `${name}: ${Buffer.from(value, 'latin1').toString('utf8')}`,
              )
            : Object.entries({ host: 'gateway.example', ...whole.headers }).map(
                ([name, value]) => `${name}: ${value}`,
              );
          const answer = await explain(
            configurationOf(decision.policy, [listenerOf('only', over)]),
            {
              method: whole.method,
              url: presigned ? sent.target : whole.path + queryString(whole.query ?? {}),
              headers: lines,
              peer: over.peerTrusted ? TRUSTED_PEER : OTHER_PEER,
              ...(signature === 'v4' || signature === 'v2' ? { client: client.name } : {}),
              ...(presigned ? {} : { signature }),
            },
            NOW,
          );
          assert.ok(!('kind' in answer), JSON.stringify(answer));
          assertSame(answer, verdict, sent);
          const kind = `${signature} ${verdict.kind}`;
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
        },
      ),
      { numRuns: 2000 },
    );
    for (const signature of ['v4', 'v2', 'presigned']) {
      for (const kind of ['forward', 'refused']) {
        const count = seen.get(`${signature} ${kind}`) ?? 0;
        assert.ok(count > 20, `only ${count} times ${signature} ${kind}: the property says nothing`);
      }
    }
  });
});
