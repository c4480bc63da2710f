// Ways 47 to 51: what one server reads in one way and the next in another, and what the backend knows that S3 does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { crc32 } from 'node:zlib';
import { type Answer, type Endpoint, send, sendSigned, signedHeaders } from '../gateway/client.ts';
import { bytesOf, exchangeBytes, exchangeOne, type Headers, headLines, put, SSE } from './requests.ts';
import { type Attempt, type Group, IN_THE_CLEAR, pastTheGateway, SECRET } from './site.ts';

export const smuggling: Group = (stage, site) => {
  if (stage === 'fake') return unknownToFake(site);

  /** Signed over the canonical path, sent with another spelling of it. */
  async function spelled(raw: string, canonical: string = raw): Promise<Answer> {
    const { writer } = site();
    const headers = await signedHeaders(writer, put(`/inject/${canonical}`));
    return send(writer, { ...put(`/inject/${raw}`), headers });
  }

  test('way 47: a key is decoded once and sent encoded once, whatever it looks like', async () => {
    const { keys } = site();
    const spellings: [raw: string, key: string, canonical?: string][] = [
      ['k%3Fencryption', 'k?encryption'],
      ['k%3Facl', 'k?acl'],
      ['k%3FuploadId%3Dx%26partNumber%3D1', 'k?uploadId=x&partNumber=1'],
      ['k%23fragment', 'k#fragment'],
      ['..%2Foff%2Fup', '../off/up', '../off/up'],
      ['../off/up2', '../off/up2'],
      ['%2e%2e/off/up3', '../off/up3', '../off/up3'],
      ['a/./b', 'a/./b'],
      ['a//b', 'a//b'],
      ['/lead', '/lead'],
      ['dir/', 'dir/'],
      ['%252F', '%2F'],
      ['%252e%252e%252Fk', '%2e%2e%2Fk'],
      ['a+b', 'a b', 'a%20b'],
      ['a%2Bb', 'a+b'],
      ['a%5Cb', 'a\\b'],
      ['k%3Bacl', 'k;acl'],
      ['k;acl2', 'k;acl2', 'k%3Bacl2'],
      ['k%20', 'k '],
      ['u%CC%88', 'u\u0308'],
      ['%C3%BC', '\u00fc'],
      ['k%0d%0ax-amz-acl:public-read', 'k\r\nx-amz-acl:public-read', 'k%0D%0Ax-amz-acl%3Apublic-read'],
    ];
    for (const [raw, key, canonical] of spellings) {
      const answer = await spelled(raw, canonical);
      assert.equal(answer.status, 200, `${raw}: ${answer.body}`);
      assert.deepEqual(
        await site().encryptionOf('inject', key),
        { method: 'aws:kms', keyId: keys.default },
        raw,
      );
    }
    for (const key of ['up', 'up2', 'up3', 'off/up'])
      assert.equal(await site().encryptionOf('off', key), undefined);
  });

  test('way 47: what is no UTF-8 key, or can be read in two ways, is refused', async () => {
    const bad = ['%', '%zz', '%2', '%00', 'a%00b', '%ff', '%C3%28', '%ED%A0%80', '%C0%AF', 'a%u002Fb'];
    await site().repels([
      ...bad.map((raw): Attempt => [raw, () => spelled(raw), '400 malformed_request']),
      ['raw #', () => rawTarget('/inject/k#x'), '400 malformed_request'],
      ['raw bytes', () => rawTarget('/inject/\xfc'), '400 ambiguous_request'],
      ['a space', () => rawTarget('/inject/a b'), '400 ambiguous_request'],
      ['1025 bytes', () => spelled('k'.repeat(1025)), '400 too_large'],
      ['? twice', () => rawTarget('/inject/k?a?acl'), '501 operation_not_allowed'],
      ['empty parameters', () => rawTarget('/inject/k?&acl'), '400 malformed_request'],
    ]);
  });

  async function rawTarget(target: string): Promise<Answer> {
    const { writer } = site();
    const headers = await signedHeaders(
      writer,
      put('/inject/k', { 'content-length': String(SECRET.length), connection: 'close' }),
    );
    return exchangeOne(writer, bytesOf(headLines('PUT', target, headers), SECRET));
  }

  test('way 48: a request whose length can be read in two ways is refused, and what follows it is no request', async () => {
    const { writer } = site();
    const length = `content-length: ${SECRET.length}`;
    const chunked = `${SECRET.length.toString(16)}\r\n${SECRET}\r\n0\r\n\r\n`;
    const smuggled = `PUT /off/smuggled HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\nx`;
    const framed = async (lines: readonly string[], body: string): Promise<Answer> => {
      const head = headLines('PUT', '/inject/k', await signedHeaders(writer, put('/inject/k')));
      return exchangeOne(writer, bytesOf([...head, ...lines], body));
    };
    await site().repels([
      [
        'length and chunks',
        () => framed([length, 'transfer-encoding: chunked'], chunked),
        '400 ambiguous_request',
      ],
      [
        'chunks and length',
        () => framed(['transfer-encoding: chunked', 'content-length: 4'], `${chunked}${smuggled}`),
        '400 ambiguous_request',
      ],
      ['two lengths', () => framed([length, 'content-length: 0'], `${SECRET}`), '400 ambiguous_request'],
      ['the same length twice', () => framed([length, length], SECRET), '400 ambiguous_request'],
      ['a list of lengths', () => framed([`${length}, ${SECRET.length}`], SECRET), '400 ambiguous_request'],
      [
        'a signed length',
        () => framed([`content-length: +${SECRET.length}`], SECRET),
        '400 ambiguous_request',
      ],
      ['a negative length', () => framed(['content-length: -1'], SECRET), '400 ambiguous_request'],
      ['a length in hex', () => framed(['content-length: 0x1d'], SECRET), '400 ambiguous_request'],
      [
        'a length of 20 digits',
        () => framed(['content-length: 18446744073709551645'], SECRET),
        '400 ambiguous_request',
      ],
      ['an empty length', () => framed(['content-length:'], SECRET), '400 ambiguous_request'],
      [
        'chunks, and another coding behind',
        () => framed(['transfer-encoding: chunked, identity'], chunked),
        '400 ambiguous_request',
      ],
      [
        'chunks behind a tab',
        () => framed(['transfer-encoding:\tchunked'], chunked),
        '411 malformed_request',
      ],
      [
        'chunks with a space in the name',
        () => framed(['transfer-encoding : chunked'], chunked),
        '400 ambiguous_request',
      ],
      [
        'chunks twice',
        () => framed(['transfer-encoding: chunked', 'transfer-encoding: chunked'], chunked),
        '400 ambiguous_request',
      ],
      ['a folded coding', () => framed(['transfer-encoding:', ' chunked'], chunked), '400 ambiguous_request'],
      ['no length at all', () => framed([], ''), '411 malformed_request'],
    ]);
    const head = headLines('PUT', '/inject/k', await signedHeaders(writer, put('/inject/k')));
    const held = await site().holdings();
    const lies = [
      [length, 'transfer-encoding: chunked'],
      ['transfer-encoding: chunked', 'content-length: 5'],
      ['transfer-encoding: xchunked'],
      ['transfer-encoding: gzip, chunked'],
    ];
    for (const lines of lies) {
      // One refusal at most: the connection ends with it.
      const answers = await exchangeBytes(writer, bytesOf([...head, ...lines], `0\r\n\r\n${smuggled}`));
      assert.ok(answers.length <= 1 && answers.every(({ status }) => status === 400 || status === 411));
    }
    assert.deepEqual(await site().holdings(), held);
  });

  test('way 48: bytes behind a body are a request of their own, judged as one', async () => {
    const { writer, keys } = site();
    const head = headLines('PUT', '/inject/followed', {
      ...(await signedHeaders(writer, put('/inject/followed'))),
      'content-length': String(SECRET.length),
    });
    const behind = 'PUT /off/smuggled HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\nx';
    const answers = await exchangeBytes(writer, bytesOf(head, `${SECRET}${behind}`));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 403],
    );
    assert.deepEqual(await site().encryptionOf('inject', 'followed'), {
      method: 'aws:kms',
      keyId: keys.default,
    });
    assert.equal(await site().encryptionOf('off', 'smuggled'), undefined);
  });

  test('way 48: an aws-chunked body that is not what was announced leaves nothing', async () => {
    const { writer } = site();
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(SECRET));
    const trailer = `x-amz-checksum-crc32:${checksum.toString('base64')}\r\n`;
    const chunk = `${SECRET.length.toString(16)}\r\n${SECRET}\r\n`;
    const good = `${chunk}0\r\n${trailer}\r\n`;
    const streamed = async (body: string, headers: Headers = {}): Promise<Answer> => {
      const all = {
        'content-encoding': 'aws-chunked',
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-decoded-content-length': String(SECRET.length),
        'x-amz-trailer': 'x-amz-checksum-crc32',
        ...headers,
      };
      return sendSigned(writer, put('/inject/streamed', all, body));
    };
    const wrong = trailer.replace(/:.*/, ':AAAAAA==');
    const lies: [string, string, string, Headers?][] = [
      [
        'more than announced',
        good,
        '400 malformed_request',
        { 'x-amz-decoded-content-length': String(SECRET.length - 1) },
      ],
      [
        'less than announced',
        good,
        '400 malformed_request',
        { 'x-amz-decoded-content-length': String(SECRET.length + 1) },
      ],
      ['nothing announced', good, '411 malformed_request', { 'x-amz-decoded-content-length': '' }],
      [
        'a negative length announced',
        good,
        '411 malformed_request',
        { 'x-amz-decoded-content-length': '-1' },
      ],
      ['a chunk longer than it says', good.replace(/^[0-9a-f]+/, '1'), '400 malformed_request'],
      ['a chunk shorter than it says', good.replace(/^[0-9a-f]+/, 'ff'), '400 malformed_request'],
      ['a chunk of 17 digits', good.replace(/^/, '0000000000000000'), '400 malformed_request'],
      ['a chunk in 0x', good.replace(/^/, '0x'), '400 malformed_request'],
      ['a chunk extension', good.replace('\r\n', ';a=b\r\n'), '400 malformed_request'],
      ['bytes behind the end', `${good}x`, '400 malformed_request'],
      ['a whole body behind the end', `${good}${good}`, '400 malformed_request'],
      ['no last chunk', chunk, '400 malformed_request'],
      ['no end', good.slice(0, -2), '400 malformed_request'],
      ['bare line feeds', good.replaceAll('\r\n', '\n'), '400 malformed_request'],
      ['no trailer', `${chunk}0\r\n\r\n`, '400 malformed_request'],
      ['another trailer', good.replace('crc32:', 'crc32c:'), '400 malformed_request'],
      ['the trailer twice', `${chunk}0\r\n${trailer}${trailer}\r\n`, '400 malformed_request'],
      ['a setting as a trailer', `${chunk}0\r\n${trailer}${SSE}:AES256\r\n\r\n`, '400 malformed_request'],
      [
        'a setting announced as a trailer',
        `${chunk}0\r\n${SSE}:AES256\r\n\r\n`,
        '400 malformed_request',
        { 'x-amz-trailer': SSE },
      ],
      ['a wrong checksum', `${chunk}0\r\n${wrong}\r\n`, '400 payload_mismatch'],
      ['a body that is not framed', SECRET, '400 malformed_request'],
      [
        'framing that is not said',
        good,
        '400 ambiguous_request',
        { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
      ],
    ];
    await site().repels(
      lies.map(([what, body, comesTo, headers]): Attempt => [what, () => streamed(body, headers), comesTo]),
    );
    assert.equal((await streamed(good)).status, 200);
    assert.equal((await site().encryptionOf('inject', 'streamed'))?.method, 'aws:kms');
    const read = await sendSigned(writer, { method: 'GET', path: '/inject/streamed' });
    assert.equal(read.body.toString(), SECRET);
  });

  test('way 48: there is no HTTP/2 and no upgrade to it', async () => {
    const { writer, keys, gateway } = site();
    assert.equal(await negotiated(gateway.port, gateway.ca, ['h2', 'http/1.1']), 'http/1.1');
    const preface = await exchangeBytes(writer, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    assert.ok(preface.every(({ status }) => status === 400));
    const upgrade = { upgrade: 'h2c', 'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA' };
    const head = headLines('PUT', '/inject/upgraded', {
      ...(await signedHeaders(writer, put('/inject/upgraded'))),
      ...upgrade,
      connection: 'upgrade, http2-settings, close',
      'content-length': String(SECRET.length),
    });
    assert.equal((await exchangeOne(writer, bytesOf(head, SECRET))).status, 200);
    assert.deepEqual(await site().encryptionOf('inject', 'upgraded'), {
      method: 'aws:kms',
      keyId: keys.default,
    });
  });

  test('way 49: SOAP, torrents and website endpoints are no way in', async () => {
    const { writer, reader } = site();
    const soap = '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"/>';
    const ask =
      (to: Endpoint, method: string, path: string, headers: Headers = {}, body?: string): Attempt[1] =>
      () =>
        sendSigned(to, { method, path, headers, ...(body === undefined ? {} : { body }) });
    await site().repels([
      [
        'SOAP at the root',
        ask(writer, 'POST', '/', { soapaction: '""', 'content-type': 'text/xml' }, soap),
        '405 operation_not_allowed',
      ],
      [
        'SOAP at its path',
        ask(writer, 'POST', '/soap', { soapaction: '""', 'content-type': 'text/xml' }, soap),
        '412 malformed_request',
      ],
      ['SOAP as an object', ask(writer, 'PUT', '/soap/k', {}, soap), '403 bucket_not_allowed'],
      [
        'SOAP in a bucket',
        ask(writer, 'POST', '/inject?soap=', { 'content-type': 'text/xml' }, soap),
        '501 operation_not_allowed',
      ],
      ['a torrent put', ask(writer, 'PUT', '/inject/k?torrent=', {}, SECRET), '501 operation_not_allowed'],
      [
        'a torrent posted',
        ask(writer, 'POST', '/inject/k?torrent=', {}, SECRET),
        '501 operation_not_allowed',
      ],
      [
        'a torrent of another’s bucket',
        ask(reader, 'GET', '/others/secret?torrent='),
        '403 bucket_not_allowed',
      ],
      [
        'a website, unsigned',
        () =>
          send(writer, { method: 'GET', path: '/inject/', headers: { host: new URL(writer.endpoint).host } }),
        '403 anonymous',
      ],
    ]);
  });

  test('way 50: operations, parameters and methods that are newer than the gateway are refused', async () => {
    const { admin } = site();
    const made = [
      'madeup=',
      'madeup',
      'Encryption=',
      'ACL=',
      'acl%20=',
      ' acl=',
      'acl=x',
      'list-type=3',
      'versionId=x&madeup=',
      'encryption=&acl=',
      'x-rgw-append=',
    ];
    const places: [string, string][] = [
      ['PUT', '/inject/k'],
      ['PUT', '/inject'],
      ['POST', '/inject/k'],
      ['POST', '/inject'],
      ['DELETE', '/inject/source'],
      ['DELETE', '/unruled'],
      ['GET', '/inject/source'],
      ['GET', '/inject'],
      ['HEAD', '/inject'],
    ];
    const refused = ['400 ambiguous_request', '501 operation_not_allowed', '405 operation_not_allowed'];
    const held = await site().holdings();
    for (const [method, path] of places) {
      for (const query of made) {
        const body = method === 'PUT' || method === 'POST' ? { body: SECRET } : {};
        const { status } = await sendSigned(admin, {
          method,
          path: `${path}?${query.replace(/ /g, '%20')}`,
          ...body,
        });
        assert.ok(
          refused.some((one) => one.startsWith(`${status}`)),
          `${method} ${path}?${query}: ${status}`,
        );
      }
    }
    assert.deepEqual(await site().holdings(), held);
    const header = (name: string): Attempt => [
      name,
      () => sendSigned(admin, put('/inject/k', { [name]: 'x' })),
      '501 operation_not_allowed',
    ];
    const method = (name: string): Attempt => [
      name,
      () => sendSigned(admin, { method: name, path: '/inject/k' }),
      '405 operation_not_allowed',
    ];
    await site().repels([
      ...[
        'x-amz-madeup',
        'x-amz-server-side-encryption-madeup',
        'x-amz-encryption',
        'x-amz-copy-source-madeup',
        'x-amz-fwd-header-x',
        'x-amz-checksum-madeup',
      ].map(header),
      ...['PATCH', 'PROPFIND', 'LINK', 'MKCOL', 'MOVE', 'TRACE'].map(method),
    ]);
  });

  if (stage !== 'store') {
    test('way 50: without the gateway, Ceph takes a parameter it does not know for nothing, and deletes the bucket', async () => {
      await pastTheGateway(site(), { method: 'PUT', path: '/doomed' });
      await pastTheGateway(site(), put('/control/madeup?madeup=', {}, IN_THE_CLEAR));
      assert.equal((await site().encryptionOf('control', 'madeup'))?.method, 'none');
      await pastTheGateway(site(), { method: 'DELETE', path: '/doomed?madeup=' });
      assert.equal(await site().ceph?.configuration('doomed'), undefined);
    });
  }

  test('way 51: what only Ceph or MinIO know is not passed on', async () => {
    const { writer, admin } = site();
    const ask =
      (to: Endpoint, method: string, path: string, headers: Headers = {}): Attempt[1] =>
      () =>
        sendSigned(to, {
          method,
          path,
          headers,
          ...(method === 'PUT' || method === 'POST' ? { body: SECRET } : {}),
        });
    const bare =
      (method: string, path: string, headers: Headers): Attempt[1] =>
      () =>
        send(writer, { method, path, headers: { host: new URL(writer.endpoint).host, ...headers } });
    await site().repels([
      [
        'an archive that unpacks itself',
        ask(writer, 'PUT', '/inject/k', { 'x-amz-meta-snowball-auto-extract': 'true' }),
        '501 operation_not_allowed',
      ],
      [
        'its prefix',
        ask(writer, 'PUT', '/inject/k', { 'x-amz-meta-snowball-prefix': 'x' }),
        '501 operation_not_allowed',
      ],
      [
        'in other letters',
        ask(writer, 'PUT', '/inject/k', { 'X-Amz-Meta-Snowball-Auto-Extract': 'true' }),
        '501 operation_not_allowed',
      ],
      ['RGW’s append', ask(writer, 'PUT', '/inject/k?append=&position=0'), '501 operation_not_allowed'],
      ['RGW’s sub-users', ask(admin, 'PUT', '/admin/user?uid=x&display-name=x'), '501 operation_not_allowed'],
      ['RGW’s administration, by a writer', ask(writer, 'GET', '/admin/usage'), '403 bucket_not_allowed'],
      ['MinIO’s system bucket', ask(admin, 'PUT', '/.minio.sys/config'), '400 malformed_request'],
      [
        'a copy from it',
        ask(admin, 'PUT', '/inject/k', { 'x-amz-copy-source': '.minio.sys/config' }),
        '400 malformed_request',
      ],
      ['Swift', ask(writer, 'PUT', '/swift/v1/inject/k'), '403 bucket_not_allowed'],
      ['Swift, by an admin', ask(admin, 'PUT', '/swift/v1/inject/k'), '403 no_rule'],
      ['Swift’s token', bare('PUT', '/inject/k', { 'x-auth-token': 'x' }), '403 anonymous'],
      [
        'Swift’s sign-in',
        bare('GET', '/auth/v1.0', { 'x-auth-user': 'x', 'x-auth-key': 'y' }),
        '403 anonymous',
      ],
    ]);
  });
};

function negotiated(port: number, ca: string, ALPNProtocols: string[]): Promise<string | false | null> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, ALPNProtocols }, () => {
      resolve(socket.alpnProtocol);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

function unknownToFake(site: Parameters<Group>[1]): void {
  test('way 51: headers that are no S3 header do not reach the backend', async () => {
    const { writer, fake } = site();
    const foreign = {
      'x-minio-source-mtime': '2026-11-23T00:00:00Z',
      'x-minio-source-replication-request': 'true',
      'x-minio-force-delete': 'true',
      'x-rgw-append': '1',
      'x-container-read': '.r:*',
      'x-auth-token': 'x',
      'x-object-manifest': 'a/b',
      rgwx: 'x',
      'x-goog-encryption-algorithm': 'AES256',
    };
    assert.equal((await sendSigned(writer, put('/inject/k', foreign))).status, 200);
    const sent = Object.keys(fake?.received.at(-1)?.headers ?? {});
    assert.deepEqual(
      sent.filter((name) => name in foreign),
      [],
    );
  });
}
