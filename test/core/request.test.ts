import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ReceivedHeaders } from '../../src/core/index.ts';
import type { Refusal } from '../../src/core/refusal.ts';
import { type Channel, type ParsedRequest, parseRequest } from '../../src/core/request.ts';
import { PLAINTEXT, TLS } from './fixture.ts';

type RawHeaders = readonly string[];

function parse(
  target: string,
  raw: RawHeaders = [],
  channel: Channel = TLS,
  limit = 8192,
): ParsedRequest | Refusal {
  const headers = ReceivedHeaders.fromRaw(['Host', 'gateway.example', ...raw]);
  const parsed = parseRequest({ method: 'PUT', target, headers, channel }, limit);
  return parsed.kind === 'parsed' ? parsed.request : parsed.refusal;
}

function parsed(target: string, raw: RawHeaders = [], channel: Channel = TLS): ParsedRequest {
  const request = parse(target, raw, channel);
  assert.ok(!('reason' in request), JSON.stringify(request));
  return request;
}

function refused(target: string, raw: RawHeaders = []): Refusal {
  const refusal = parse(target, raw);
  assert.ok('reason' in refusal, 'taken');
  return refusal;
}

const V4 = 'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=x';
const V2 = 'AWSAccessKeyId=A&Expires=1&Signature=x';

describe('the form of authentication', () => {
  const FORMS: readonly (readonly [what: string, target: string, raw: RawHeaders, form: string])[] = [
    ['nothing', '/b/k', [], 'none'],
    ['AWS4-HMAC-SHA256', '/b/k', ['Authorization', 'AWS4-HMAC-SHA256 Credential=x'], 'sigv4-header'],
    ['AWS', '/b/k', ['Authorization', 'AWS A:x'], 'sigv2-header'],
    ['an empty Authorization header', '/b/k', ['Authorization', ''], 'unsupported'],
    ['Basic', '/b/k', ['Authorization', 'Basic QTpC'], 'unsupported'],
    ['Bearer', '/b/k', ['Authorization', 'Bearer AWS'], 'unsupported'],
    ['SigV4A', '/b/k', ['Authorization', 'AWS4-ECDSA-P256-SHA256 Credential=x'], 'sigv4a-header'],
    ['a V4 query', `/b/k?${V4}`, [], 'sigv4-query'],
    ['one V4 parameter alone', '/b/k?X-Amz-Signature=x', [], 'sigv4-query'],
    ['one V4 parameter in lower case', '/b/k?x-amz-algorithm=x', [], 'sigv4-query'],
    ['a V4 parameter under an escape', '/b/k?X%2DAmz%2DSignature=x', [], 'sigv4-query'],
    ['a V2 query', `/b/k?${V2}`, [], 'sigv2-query'],
    ['one V2 parameter alone', '/b/k?Signature=x', [], 'sigv2-query'],
    ['a V2 query with a session token', `/b/k?${V2}&x-amz-security-token=t`, [], 'sigv2-query'],
    ['parameters that only look like V2', '/b/k?signature=x&expires=1', [], 'none'],
  ];
  for (const [what, target, raw, form] of FORMS) {
    test(`${what}: ${form}`, () => assert.equal(parsed(target, raw).form, form));
  }

  const SEVERAL: readonly (readonly [what: string, target: string, raw: RawHeaders])[] = [
    ['a V4 header and a V4 query', `/b/k?${V4}`, ['Authorization', 'AWS4-HMAC-SHA256 x']],
    ['a V4 header and one V4 parameter', '/b/k?X-Amz-Expires=1', ['Authorization', 'AWS4-HMAC-SHA256 x']],
    ['a V2 header and a V4 query', `/b/k?${V4}`, ['Authorization', 'AWS A:x']],
    ['a V4 header and a V2 query', `/b/k?${V2}`, ['Authorization', 'AWS4-HMAC-SHA256 x']],
    ['an empty Authorization header and a V4 query', `/b/k?${V4}`, ['Authorization', '']],
    ['an empty Authorization header and a V2 query', `/b/k?${V2}`, ['Authorization', '']],
    ['a V4 and a V2 query', `/b/k?${V4}&${V2}`, []],
    [
      'a header and a session token in the query',
      '/b/k?X-Amz-Security-Token=t',
      ['Authorization', 'AWS A:x'],
    ],
  ];
  for (const [what, target, raw] of SEVERAL) {
    test(`refuses ${what}`, () => {
      const { status, code, message, details } = refused(target, raw);
      assert.deepEqual([status, code], [400, 'InvalidArgument']);
      assert.equal(
        message,
        'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      );
      assert.deepEqual(details[0], ['ArgumentName', 'Authorization']);
    });
  }
});

describe('a request that two servers could read differently', () => {
  const REFUSED: readonly (readonly [what: string, target: string, raw: RawHeaders, code: string])[] = [
    [
      'a repeated encryption header',
      '/b/k',
      ['X-Amz-Server-Side-Encryption', 'aws:kms', 'x-amz-server-side-encryption', 'AES256'],
      'InvalidRequest',
    ],
    ['a second Host', '/b/k', ['host', 'other.example'], 'InvalidRequest'],
    ['a second Authorization', '/b/k', ['Authorization', 'a', 'Authorization', 'a'], 'InvalidRequest'],
    [
      'Content-Length with Transfer-Encoding',
      '/b/k',
      ['Content-Length', '1', 'Transfer-Encoding', 'chunked'],
      'InvalidRequest',
    ],
    ['a header name that is no token', '/b/k', ['X-Amz-Acl ', 'private'], 'InvalidRequest'],
    [
      'underscores that a CGI server reads as dashes',
      '/b/k',
      ['x_amz_server_side_encryption', 'AES256'],
      'NotImplemented',
    ],
    ['one such underscore', '/b/k', ['x-amz-server_side-encryption', 'AES256'], 'NotImplemented'],
    ['absolute-form', 'http://evil.example/b/k', [], 'InvalidURI'],
    ['a fragment', '/b/k#x', [], 'InvalidURI'],
    ['a broken escape', '/b/k%zz', [], 'InvalidURI'],
    [
      'an x-amz value in header and query that differ',
      '/b/k?x-amz-acl=private',
      ['x-amz-acl', 'public-read'],
      'InvalidRequest',
    ],
    [
      'encryption in header and query that differ',
      '/b/k?X-Amz-Server-Side-Encryption=AES256',
      ['x-amz-server-side-encryption', 'aws:kms'],
      'InvalidRequest',
    ],
    ['an x-amz value twice in the query', '/b/k?x-amz-acl=a&X-Amz-Acl=b', [], 'InvalidRequest'],
    [
      'a line end in an x-amz query value',
      '/b/k?x-amz-meta-a=b%0d%0ax-amz-acl:%20public-read',
      [],
      'InvalidRequest',
    ],
  ];
  for (const [what, target, raw, code] of REFUSED) {
    test(`refuses ${what}`, () => assert.equal(refused(target, raw).code, code));
  }

  const NO_HEADER_NAMES = [
    'x-amz-meta-a%0d%0ax-amz-acl',
    'x-amz-meta-a%20b',
    'x-amz-meta-a:',
    'x-amz-meta-%C3%A9',
    'x-amz-meta-%01',
  ];
  for (const name of NO_HEADER_NAMES) {
    test(`refuses the query parameter ${name}, which cannot stand for a header`, () => {
      assert.equal(refused(`/b/k?${name}=x`).status, 400);
    });
  }

  for (const value of ['%01', '%1f', '%7f', 'a%08b']) {
    test(`refuses the query value ${value}, which cannot be a header's`, () => {
      assert.equal(refused(`/b/k?x-amz-meta-a=${value}`).status, 400);
    });
  }

  test('refuses a request without Host', () => {
    const headers = ReceivedHeaders.fromRaw([]);
    const request = parseRequest({ method: 'GET', target: '/', headers, channel: TLS }, 8192);
    assert.ok(request.kind === 'refused' && request.refusal.code === 'InvalidRequest');
  });

  test('refuses a header section beyond its bound, and takes one that reaches it', () => {
    const raw = ['x-amz-meta-a', 'b'.repeat(100)];
    const size = 'host: gateway.example\r\n'.length + 'x-amz-meta-a: \r\n'.length + 100;
    assert.equal('reason' in parse('/b/k', raw, TLS, size), false);
    const refusal = parse('/b/k', raw, TLS, size - 1);
    assert.ok('reason' in refusal);
    assert.deepEqual(
      [refusal.code, refusal.details],
      ['RequestHeaderSectionTooLarge', [['MaxSizeAllowed', String(size - 1)]]],
    );
  });
});

describe('the fields of a request', () => {
  test('hold x-amz-* query parameters beside the headers', () => {
    const { fields, query } = parsed('/b/k?X-Amz-Server-Side-Encryption=aws%3Akms&versionId=v', [
      'x-amz-acl',
      'private',
    ]);
    assert.equal(fields.get('x-amz-server-side-encryption'), 'aws:kms');
    assert.equal(fields.get('x-amz-acl'), 'private');
    assert.deepEqual(query, [{ name: 'versionId', value: 'v' }]);
  });

  test('take a query value that its header repeats', () => {
    assert.equal(
      parsed('/b/k?x-amz-acl=private', ['x-amz-acl', 'private']).fields.get('x-amz-acl'),
      'private',
    );
  });

  test('carry a query value as the bytes of its UTF-8 form, without white space at its ends', () => {
    assert.equal(parsed('/b/k?x-amz-meta-a=%C3%A9').fields.get('x-amz-meta-a'), '\u00c3\u00a9');
    assert.equal(parsed('/b/k?x-amz-meta-a=+b%09').fields.get('x-amz-meta-a'), 'b');
  });

  test('do not hold the parameters of authentication', () => {
    const { fields, query } = parsed(`/b/k?${V4}&X-Amz-Expires=1&x-amz-content-sha256=x&acl`);
    assert.deepEqual([...fields.keys()], ['host']);
    assert.deepEqual(query, [{ name: 'acl', value: '' }]);
    assert.deepEqual(parsed(`/b/k?${V2}&acl`).query, [{ name: 'acl', value: '' }]);
  });

  test('lose hop-by-hop headers and what Connection nominates', () => {
    const { fields } = parsed('/b/k', [
      'Connection',
      'close, X-One',
      'X-One',
      '1',
      'TE',
      'trailers',
      'Keep-Alive',
      '1',
      'Range',
      'x',
    ]);
    assert.deepEqual([...fields.keys()], ['host', 'range']);
  });

  test('keep x-amz-server-side-encryption although Connection nominates it', () => {
    const { fields } = parsed('/b/k', [
      'Connection',
      'x-amz-server-side-encryption',
      'x-amz-server-side-encryption',
      'AES256',
    ]);
    assert.equal(fields.get('x-amz-server-side-encryption'), 'AES256');
  });

  test('join repeated user metadata', () => {
    assert.equal(
      parsed('/b/k', ['x-amz-meta-a', '1', 'x-amz-meta-a', '2']).fields.get('x-amz-meta-a'),
      '1,2',
    );
  });

  test('hold user metadata whose name has an underscore: S3 stores it', () => {
    assert.equal(parsed('/b/k', ['x-amz-meta-my_key', '1']).fields.get('x-amz-meta-my_key'), '1');
  });

  test('tell an empty encryption header from none', () => {
    assert.equal(
      parsed('/b/k', ['x-amz-server-side-encryption', '  ']).fields.get('x-amz-server-side-encryption'),
      '',
    );
  });
});

describe('whether the client came over TLS', () => {
  const proxy: Channel = { ...PLAINTEXT, peerTrusted: true };
  const TABLE: readonly (readonly [what: string, channel: Channel, raw: RawHeaders, secure: boolean])[] = [
    ['a TLS listener', TLS, [], true],
    ['a plaintext listener', PLAINTEXT, [], false],
    ['a plaintext listener declared secure', { ...PLAINTEXT, declaredSecure: true }, [], true],
    ['X-Forwarded-Proto from anyone', PLAINTEXT, ['X-Forwarded-Proto', 'https'], false],
    ['Forwarded from anyone', PLAINTEXT, ['Forwarded', 'proto=https'], false],
    ['X-Forwarded-Proto from a trusted proxy', proxy, ['X-Forwarded-Proto', 'HTTPS'], true],
    ['plain http behind a trusted proxy', proxy, ['X-Forwarded-Proto', 'http'], false],
    ['a chain that a trusted proxy passed on', proxy, ['X-Forwarded-Proto', 'https, http'], false],
    ['a trusted proxy that says nothing', proxy, [], false],
    ['Forwarded from a trusted proxy', proxy, ['Forwarded', 'for=192.0.2.1;proto=https'], true],
    ['Forwarded http from a trusted proxy', proxy, ['Forwarded', 'for=192.0.2.1;proto=http'], false],
    [
      'a trusted proxy that contradicts itself',
      proxy,
      ['Forwarded', 'proto=http', 'X-Forwarded-Proto', 'https'],
      false,
    ],
    [
      'plain http behind a trusted proxy that itself speaks TLS',
      { ...TLS, peerTrusted: true },
      ['X-Forwarded-Proto', 'http'],
      false,
    ],
  ];
  for (const [what, channel, raw, secure] of TABLE) {
    test(`${what}: ${secure ? 'yes' : 'no'}`, () =>
      assert.equal(parsed('/b/k', raw, channel).secure, secure));
  }
});
