// Signature Version 4 held against an independent implementation: what it signs verifies here, what is signed here is what
// it signs, and nothing verifies once a character has been changed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseTarget, type Target } from '../../../src/core/http/target.ts';
import {
  headerClaim,
  queryClaim,
  ReceivedHeaders,
  SigningKeys,
  sign,
  verifySigV4,
} from '../../../src/core/index.ts';
import type { Claimed } from '../../../src/core/sigv4/claim.ts';
import {
  CLIENT,
  escapeBytes,
  headersOf,
  httpRequest,
  NOW,
  oracle,
  type Query,
  queryString,
  REGION,
  wire,
} from '../fixture.ts';

interface Message {
  readonly method: string;
  readonly target: string;
  readonly headers: ReceivedHeaders;
}

type Form = 'header' | 'query';

/** Reason of the refusal, `undefined` where the signature holds. */
function judge(form: Form, { method, target: raw, headers }: Message): string | undefined {
  const target = parseTarget(raw);
  if (!target) return 'not a target';
  const claimed = claimOf(form, target, headers);
  if (claimed.kind === 'refused') return claimed.refusal.reason;
  const message = { method, target, headers };
  const place = { client: CLIENT, regions: [REGION], now: NOW, keys: new SigningKeys() };
  return verifySigV4(claimed.claim, message, place)?.reason;
}

function claimOf(form: Form, target: Target, headers: ReceivedHeaders): Claimed {
  return form === 'header' ? headerClaim(headers) : queryClaim(target.parameters, headers);
}

const text = fc.string({ unit: 'binary', maxLength: 12 }).map((value) => value.replaceAll('\0', ''));

const segment = fc.oneof(
  text,
  fc.constantFrom('', '.', '..', '%2F', '%252F', 'a b', 'a+b', "~!'()*", 'é', '𝄞', '日本', '?acl', '#', '\\'),
);

const path = fc.array(segment, { minLength: 1, maxLength: 5 }).map((key) => `/bucket/${escapeKey(key)}`);

function escapeKey(segments: readonly string[]): string {
  return escapeBytes(segments.join('/'), '/');
}

const query: fc.Arbitrary<Query> = fc.dictionary(
  fc
    .oneof(text, fc.constantFrom('prefix', 'acl', 'a/b', 'list-type', 'é', 'response-content-type'))
    .filter((name) => name !== '' && name !== '__proto__' && !/^x-amz-/i.test(name)),
  fc.oneof(text, fc.constantFrom('', 'a+b', 'a b', '/'), fc.array(text, { minLength: 1, maxLength: 3 })),
  { maxKeys: 4 },
);

const headerText = fc.oneof(
  fc.array(fc.constantFrom('a', 'B', '0', ' ', '  ', '\t', ' \t ', '"', ',', ';', '=', 'é', '日'), {
    maxLength: 12,
  }),
  fc.array(fc.constantFrom('plain', 'two  spaces', '"a   b"', '', '\ttab\t'), { minLength: 1, maxLength: 2 }),
);

const headers = fc.dictionary(
  fc.constantFrom(
    'content-type',
    'x-amz-acl',
    'x-amz-meta-a',
    'x-amz-meta-b.c',
    'x-amz-server-side-encryption',
    'range',
  ),
  headerText.map((parts) => parts.join('')),
  { maxKeys: 4 },
);

const request = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE'),
  path,
  query,
  headers,
});
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

async function signedByOracle(form: Form, { method, path, query, headers }: Request): Promise<Message> {
  const body: Record<string, string> = form === 'query' ? { 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' } : {};
  const unsigned = httpRequest({ method, path, query, headers: { ...headers, ...body } });
  const signed =
    form === 'header'
      ? await oracle(CLIENT).sign(unsigned, { signingDate: NOW })
      : await oracle(CLIENT).presign(unsigned, {
          signingDate: NOW,
          expiresIn: 60,
          unhoistableHeaders: new Set(['x-amz-meta-a', 'x-amz-server-side-encryption']),
        });
  const target = signed.path + queryString((signed.query ?? {}) as Query);
  return { method: signed.method, target, headers: headersOf(signed.headers) };
}

describe('the reference implementation signs', () => {
  for (const form of ['header', 'query'] as const) {
    test(`and its ${form === 'header' ? 'Authorization header' : 'presigned URL'} verifies`, async () => {
      await fc.assert(
        fc.asyncProperty(request, async (generated) => {
          assert.equal(judge(form, await signedByOracle(form, generated)), undefined);
        }),
        { numRuns: 300 },
      );
    });
  }

  test('and the same bytes under other escapes verify: S3 decodes before it signs', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (generated) => {
        const message = await signedByOracle('header', generated);
        const [head = '', ...tail] = message.target.split('?');
        const lower = head.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
        const raw = lower.replace(/%2[1789a]|%7e/g, (code) => decodeURIComponent(code));
        assert.equal(judge('header', { ...message, target: [raw, ...tail].join('?') }), undefined);
      }),
      { numRuns: 100 },
    );
  });

  test('and a query in another order verifies', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (generated) => {
        const message = await signedByOracle('query', generated);
        const [head = '', tail = ''] = message.target.split('?');
        const target = `${head}?${tail.split('&').reverse().join('&')}`;
        assert.equal(judge('query', { ...message, target }), undefined);
      }),
      { numRuns: 100 },
    );
  });
});

describe('what is signed here', () => {
  test('carries the Authorization that the reference implementation gives the same request', async () => {
    await fc.assert(
      fc.asyncProperty(
        request,
        fc.option(fc.constant('token/+='), { nil: undefined }),
        async (generated, sessionToken) => {
          const { method, path, query, headers } = generated;
          const credentials = { ...CLIENT, sessionToken };
          const theirs = await oracle(credentials).sign(httpRequest(generated), { signingDate: NOW });
          const received = parseTarget(path + queryString(query));
          assert.ok(received);
          const outgoing = Object.entries({ host: 'gateway.example', ...headers });
          const ours = sign(
            {
              method,
              path,
              parameters: received.parameters,
              headers: outgoing.map(([name, value]) => [name, wire(value.replace(/^[ \t]+|[ \t]+$/g, ''))]),
              payloadHash: theirs.headers['x-amz-content-sha256'] ?? '',
            },
            { credentials, region: REGION, now: NOW, keys: new SigningKeys() },
          );
          assert.equal(new Map(ours).get('authorization'), theirs.headers['authorization']);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** The text with the character at a place replaced by one that means something else. */
function flip(value: string, place: number): string {
  const at = place % value.length;
  const other = value[at] === 'Z' ? 'Y' : 'Z';
  return value.slice(0, at) + other + value.slice(at + 1);
}

function withHeader(message: Message, name: string, value: string): Message {
  const fields = message.headers.fields.map((field) => (field.name === name ? { name, value } : field));
  return { ...message, headers: new ReceivedHeaders(fields) };
}

describe('one changed character is refused', () => {
  const place = fc.nat({ max: 10_000 });

  for (const form of ['header', 'query'] as const) {
    test(`in the path or the query (${form})`, async () => {
      await fc.assert(
        fc.asyncProperty(request, place, async (generated, at) => {
          const message = await signedByOracle(form, generated);
          const target = `/${flip(message.target.slice(1), at)}`;
          assert.notEqual(judge(form, { ...message, target }), undefined);
        }),
        { numRuns: 300 },
      );
    });

    test(`in the value of a signed header (${form})`, async () => {
      await fc.assert(
        fc.asyncProperty(request, place, place, async (generated, which, at) => {
          const message = await signedByOracle(form, generated);
          const fields = message.headers.fields.filter(({ name }) => name !== 'authorization');
          const { name, value } = fields[which % fields.length] ?? { name: '', value: '' };
          const changed = value === '' ? 'Z' : flip(value, at);
          assert.notEqual(judge(form, withHeader(message, name, changed)), undefined, name);
        }),
        { numRuns: 300 },
      );
    });

    test(`in the method (${form})`, async () => {
      await fc.assert(
        fc.asyncProperty(request, async (generated) => {
          const message = await signedByOracle(form, generated);
          const method = message.method === 'GET' ? 'HEAD' : 'GET';
          assert.equal(judge(form, { ...message, method }), 'signature_mismatch');
        }),
        { numRuns: 50 },
      );
    });
  }

  test('in any character of the signature', async () => {
    const generated: Request = { method: 'GET', path: '/bucket/key', query: {}, headers: {} };
    const message = await signedByOracle('header', generated);
    const authorization = message.headers.get('authorization') ?? '';
    for (let at = authorization.length - 64; at < authorization.length; at++) {
      const other = authorization[at] === '0' ? '1' : '0';
      const changed = authorization.slice(0, at) + other + authorization.slice(at + 1);
      assert.equal(judge('header', withHeader(message, 'authorization', changed)), 'signature_mismatch');
    }
  });

  test('in any character of the signature of a presigned URL', async () => {
    const message = await signedByOracle('query', {
      method: 'GET',
      path: '/bucket/key',
      query: {},
      headers: {},
    });
    const start = message.target.indexOf('X-Amz-Signature=') + 'X-Amz-Signature='.length;
    for (let at = start; at < start + 64; at++) {
      const other = message.target[at] === '0' ? '1' : '0';
      const target = message.target.slice(0, at) + other + message.target.slice(at + 1);
      assert.equal(judge('query', { ...message, target }), 'signature_mismatch');
    }
  });

  test('by a header line added to a signed header', async () => {
    const message = await signedByOracle('header', {
      method: 'PUT',
      path: '/bucket/key',
      query: {},
      headers: { 'x-amz-meta-a': 'one' },
    });
    const fields = [...message.headers.fields, { name: 'x-amz-meta-a', value: 'two' }];
    assert.equal(judge('header', { ...message, headers: new ReceivedHeaders(fields) }), 'signature_mismatch');
  });

  test('by a query parameter added', async () => {
    const message = await signedByOracle('query', {
      method: 'GET',
      path: '/bucket/key',
      query: {},
      headers: {},
    });
    assert.equal(judge('query', { ...message, target: `${message.target}&acl` }), 'signature_mismatch');
  });
});
