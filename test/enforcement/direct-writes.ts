// Ways 1 to 11: settings of the write itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, type PlainRequest, send, sendSigned, signedHeaders } from '../gateway/client.ts';
import {
  BUCKET_KEY,
  bytesOf,
  CONTEXT,
  contextHeader,
  customerKeyHeaders,
  exchangeOne,
  type Headers,
  headLines,
  KEY_ID,
  presign,
  put,
  SIGNATURE_FORMS,
  SSE,
  sendAs,
  signV2,
} from './requests.ts';
import { type Attempt, type Group, IN_THE_CLEAR, pastTheGateway, SECRET, type Site } from './site.ts';

/** The three operations that settle the encryption of an object, with the same headers. */
function writes(path: string, headers: Headers): [string, PlainRequest][] {
  return [
    ['PutObject', put(path, headers)],
    ['CreateMultipartUpload', { method: 'POST', path: `${path}?uploads=`, headers }],
    ['CopyObject', { method: 'PUT', path, headers: { ...headers, 'x-amz-copy-source': 'inject/source' } }],
  ];
}

/** The same headers on every such operation, in every form of signature. */
function everyForm(to: Endpoint, path: string, what: string, headers: Headers, comesTo: string): Attempt[] {
  return writes(path, headers).flatMap(([operation, request]) =>
    SIGNATURE_FORMS.filter(
      // In a query the source of a copy is no copy, but an ambiguity of its own.
      (form) => operation !== 'CopyObject' || form !== 'hoisted',
    ).map(
      (form): Attempt => [`${operation} with ${what}, ${form}`, () => sendAs(form, to, request), comesTo],
    ),
  );
}

export const directWrites: Group = (stage, site) => {
  if (stage === 'fake') return;

  const header = (headers: Headers) => put('/inject/k', headers);
  const signed = (what: string, headers: Headers, comesTo: string): Attempt => [
    what,
    () => sendSigned(site().writer, header(headers)),
    comesTo,
  ];
  const kms = (keyId: string): Headers => ({ [SSE]: 'aws:kms', [KEY_ID]: keyId });

  /** Sends a write that must be let through, and tells how the object lies. */
  async function stores(to: Endpoint, request: PlainRequest) {
    const answer = await sendSigned(to, request);
    assert.equal(answer.status, 200, answer.body.toString());
    const [, bucket = '', key = ''] = /^\/([^/]+)\/([^?]+)/.exec(request.path) ?? [];
    return site().encryptionOf(bucket, decodeURIComponent(key));
  }

  async function contextOf(bucket: string, key: string) {
    return (await site().witnessed(bucket, key))?.context;
  }

  test('way 1: a method that is not the rule’s is refused, on every write and in every form of signature', async () => {
    await stores(site().writer, put('/inject/source'));
    const methods: [string, string][] = [
      ['AES256', '403 encryption_downgrade'],
      ['aws:kms:dsse', '403 algorithm_not_allowed'],
      ['aws:fsx', '400 algorithm_not_allowed'],
      ['aws:backup', '400 algorithm_not_allowed'],
      ['', '400 algorithm_not_allowed'],
      ['none', '400 algorithm_not_allowed'],
      ['AWS:KMS', '400 algorithm_not_allowed'],
      ['aes256', '400 algorithm_not_allowed'],
      ['aws:kms, AES256', '400 algorithm_not_allowed'],
      ['aws:kms,aws:kms', '400 algorithm_not_allowed'],
      ['aws:kms;', '400 algorithm_not_allowed'],
      ['"aws:kms"', '400 algorithm_not_allowed'],
    ];
    await site().repels(
      methods.flatMap(([method, comesTo]) =>
        everyForm(site().writer, '/inject/k', `the method '${method}'`, { [SSE]: method }, comesTo),
      ),
    );
  });

  test('way 1: AES256 is no way out with an allowed key beside it, nor under require', async () => {
    const { writer, keys } = site();
    await site().repels([
      signed('AES256 with a KMS key', { [SSE]: 'AES256', [KEY_ID]: keys.default }, '400 encryption_missing'),
      signed('AES256 with a context', { [SSE]: 'AES256', [CONTEXT]: 'e30=' }, '400 encryption_missing'),
      [
        'AES256 under require',
        () => sendSigned(writer, put('/require/k', { [SSE]: 'AES256' })),
        '403 encryption_downgrade',
      ],
      ['nothing under require', () => sendSigned(writer, put('/require/k')), '403 encryption_missing'],
      ['a bucket without a rule', () => sendSigned(writer, put('/unruled/k')), '403 no_rule'],
    ]);
  });

  test('way 1: AES256 is raised to the rule where that says upgrade, in every form of signature', async () => {
    for (const form of SIGNATURE_FORMS) {
      const answer = await sendAs(form, site().writer, put(`/upgrade/${form}`, { [SSE]: 'AES256' }));
      assert.equal(answer.status, 200, answer.body.toString());
      const lies = await site().encryptionOf('upgrade', form);
      assert.deepEqual([lies?.method, lies?.keyId], ['aws:kms', site().keys.default]);
    }
  });

  test('way 1: without the gateway, the backend stores such a write without KMS', async () => {
    // Ceph 20 has no SSE-S3 here and refuses AES256; an empty method it takes as none.
    const method = stage === 'tentacle' ? '' : 'AES256';
    await pastTheGateway(site(), put('/control/weak', { [SSE]: method }, IN_THE_CLEAR));
    assert.notEqual((await site().encryptionOf('control', 'weak'))?.method, 'aws:kms');
  });

  test('way 2: a KMS key that the rule does not allow is refused, whatever it resembles', async () => {
    const { keys, writer } = site();
    const resembling = [
      keys.foreign,
      `${keys.default}0`,
      keys.default.slice(0, -1),
      keys.default.toUpperCase(),
      `${keys.default}/`,
      `${keys.default},${keys.foreign}`,
      `${keys.default} ${keys.foreign}`,
      '*',
      'arn:aws:kms:*:*:key/*',
      `${keys.default}*`,
      keys.default.replace('111122223333', '999988887777').replace('testkey-1', 'testkey-01'),
      keys.default.replace(':aws:', ':aws-cn:').replace('testkey-1', 'testkey-1%31'),
      'aws/s3',
    ];
    await site().repels([
      ...everyForm(writer, '/inject/k', 'a foreign key', kms(keys.foreign), '403 key_not_allowed'),
      ...resembling.map((keyId) => signed(`the key ${keyId}`, kms(keyId), '403 key_not_allowed')),
      signed('a foreign key without a method', { [KEY_ID]: keys.foreign }, '403 key_not_allowed'),
      signed('an empty key', kms(''), '403 key_not_allowed'),
      [
        'a foreign key under require',
        () => sendSigned(writer, put('/require/k', kms(keys.foreign))),
        '403 key_not_allowed',
      ],
      [
        'one that another rule allows',
        () => sendSigned(writer, put('/upgrade/k', kms(keys.allowed))),
        '403 key_not_allowed',
      ],
    ]);
    assert.equal((await stores(writer, put('/inject/allowed', kms(keys.allowed))))?.keyId, keys.allowed);
  });

  test('way 2: without the gateway, the backend stores under the foreign key', async () => {
    await pastTheGateway(site(), put('/control/foreign', kms(site().keys.foreign), IN_THE_CLEAR));
    assert.equal((await site().encryptionOf('control', 'foreign'))?.keyId, site().keys.foreign);
  });

  test('way 3: a method without a key never goes out without one', async () => {
    const { keys, writer } = site();
    for (const form of SIGNATURE_FORMS) {
      const answer = await sendAs(form, writer, put(`/inject/no-key-${form}`, { [SSE]: 'aws:kms' }));
      assert.equal(answer.status, 200, answer.body.toString());
      assert.equal((await site().encryptionOf('inject', `no-key-${form}`))?.keyId, keys.default);
    }
    assert.equal((await stores(writer, put('/inject/no-header')))?.keyId, keys.default);
    assert.equal(
      (await stores(writer, put('/inject/key-only', { [KEY_ID]: keys.default })))?.method,
      'aws:kms',
    );
    await site().repels([
      ['under require', () => sendSigned(writer, put('/require/k', { [SSE]: 'aws:kms' })), '403 key_missing'],
    ]);
  });

  test('way 4: aliases and bare key IDs, which mean another key in another account, are refused', async () => {
    const uuid = '1234abcd-12ab-34cd-56ef-1234567890ab';
    const named = [
      'alias/ledger',
      'alias/aws/s3',
      uuid,
      'mrk-1234abcd12ab34cd56ef1234567890ab',
      'arn:aws:kms:us-east-1:111122223333:alias/ledger',
      `key/${uuid}`,
      `ARN:aws:kms:us-east-1:111122223333:key/${uuid}`,
      `arn:aws:kms::111122223333:key/${uuid}`,
      `arn:aws:kms:us-east-1::key/${uuid}`,
    ];
    await site().repels(
      named.flatMap((keyId) =>
        everyForm(site().writer, '/inject/k', keyId, kms(keyId), '403 key_not_allowed'),
      ),
    );
  });

  test('way 5: customer-provided keys (SSE-C) are refused, whole and in part, beside KMS too', async () => {
    const { writer, keys } = site();
    const trio = customerKeyHeaders();
    await site().repels([
      ...everyForm(writer, '/inject/k', 'SSE-C', trio, '403 customer_key'),
      ...Object.entries(trio).map(([name, value]) =>
        signed(`${name} alone`, { [name]: value }, '403 customer_key'),
      ),
      signed('SSE-C and KMS', { ...trio, ...kms(keys.default) }, '400 customer_key'),
      signed('SSE-C and AES256', { ...trio, [SSE]: 'AES256' }, '400 customer_key'),
      signed('an empty algorithm of SSE-C', { [`${SSE}-customer-algorithm`]: '' }, '403 customer_key'),
      ['SSE-C under require', () => sendSigned(writer, put('/require/k', trio)), '403 customer_key'],
      [
        'SSE-C where AES256 is upgraded',
        () => sendSigned(writer, put('/upgrade/k', trio)),
        '403 customer_key',
      ],
    ]);
  });

  // The embedded store has no SSE-C.
  if (stage !== 'store') {
    test('way 5: without the gateway, Ceph stores under the client’s own key', async () => {
      await pastTheGateway(site(), put('/control/customer', customerKeyHeaders(), IN_THE_CLEAR));
      assert.equal((await site().encryptionOf('control', 'customer'))?.method, 'SSE-C');
    });
  }

  describeRawVariants(site);

  test('way 7: settings in a presigned query are judged as headers, and go on as headers only', async () => {
    const { writer, keys } = site();
    const hoisted = await presign('hoisted', writer, put('/inject/hoisted', kms(keys.allowed)));
    assert.match(hoisted.path, /x-amz-server-side-encryption=aws%3Akms/);
    assert.equal((await send(writer, hoisted)).status, 200);
    assert.equal((await site().encryptionOf('inject', 'hoisted'))?.keyId, keys.allowed);
    const sent = site().store?.store.requests.filter(
      ({ method, target }) => method === 'PUT' && target.startsWith('/inject/hoisted'),
    );
    if (sent) assert.deepEqual([sent.length, sent.at(-1)?.target], [1, '/inject/hoisted']);
  });

  test('way 7: a query that contradicts a header, or is not the one that was signed, is refused', async () => {
    const { writer, keys } = site();
    const plain = await presign('hoisted', writer, put('/inject/k'));
    const withQuery = (text: string) => send(writer, { ...plain, path: `${plain.path}&${text}` });
    const hoisted = await presign('hoisted', writer, put('/inject/k', kms(keys.default)));
    const withHeader = (headers: Headers) =>
      send(writer, { ...hoisted, headers: { ...hoisted.headers, ...headers } });
    const v2 = (headers: Headers) => send(writer, signV2('query', writer, put('/inject/k', headers)));
    await site().repels([
      ['AES256 added to the query', () => withQuery(`${SSE}=AES256`), '403 signature_mismatch'],
      [
        'a second spelling of it',
        () => withQuery('X-Amz-Server-Side-Encryption=AES256'),
        '403 signature_mismatch',
      ],
      ['KMS added to the query', () => withQuery(`${SSE}=aws%3Akms`), '403 signature_mismatch'],
      [
        'an unsigned header against the query',
        () => withHeader({ [SSE]: 'AES256' }),
        '400 ambiguous_request',
      ],
      [
        'an unsigned header that says the same',
        () => withHeader({ [SSE]: 'aws:kms' }),
        '403 unsigned_header',
      ],
      [
        'SSE-C added to the query',
        () => withQuery(`${SSE}-customer-algorithm=AES256`),
        '403 signature_mismatch',
      ],
      ['AES256 in a Version 2 query', () => v2({ [SSE]: 'AES256' }), '403 encryption_downgrade'],
      ['KMS in a Version 2 query', () => v2(kms(keys.default)), '400 signature_v2'],
      ['nothing in a Version 2 query', () => v2({}), '400 signature_v2'],
    ]);
  });

  // The others honour it.
  if (stage === 'pacific') {
    test('way 7: without the gateway, Ceph 16 ignores the query and stores in the clear', async () => {
      const { direct, keys } = site();
      const answer = await sendAs(
        'hoisted',
        direct,
        put('/control/hoisted', kms(keys.default), IN_THE_CLEAR),
      );
      assert.equal(answer.status, 200);
      assert.equal((await site().encryptionOf('control', 'hoisted'))?.method, 'none');
    });
  }

  test('way 8: a bucket key setting that is not the rule’s is refused, and the rule’s always goes out', async () => {
    const { writer, keys } = site();
    const other = (bucket: string, value: string): Attempt => [
      `${value} in ${bucket}`,
      () => sendSigned(writer, put(`/${bucket}/k`, { [BUCKET_KEY]: value })),
      '403 bucket_key_not_allowed',
    ];
    await site().repels([
      ...['true', 'TRUE', 'True', '1', 'yes', '', 'false,true'].map((value) => other('inject', value)),
      ...['false', 'FALSE', '0', ''].map((value) => other('bucket-key', value)),
      ...everyForm(
        writer,
        '/inject/k',
        'a bucket key',
        { ...kms(keys.default), [BUCKET_KEY]: 'true' },
        '403 bucket_key_not_allowed',
      ),
    ]);
    await stores(writer, put('/inject/narrow', { [BUCKET_KEY]: 'false' }));
    assert.deepEqual(await contextOf('inject', 'narrow'), { 'aws:s3:arn': 'arn:aws:s3:::inject/narrow' });
    await stores(writer, put('/bucket-key/wide'));
    assert.deepEqual(await contextOf('bucket-key', 'wide'), { 'aws:s3:arn': 'arn:aws:s3:::bucket-key' });
  });

  test('way 9: a context that is forged, malformed or not the rule’s is refused', async () => {
    const { writer, keys } = site();
    const arn = (text: string) => contextHeader({ 'aws:s3:arn': text });
    const bad: [string, string, string][] = [
      ['another object’s ARN', arn('arn:aws:s3:::inject/other'), '400 context_arn_mismatch'],
      ['the bucket’s ARN', arn('arn:aws:s3:::inject'), '400 context_arn_mismatch'],
      ['the ARN in another partition', arn('arn:aws-cn:s3:::inject/k'), '400 context_arn_mismatch'],
      ['the ARN in another case', arn('arn:aws:s3:::Inject/k'), '400 context_arn_mismatch'],
      ['an ARN with a wildcard', arn('arn:aws:s3:::inject/*'), '400 context_arn_mismatch'],
      ['another key of AWS', contextHeader({ 'aws:other': 'x' }), '400 context_invalid'],
      [
        'the ARN twice',
        contextHeader('{"aws:s3:arn":"arn:aws:s3:::inject/k","aws:s3:arn":"x"}'),
        '400 context_invalid',
      ],
      ['a key twice, once escaped', contextHeader('{"a":"1","\\u0061":"2"}'), '400 context_invalid'],
      ['a number', contextHeader({ a: 1 }), '400 context_invalid'],
      ['a nested object', contextHeader({ a: { b: 'c' } }), '400 context_invalid'],
      ['an array', contextHeader('["a"]'), '400 context_invalid'],
      ['null', contextHeader('null'), '400 context_invalid'],
      ['a text', contextHeader('"a"'), '400 context_invalid'],
      ['bytes after the object', contextHeader('{} {}'), '400 context_invalid'],
      ['no JSON', contextHeader('a=b'), '400 context_invalid'],
      ['half a surrogate', contextHeader('{"a":"\\ud800"}'), '400 context_invalid'],
      ['base64 with a space', `${contextHeader({ a: 'b' })} e30=`, '400 context_invalid'],
      ['base64url', Buffer.from('{"a":"???>>>"}').toString('base64url'), '400 context_invalid'],
      ['nothing at all', '', '400 context_invalid'],
      ['5000 bytes', contextHeader({ a: 'x'.repeat(5000) }), '400 context_invalid'],
    ];
    const kmsContext = (path: string, context: string) =>
      sendSigned(writer, put(path, { ...kms(keys.default), [CONTEXT]: context }));
    await site().repels([
      ...bad.map(
        ([what, context, comesTo]): Attempt => [what, () => kmsContext('/inject/k', context), comesTo],
      ),
      [
        'the object’s ARN where the bucket’s belongs',
        () => kmsContext('/bucket-key/k', arn('arn:aws:s3:::bucket-key/k')),
        '400 context_arn_mismatch',
      ],
      [
        'without a pair that the rule requires',
        () => kmsContext('/inject/context/k', contextHeader({ app: 'ledger' })),
        '403 context_missing_pair',
      ],
      [
        'another value for a pair that the rule fixes',
        () => kmsContext('/inject/context/k', contextHeader({ app: 'other', 'cost-centre': '7' })),
        '403 context_invalid',
      ],
    ]);
    await stores(writer, put('/inject/context/good', { [CONTEXT]: contextHeader({ 'cost-centre': '7' }) }));
    assert.deepEqual(await contextOf('inject', 'context/good'), {
      app: 'ledger',
      'cost-centre': '7',
      'aws:s3:arn': 'arn:aws:s3:::inject/context/good',
    });
  });

  // The embedded store refuses it, as S3 does.
  if (stage !== 'store') {
    test('way 9: without the gateway, Ceph stores a forged ARN as it was given', async () => {
      const forged = contextHeader({ 'aws:s3:arn': 'arn:aws:s3:::somewhere/else' });
      await pastTheGateway(
        site(),
        put('/control/forged', { ...kms(site().keys.default), [CONTEXT]: forged }),
      );
      assert.deepEqual(await contextOf('control', 'forged'), { 'aws:s3:arn': 'arn:aws:s3:::somewhere/else' });
    });
  }

  test('way 10: appending to an object that was written elsewhere is refused', async () => {
    const { writer } = site();
    await pastTheGateway(site(), put('/control/plain', {}, IN_THE_CLEAR));
    const offset = { 'x-amz-write-offset-bytes': String(SECRET.length) };
    await site().repels([
      ...SIGNATURE_FORMS.map(
        (form): Attempt => [
          `x-amz-write-offset-bytes, ${form}`,
          () => sendAs(form, writer, put('/inject/k', offset)),
          '501 operation_not_allowed',
        ],
      ),
      [
        'where no rule encrypts',
        () => sendSigned(writer, put('/off/k', offset)),
        '501 operation_not_allowed',
      ],
      [
        'Ceph’s own append',
        () => sendSigned(writer, put('/inject/k?append=&position=0')),
        '501 operation_not_allowed',
      ],
      [
        'in the other order',
        () => sendSigned(writer, put('/inject/k?position=0&append=')),
        '501 operation_not_allowed',
      ],
    ]);
  });

  test('way 11: conditions and retries change nothing about the encryption', async () => {
    const { writer, keys } = site();
    const once = (headers: Headers = {}) => put('/inject/once', { 'if-none-match': '*', ...headers });
    assert.equal((await stores(writer, once()))?.keyId, keys.default);
    await site().repels([
      ['again', () => sendSigned(writer, once()), '412 forwarded'],
      ['again with AES256', () => sendSigned(writer, once({ [SSE]: 'AES256' })), '403 encryption_downgrade'],
      ['again with a foreign key', () => sendSigned(writer, once(kms(keys.foreign))), '403 key_not_allowed'],
      ['again with SSE-C', () => sendSigned(writer, once(customerKeyHeaders())), '403 customer_key'],
    ]);
    const retried = put('/inject/retried', { 'if-none-match': '*', 'amz-sdk-request': 'attempt=2; max=3' });
    assert.equal((await stores(writer, retried))?.keyId, keys.default);
  });
};

/** Variants that no HTTP library would send: the head is written byte by byte. */
function describeRawVariants(site: () => Site): void {
  /** A signed PutObject as lines, to be changed. */
  async function signedLines(headers: Headers = {}): Promise<string[]> {
    const length = { 'content-length': String(SECRET.length), connection: 'close' };
    return headLines('PUT', '/inject/raw', {
      ...(await signedHeaders(site().writer, put('/inject/raw', headers))),
      ...length,
    });
  }

  test('way 6: a header in disguise is refused, or is not a setting at all', async () => {
    const { writer } = site();
    const one = (lines: readonly string[], body = SECRET) => exchangeOne(writer, bytesOf(lines, body));
    const added = async (...lines: string[]) => one([...(await signedLines()), ...lines]);
    const signedAs = async (headers: Headers) => one(await signedLines(headers));
    const trailer = async () => {
      const chunked = [`${SECRET.length.toString(16)}`, SECRET, '0', `${SSE}: AES256`, '', ''].join('\r\n');
      const lines = (await signedLines()).filter((line) => !line.startsWith('content-length'));
      return one([...lines, 'transfer-encoding: chunked', `trailer: ${SSE}`], chunked);
    };
    await site().repels([
      [
        'twice, the same',
        async () => one([...(await signedLines({ [SSE]: 'aws:kms' })), `${SSE}: aws:kms`]),
        '400 ambiguous_request',
      ],
      [
        'twice, contradicting',
        async () => one([...(await signedLines({ [SSE]: 'aws:kms' })), `${SSE}: AES256`]),
        '400 ambiguous_request',
      ],
      [
        'twice, in two cases',
        async () =>
          one([...(await signedLines({ [SSE]: 'aws:kms' })), 'X-AMZ-Server-Side-Encryption: AES256']),
        '400 ambiguous_request',
      ],
      [
        'with _ for -',
        () => signedAs({ 'x-amz-server_side_encryption': 'AES256' }),
        '501 operation_not_allowed',
      ],
      [
        'with _ for every -',
        () => signedAs({ x_amz_server_side_encryption: 'AES256' }),
        '501 operation_not_allowed',
      ],
      [
        'with a dot',
        () => signedAs({ 'x-amz-server-side.encryption': 'AES256' }),
        '501 operation_not_allowed',
      ],
      ['with a space before the colon', () => added(`${SSE} : AES256`), '400 ambiguous_request'],
      ['with a tab before the colon', () => added(`${SSE}\t: AES256`), '400 ambiguous_request'],
      ['folded', () => added(`${SSE}:`, ' AES256'), '400 ambiguous_request'],
      ['folded behind another header', () => added('x-note: a', ` ${SSE}: AES256`), '400 ambiguous_request'],
      ['after a bare LF', () => added(`x-note: a\n${SSE}: AES256`), '400 ambiguous_request'],
      ['after a bare CR', () => added(`x-note: a\r${SSE}: AES256`), '400 ambiguous_request'],
      ['with NUL in its value', () => added(`${SSE}: aws:kms\0AES256`), '400 ambiguous_request'],
      [
        'with a control character in its value',
        () => signedAs({ [SSE]: 'aws:kms\x01' }),
        '400 ambiguous_request',
      ],
      ['as a trailer', trailer, '411 malformed_request'],
      ['unsigned', () => added(`${SSE}: AES256`), '403 unsigned_header'],
      [
        'nominated by Connection',
        async () => one([...(await signedLines({ [SSE]: 'AES256' })), `connection: ${SSE}`]),
        '403 encryption_downgrade',
      ],
      [
        'by the name of a misprint in AWS’s guide',
        () => signedAs({ [`${SSE}-aws-bucket-key-enabled`]: 'true' }),
        '501 operation_not_allowed',
      ],
      [
        'under a name of its family that is none',
        () => signedAs({ [`${SSE}-algorithm`]: 'AES256' }),
        '501 operation_not_allowed',
      ],
      [
        'with a letter that looks the same',
        () => signedAs({ [SSE]: 'aws:kmѕ' }),
        '400 algorithm_not_allowed',
      ],
      ['with a non-breaking space', () => signedAs({ [SSE]: 'aws:kms\xa0' }), '400 algorithm_not_allowed'],
    ]);
  });

  test('way 6: what only looks like a setting goes on as what it is, and the object is encrypted', async () => {
    const { writer, keys } = site();
    const harmless: [string, Headers, string[]][] = [
      ['metadata', { [`x-amz-meta-${SSE}`]: 'AES256' }, []],
      ['padding', { [SSE]: ' \taws:kms\t ' }, []],
      ['nominated', {}, [`connection: ${SSE}, ${KEY_ID}`]],
      ['named-to-the-proxy', {}, ['proxy-connection: x', `te: ${SSE}`]],
    ];
    for (const [key, headers, lines] of harmless) {
      const request = put(`/inject/${key}`, { 'content-length': String(SECRET.length), ...headers });
      const head = headLines('PUT', request.path, await signedHeaders(writer, request));
      const answer = await exchangeOne(writer, bytesOf([...head, ...lines], SECRET));
      assert.equal(answer.status, 200, `${key}: ${answer.body}`);
      const lies = await site().encryptionOf('inject', key);
      assert.deepEqual([lies?.method, lies?.keyId], ['aws:kms', keys.default], key);
    }
  });
}
