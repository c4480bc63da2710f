// Ways 12 to 16: multipart uploads, whose encryption was settled when they were begun, perhaps elsewhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type Endpoint, sendSigned } from '../gateway/client.ts';
import { startGateway } from '../gateway/gateway.ts';
import { testClient } from '../gateway/setup.ts';
import {
  BUCKET_KEY,
  CONTEXT,
  customerKeyHeaders,
  type Headers,
  KEY_ID,
  put,
  SIGNATURE_FORMS,
  SSE,
  sendAs,
} from './requests.ts';
import { type Attempt, elements, type Group, IN_THE_CLEAR, pastTheGateway, SECRET } from './site.ts';

/** Begins an upload and gives its ID, as it stands in a query. */
export async function begin(to: Endpoint, path: string, headers: Headers = {}): Promise<string> {
  const answer = await sendSigned(to, { method: 'POST', path: `${path}?uploads=`, headers });
  assert.equal(answer.status, 200, answer.body.toString());
  return encodeURIComponent(elements(answer.body.toString(), 'UploadId')[0] ?? '');
}

/** Sends its only part. */
export function sendPart(
  to: Endpoint,
  path: string,
  uploadId: string,
  body: string,
  headers: Headers = {},
): Promise<Answer> {
  return sendSigned(to, put(`${path}?partNumber=1&uploadId=${uploadId}`, headers, body));
}

/** Completes it with the one part. */
export function complete(
  to: Endpoint,
  path: string,
  uploadId: string,
  etag: unknown,
  headers: Headers = {},
): Promise<Answer> {
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`;
  return sendSigned(to, { method: 'POST', path: `${path}?uploadId=${uploadId}`, headers, body });
}

export const multipart: Group = (stage, site) => {
  if (stage === 'fake') return;

  function unconfirmed(operation: string): Promise<number> {
    const { gateway, backend } = site();
    const labels = `backend="${backend['name']}",operation="${operation}"`;
    return gateway.metric(`s3_kms_gateway_unconfirmed_encryption_total{${labels}}`);
  }

  test('way 12: a part of an upload that was begun elsewhere, without KMS or under a foreign key, is not confirmed', async () => {
    const { writer, direct, keys } = site();
    const counted = await unconfirmed('UploadPart');
    const plain = await begin(direct, '/inject/begun-elsewhere');
    const foreign = await begin(direct, '/inject/begun-elsewhere', {
      [SSE]: 'aws:kms',
      [KEY_ID]: keys.foreign,
    });
    await site().repels([
      [
        'without KMS',
        () => sendPart(writer, '/inject/begun-elsewhere', plain, IN_THE_CLEAR),
        '502 unconfirmed',
      ],
      [
        'under a foreign key',
        () => sendPart(writer, '/inject/begun-elsewhere', foreign, IN_THE_CLEAR),
        '502 unconfirmed',
      ],
      [
        'with SSE-C on the part',
        () => sendPart(writer, '/inject/begun-elsewhere', plain, IN_THE_CLEAR, customerKeyHeaders()),
        '403 customer_key',
      ],
    ]);
    assert.equal(await unconfirmed('UploadPart'), counted + 2);
  });

  test('way 12: an upload that was filled elsewhere and is completed here is not confirmed, and that is counted', async () => {
    const { writer, direct } = site();
    const counted = await unconfirmed('CompleteMultipartUpload');
    const uploadId = await begin(direct, '/inject/filled-elsewhere');
    const part = await sendPart(direct, '/inject/filled-elsewhere', uploadId, IN_THE_CLEAR);
    site().reported.add('inject/filled-elsewhere');
    const answer = await complete(writer, '/inject/filled-elsewhere', uploadId, part.headers.etag);
    assert.deepEqual([answer.status, answer.code], [502, 'EncryptionNotConfirmed'], answer.body.toString());
    assert.equal(await unconfirmed('CompleteMultipartUpload'), counted + 1);
    // Reported, not prevented: who can fill an upload at the backend can complete it there too.
    assert.notEqual((await site().encryptionOf('inject', 'filled-elsewhere'))?.method, 'aws:kms');
  });

  test('way 13: encryption headers on parts, completions and reads are refused, and none is ever added there', async () => {
    const { writer, keys } = site();
    const uploadId = await begin(writer, '/inject/parts');
    const query = `uploadId=${uploadId}`;
    const family: Headers = {
      [SSE]: 'aws:kms',
      [KEY_ID]: keys.default,
      [CONTEXT]: 'e30=',
      [BUCKET_KEY]: 'false',
    };
    const takeNone = [
      put(`/inject/parts?partNumber=1&${query}`),
      {
        method: 'PUT',
        path: `/inject/parts?partNumber=1&${query}`,
        headers: { 'x-amz-copy-source': 'inject/source' },
      },
      { method: 'POST', path: `/inject/parts?${query}`, body: '<CompleteMultipartUpload/>' },
      { method: 'DELETE', path: `/inject/parts?${query}` },
      put('/inject/parts?tagging=', {}, '<Tagging><TagSet/></Tagging>'),
    ];
    const reads = ['/inject/parts', `/inject/parts?${query}`, '/inject?list-type=2'].map((path) => ({
      method: 'GET',
      path,
    }));
    const attempts = [
      ...takeNone.map((request) => [request, '400 encryption_headers_not_supported'] as const),
      ...[...reads, { method: 'HEAD', path: '/inject/parts' }].map(
        (request) => [request, '400 encryption_headers_on_read'] as const,
      ),
    ].flatMap(([request, comesTo]) =>
      Object.entries(family).map(([name, value]): Attempt => {
        const headers = { ...('headers' in request ? request.headers : {}), [name]: value };
        return [
          `${request.method} ${request.path} with ${name}`,
          () => sendSigned(writer, { ...request, headers }),
          comesTo,
        ];
      }),
    );
    const presigned = SIGNATURE_FORMS.map(
      (form): Attempt => [
        `a part, ${form}`,
        () => sendAs(form, writer, put(`/inject/parts?partNumber=1&${query}`, { [SSE]: 'aws:kms' })),
        '400 encryption_headers_not_supported',
      ],
    );
    await site().repels([...attempts, ...presigned]);
    const part = await sendPart(writer, '/inject/parts', uploadId, SECRET);
    const answer = await complete(writer, '/inject/parts', uploadId, part.headers.etag);
    assert.equal(answer.status, 200, answer.body.toString());
    assert.deepEqual(await site().encryptionOf('inject', 'parts'), {
      method: 'aws:kms',
      keyId: keys.default,
    });
    const carriers = site().store?.store.requests.filter(
      ({ target, headers }) =>
        target.startsWith('/inject/parts') && headers.some(({ name }) => name.startsWith(SSE)),
    );
    if (carriers)
      assert.deepEqual(
        carriers.map(({ target }) => target),
        ['/inject/parts?uploads'],
      );
  });

  // The embedded store refuses them, as S3 does.
  if (stage !== 'store') {
    test('way 13: without the gateway, Ceph takes such headers and stores in the clear', async () => {
      const { direct, keys } = site();
      const kms = { [SSE]: 'aws:kms', [KEY_ID]: keys.default };
      const uploadId = await begin(direct, '/control/parts');
      const part = await sendPart(direct, '/control/parts', uploadId, IN_THE_CLEAR, kms);
      assert.equal(part.status, 200);
      const etag = part.headers.etag;
      assert.equal((await complete(direct, '/control/parts', uploadId, etag, kms)).status, 200);
      assert.equal((await site().encryptionOf('control', 'parts'))?.method, 'none');
    });
  }

  test('way 14: a part is copied only from buckets of the client', async () => {
    const { writer, reader } = site();
    await pastTheGateway(site(), put('/others/secret', { [SSE]: 'aws:kms', [KEY_ID]: site().keys.default }));
    const uploadId = await begin(writer, '/inject/copied-parts');
    const from = (source: string, headers: Headers = {}, to = writer) =>
      sendSigned(to, {
        method: 'PUT',
        path: `/inject/copied-parts?partNumber=1&uploadId=${uploadId}`,
        headers: { 'x-amz-copy-source': source, ...headers },
      });
    await site().repels([
      ['another bucket', () => from('others/secret'), '403 bucket_not_allowed'],
      ['with a slash in front', () => from('/others/secret'), '403 bucket_not_allowed'],
      ['encoded whole', () => from('others%2Fsecret'), '403 bucket_not_allowed'],
      ['with a version', () => from('others/secret?versionId=null'), '403 bucket_not_allowed'],
      [
        'with a range',
        () => from('others/secret', { 'x-amz-copy-source-range': 'bytes=0-3' }),
        '403 bucket_not_allowed',
      ],
      ['a bucket that nobody was given', () => from('control/plain'), '403 bucket_not_allowed'],
      [
        'an access point',
        () => from('arn:aws:s3:us-east-1:111122223333:accesspoint/ap/object/secret'),
        '400 malformed_request',
      ],
      ['a bucket’s ARN', () => from('arn:aws:s3:::others/secret'), '400 malformed_request'],
      ['nothing', () => from(''), '400 malformed_request'],
      ['two slashes in front', () => from('//others/secret'), '400 malformed_request'],
      ['a client that may only read', () => from('inject/source', {}, reader), '403 operation_not_allowed'],
    ]);
    // Dot segments are part of the key, in the bucket that stands in front of them.
    await site().repels([['dot segments', () => from('inject/../others/secret'), '404 forwarded']]);
  });

  test('way 15: an upload ID in disguise makes no part of a write, and no write of a part', async () => {
    const { writer, keys } = site();
    const write =
      (query: string): Attempt[1] =>
      () =>
        sendSigned(writer, put(`/inject/k?${query}`));
    const send =
      (method: string, query: string): Attempt[1] =>
      () =>
        sendSigned(writer, { method, path: `/inject/k?${query}` });
    await site().repels([
      ['no part number', write('uploadId=x'), '501 operation_not_allowed'],
      ['no upload ID', write('partNumber=1'), '400 malformed_request'],
      ['an empty upload ID', write('partNumber=1&uploadId='), '400 malformed_request'],
      ['an empty part number', write('partNumber=&uploadId=x'), '400 malformed_request'],
      ['other cases', write('PartNumber=1&UploadId=x'), '501 operation_not_allowed'],
      ['one of another case', write('partNumber=1&uploadid=x'), '400 malformed_request'],
      ['two upload IDs', write('partNumber=1&uploadId=x&uploadId=y'), '400 ambiguous_request'],
      ['two part numbers', write('partNumber=1&partNumber=2&uploadId=x'), '400 ambiguous_request'],
      ['the same twice', write('partNumber=1&uploadId=x&uploadId=x'), '400 ambiguous_request'],
      ['a name that is encoded twice', write('partNumber=1&upload%2549d=x'), '400 malformed_request'],
      ['a semicolon between', write('partNumber=1;uploadId=x'), '400 malformed_request'],
      ['beside a subresource', write('partNumber=1&uploadId=x&acl='), '501 operation_not_allowed'],
      [
        'beside a subresource in front',
        write('tagging=&partNumber=1&uploadId=x'),
        '501 operation_not_allowed',
      ],
      ['begun and completed at once', send('POST', 'uploads=&uploadId=x'), '400 ambiguous_request'],
      ['a deletion without an ID', send('DELETE', 'uploadId='), '501 operation_not_allowed'],
    ]);
    const named = await sendSigned(writer, put('/inject/k%3FpartNumber%3D1%26uploadId%3Dx'));
    assert.equal(named.status, 200);
    const lies = await site().encryptionOf('inject', 'k?partNumber=1&uploadId=x');
    assert.deepEqual(lies, { method: 'aws:kms', keyId: keys.default });
  });

  test('way 16: an upload that is in flight when the rule changes must lie under the new rule’s key', async () => {
    const { writer, keys, backend } = site();
    const begun = await begin(writer, '/inject/in-flight');
    const filled = await begin(writer, '/inject/filled');
    const part = await sendPart(writer, '/inject/filled', filled, SECRET);
    const after = await startGateway({
      backends: [backend],
      encryption: [{ name: 'changed', buckets: ['*'], mode: 'inject', keyId: keys.foreign }],
    });
    try {
      const to = { endpoint: after.endpoint, ca: after.ca, credentials: testClient };
      const late = await sendPart(to, '/inject/in-flight', begun, SECRET);
      assert.deepEqual([late.status, late.code], [502, 'EncryptionNotConfirmed']);
      const completed = await complete(to, '/inject/filled', filled, part.headers.etag);
      assert.deepEqual([completed.status, completed.code], [502, 'EncryptionNotConfirmed']);
    } finally {
      await after.close();
    }
  });
};
