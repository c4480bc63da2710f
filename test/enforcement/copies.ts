// Ways 17 to 26: copies, and whatever else writes or encrypts an object without its bytes passing here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type Endpoint, sendSigned } from '../gateway/client.ts';
import { answering, confirming } from '../gateway/fake-backend.ts';
import { testClient } from '../gateway/setup.ts';
import { begin } from './multipart.ts';
import { CONTEXT, contextHeader, customerKeyHeaders, type Headers, KEY_ID, put, SSE } from './requests.ts';
import { type Attempt, type Group, IN_THE_CLEAR, pastTheGateway } from './site.ts';

export const copies: Group = (stage, site) => {
  const copy = (to: Endpoint, target: string, source: string, headers: Headers = {}): Promise<Answer> =>
    sendSigned(to, {
      method: 'PUT',
      path: `/${target}`,
      headers: { 'x-amz-copy-source': source, ...headers },
    });

  if (stage === 'fake') copiesOnFake(site);
  else copiesOnReal(stage, site);

  function copiesOnReal(...[real, at]: Parameters<Group>): void {
    // Ceph 16 takes a copy's encryption headers for nothing, and copies no object under KMS at all.
    if (real === 'pacific') {
      test('way 17: a copy that the backend leaves in the clear is reported', async () => {
        await pastTheGateway(at(), put('/off/source', {}, IN_THE_CLEAR));
        at().reported.add('inject/copied');
        await at().comeTo([
          ['a copy', () => copy(at().writer, 'inject/copied', 'off/source'), '502 unconfirmed'],
        ]);
        assert.equal((await at().encryptionOf('inject', 'copied'))?.method, 'none');
      });
    } else {
      test('way 17: a copy lies under its target’s rule, whatever its source lay under', async () => {
        const { writer, keys } = at();
        await pastTheGateway(at(), put('/off/source', {}, IN_THE_CLEAR));
        const kms = { [SSE]: 'aws:kms', [KEY_ID]: keys.foreign };
        await pastTheGateway(
          at(),
          put('/off/foreign', { ...kms, [CONTEXT]: contextHeader({ of: 'the source' }) }),
        );
        for (const source of ['off/source', 'off/foreign']) {
          assert.equal((await copy(writer, 'inject/copied', source)).status, 200);
          assert.deepEqual(await at().witnessed('inject', 'copied'), {
            method: 'aws:kms',
            keyId: keys.default,
            context: { 'aws:s3:arn': 'arn:aws:s3:::inject/copied' },
          });
        }
        await at().repels([
          ['under require', () => copy(writer, 'require/k', 'off/source'), '403 encryption_missing'],
          ['into a bucket without a rule', () => copy(writer, 'unruled/k', 'off/source'), '403 no_rule'],
          [
            'with the source’s context',
            () =>
              copy(writer, 'inject/k', 'off/source', {
                [CONTEXT]: contextHeader({ 'aws:s3:arn': 'arn:aws:s3:::off/source' }),
              }),
            '400 context_arn_mismatch',
          ],
        ]);
      });

      test('way 17: without the gateway, such a copy lies in the clear', async () => {
        const { direct, keys } = at();
        await pastTheGateway(
          at(),
          put('/control/source', { [SSE]: 'aws:kms', [KEY_ID]: keys.default }, IN_THE_CLEAR),
        );
        assert.equal((await copy(direct, 'control/copied', 'control/source')).status, 200);
        assert.notEqual((await at().encryptionOf('control', 'copied'))?.method, 'aws:kms');
      });
    }

    test('way 18: an object is not copied onto itself to shed its key', async () => {
      const { writer, keys } = at();
      assert.equal((await sendSigned(writer, put('/inject/in-place'))).status, 200);
      const onto =
        (headers: Headers): Attempt[1] =>
        () =>
          copy(writer, 'inject/in-place', 'inject/in-place', headers);
      const replace = { 'x-amz-metadata-directive': 'REPLACE' };
      await at().repels([
        ['AES256', onto({ [SSE]: 'AES256' }), '403 encryption_downgrade'],
        ['AES256 and new metadata', onto({ [SSE]: 'AES256', ...replace }), '403 encryption_downgrade'],
        ['SSE-C', onto(customerKeyHeaders()), '400 malformed_request'],
        ['SSE-C and new metadata', onto({ ...customerKeyHeaders(), ...replace }), '403 customer_key'],
        ['a foreign key', onto({ [SSE]: 'aws:kms', [KEY_ID]: keys.foreign }), '403 key_not_allowed'],
        ['an empty method', onto({ [SSE]: '' }), '400 algorithm_not_allowed'],
        [
          'another storage class and AES256',
          onto({ [SSE]: 'AES256', 'x-amz-storage-class': 'STANDARD_IA' }),
          '403 encryption_downgrade',
        ],
      ]);
      if (real === 'pacific') return;
      assert.equal((await onto(replace)()).status, 200);
      assert.deepEqual(await at().encryptionOf('inject', 'in-place'), {
        method: 'aws:kms',
        keyId: keys.default,
      });
    });

    test('way 19: a copy onto itself that changes nothing stays illegal, although headers would be added', async () => {
      const { writer } = at();
      assert.equal((await sendSigned(writer, put('/inject/same%2B%C3%BC'))).status, 200);
      const spelled = [
        'inject/same%2B%C3%BC',
        '/inject/same%2B%C3%BC',
        'inject%2Fsame%2B%C3%BC',
        'inject/%73ame%2b%c3%bc',
        'inject/same+%C3%BC',
      ];
      const directives: [string, string][] = [
        ['none', ''],
        ['COPY', 'COPY'],
        ['one that S3 does not know', 'replaced'],
      ];
      await at().repels([
        ...spelled.map(
          (source): Attempt => [
            source,
            () => copy(writer, 'inject/same%2B%C3%BC', source),
            '400 malformed_request',
          ],
        ),
        ...directives.map(
          ([what, value]): Attempt => [
            `directive ${what}`,
            () =>
              copy(writer, 'inject/same%2B%C3%BC', 'inject/same%2B%C3%BC', {
                'x-amz-metadata-directive': value,
                'x-amz-meta-a': 'b',
              }),
            '400 malformed_request',
          ],
        ),
      ]);
    });

    test('way 20: nothing is copied out of the enforced buckets into one whose rule leaves encryption alone', async () => {
      const { writer, admin } = at();
      assert.equal((await sendSigned(writer, put('/inject/leaving'))).status, 200);
      const uploadId = await begin(writer, '/off/parts');
      const partOf =
        (headers: Headers = {}): Attempt[1] =>
        () =>
          copy(writer, `off/parts?partNumber=1&uploadId=${uploadId}`, 'inject/leaving', headers);
      const out =
        (target: string, headers: Headers = {}, to = writer): Attempt[1] =>
        () =>
          copy(to, target, 'inject/leaving', headers);
      await at().repels([
        ['into off', out('off/k'), '403 encryption_downgrade'],
        ['into off, with AES256', out('off/k', { [SSE]: 'AES256' }), '403 encryption_downgrade'],
        ['into off, with SSE-C', out('off/k', customerKeyHeaders()), '403 encryption_downgrade'],
        ['into off, by an admin', out('off/k', {}, admin), '403 encryption_downgrade'],
        ['into observe', out('observe/k'), '403 encryption_downgrade'],
        ['AES256 where that is allowed', out('lenient/k', { [SSE]: 'AES256' }), '403 encryption_downgrade'],
        ['SSE-C where that is allowed', out('lenient/k', customerKeyHeaders()), '403 encryption_downgrade'],
        ['as a part', partOf(), '403 encryption_downgrade'],
        [
          'as a part, a range of it',
          partOf({ 'x-amz-copy-source-range': 'bytes=0-3' }),
          '403 encryption_downgrade',
        ],
        [
          'from a bucket that is not the client’s',
          () => copy(writer, 'off/k', 'others/secret'),
          '403 bucket_not_allowed',
        ],
        [
          'from a bucket without a rule',
          () => copy(writer, 'inject/k', 'control/plain'),
          '403 bucket_not_allowed',
        ],
      ]);
    });

    test('way 23: an object is not renamed, by nobody', async () => {
      const { writer, admin } = at();
      const rename =
        (to: Endpoint, target: string, source: string): Attempt[1] =>
        () =>
          sendSigned(to, {
            method: 'PUT',
            path: `/${target}?renameObject=`,
            headers: { 'x-amz-rename-source': source },
          });
      await at().repels([
        ['over another', rename(writer, 'inject/in-place', '/inject/source'), '403 operation_not_allowed'],
        ['by an admin', rename(admin, 'inject/in-place', '/inject/source'), '403 operation_not_allowed'],
        ['from another bucket', rename(admin, 'inject/k', '/others/secret'), '403 operation_not_allowed'],
        ['into off', rename(admin, 'off/k', '/inject/source'), '403 operation_not_allowed'],
      ]);
    });

    // The embedded store knows its operations; Ceph would do what is left without the parameter.
    if (real !== 'store') {
      test('way 26: an annotation, which the backend would take for an object, does not reach it', async () => {
        const annotate = put('/inject/annotated?annotation=&annotationName=note', {}, IN_THE_CLEAR);
        const forget = { method: 'DELETE', path: '/inject/source?annotation=&annotationName=note' };
        await at().repels([
          ['an annotation', () => sendSigned(at().writer, annotate), '501 operation_not_allowed'],
          ['its deletion', () => sendSigned(at().writer, forget), '501 operation_not_allowed'],
        ]);
      });

      test('way 26: without the gateway, the annotation is an object in the clear', async () => {
        await pastTheGateway(
          at(),
          put('/control/annotated?annotation=&annotationName=note', {}, IN_THE_CLEAR),
        );
        assert.equal((await at().encryptionOf('control', 'annotated'))?.method, 'none');
      });
    }
  }

  function copiesOnFake(at: Parameters<Group>[1]): void {
    const fake = () => at().fake ?? assert.fail();
    const header = (name: string) => fake().received.at(-1)?.headers[name];

    test('way 21: a copy source’s own key (SSE-C) is no setting of the target', async () => {
      const { writer, keys } = at();
      const answer = await copy(writer, 'inject/k', 'inject/source', customerKeyHeaders('source'));
      assert.equal(answer.status, 200);
      assert.deepEqual([header(SSE), header(KEY_ID)], ['aws:kms', keys.default]);
      for (const [name, value] of Object.entries(customerKeyHeaders('source')))
        assert.equal(header(name), value);
      for (const name of Object.keys(customerKeyHeaders())) assert.equal(header(name), undefined);
      const beside =
        (headers: Headers): Attempt[1] =>
        () =>
          copy(writer, 'inject/k', 'inject/source', { ...customerKeyHeaders('source'), ...headers });
      await at().repels([
        ['beside AES256', beside({ [SSE]: 'AES256' }), '403 encryption_downgrade'],
        ['beside SSE-C', beside(customerKeyHeaders()), '403 customer_key'],
        ['beside a foreign key', beside({ [SSE]: 'aws:kms', [KEY_ID]: keys.foreign }), '403 key_not_allowed'],
        [
          'on a PutObject',
          () => sendSigned(writer, put('/require/k', customerKeyHeaders('source'))),
          '403 encryption_missing',
        ],
      ]);
    });

    const S3 = 'http://s3.amazonaws.com/doc/2006-03-01/';
    const kms = (keyArn: string, more = '') => `<SSE-KMS><KMSKeyArn>${keyArn}</KMSKeyArn>${more}</SSE-KMS>`;
    const objectEncryption = (content: string) =>
      `<ObjectEncryption xmlns="${S3}">${content}</ObjectEncryption>`;

    test('way 22: an object is not put under another key without its data moving', async () => {
      const { admin, writer, plaintext, keys } = at();
      const update =
        (body: string, to: Endpoint = admin, path = '/inject/k'): Attempt[1] =>
        () =>
          sendSigned(to, put(`${path}?encryption=`, {}, body));
      const mine = 'arn:aws:kms:us-east-1:111122223333:key/another';
      await at().repels([
        [
          'by a client that may write',
          update(objectEncryption(kms(keys.default)), writer),
          '403 operation_not_allowed',
        ],
        ['a foreign key', update(objectEncryption(kms(keys.foreign))), '403 key_not_allowed'],
        ['another key of the account', update(objectEncryption(kms(mine))), '403 key_not_allowed'],
        [
          'an alias',
          update(objectEncryption(kms('arn:aws:kms:us-east-1:111122223333:alias/x'))),
          '403 key_not_allowed',
        ],
        [
          'a foreign key behind spaces',
          update(objectEncryption(kms(` ${keys.foreign} `))),
          '403 key_not_allowed',
        ],
        [
          'a foreign key in entities',
          update(objectEncryption(kms(keys.foreign.replaceAll('f', '&#102;')))),
          '403 key_not_allowed',
        ],
        [
          'two keys',
          update(objectEncryption(kms(keys.default) + kms(keys.foreign))),
          '400 malformed_request',
        ],
        [
          'two keys in one',
          update(
            objectEncryption(
              `<SSE-KMS><KMSKeyArn>${keys.default}</KMSKeyArn><KMSKeyArn>${keys.foreign}</KMSKeyArn></SSE-KMS>`,
            ),
          ),
          '400 malformed_request',
        ],
        ['no key', update(objectEncryption('<SSE-KMS/>')), '403 key_missing'],
        ['nothing', update(''), '400 malformed_request'],
        [
          'in a bucket without a rule',
          update(objectEncryption(kms(keys.default)), admin, '/unruled/k'),
          '403 no_rule',
        ],
        [
          'over plaintext',
          update(objectEncryption(kms(keys.default)), { ...plaintext, credentials: testClient }),
          '400 insecure_transport',
        ],
      ]);
      const weaker = await update(objectEncryption('<SSE-S3/>'))();
      assert.ok([400, 403].includes(weaker.status), `${weaker.status}`);
      const document = objectEncryption(kms(keys.allowed));
      assert.equal((await update(document)()).status, 200);
      assert.equal(fake().received.at(-1)?.body.toString(), document);
      assert.equal(fake().received.at(-1)?.target, '/inject/k?encryption');
    });

    test('way 24: a restore writes no results to another place', async () => {
      const { admin, writer, keys } = at();
      const restore =
        (body: string, to: Endpoint = admin): Attempt[1] =>
        () =>
          sendSigned(to, { method: 'POST', path: '/inject/k?restore=', body });
      const select = (encryption: string) =>
        `<RestoreRequest xmlns="${S3}"><Type>SELECT</Type><OutputLocation><S3><BucketName>off</BucketName><Prefix>out/</Prefix>${encryption}</S3></OutputLocation></RestoreRequest>`;
      await at().repels([
        [
          'by a client that may write',
          restore('<RestoreRequest><Days>1</Days></RestoreRequest>', writer),
          '403 operation_not_allowed',
        ],
        ['without encryption', restore(select('')), '403 operation_not_allowed'],
        [
          'with SSE-S3',
          restore(select('<Encryption><EncryptionType>AES256</EncryptionType></Encryption>')),
          '403 operation_not_allowed',
        ],
        [
          'with an allowed key',
          restore(
            select(
              `<Encryption><EncryptionType>aws:kms</EncryptionType><KMSKeyId>${keys.default}</KMSKeyId></Encryption>`,
            ),
          ),
          '403 operation_not_allowed',
        ],
      ]);
      const plain = `<RestoreRequest xmlns="${S3}"><Days>1</Days></RestoreRequest>`;
      assert.equal((await restore(plain)()).status, 200);
      assert.equal(fake().received.at(-1)?.body.toString(), plain);
    });

    test('way 25: batch jobs and the rest of S3 Control are not here', async () => {
      const { admin } = at();
      const account = { 'x-amz-account-id': '111122223333' };
      const host = { host: '111122223333.s3-control.us-east-1.amazonaws.com' };
      const job = '<CreateJobRequest xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"/>';
      const ask =
        (method: string, path: string, headers: Headers): Attempt[1] =>
        () =>
          sendSigned(admin, { method, path, headers, ...(method === 'GET' ? {} : { body: job }) });
      const attempts: [string, string, string, Headers][] = [
        ['CreateJob', 'POST', '/v20180820/jobs', account],
        ['CreateJob, by its host', 'POST', '/v20180820/jobs', { ...account, ...host }],
        ['DescribeJob', 'GET', '/v20180820/jobs/1', account],
        ['UpdateJobStatus', 'POST', '/v20180820/jobs/1/status?requestedJobStatus=Ready', account],
        ['PutJobTagging', 'PUT', '/v20180820/jobs/1/tagging', account],
      ];
      const held = fake().received.length;
      for (const [what, method, path, headers] of attempts) {
        const { status } = await ask(method, path, headers)();
        assert.ok([400, 403, 405, 501].includes(status), `${what}: ${status}`);
      }
      assert.equal(fake().received.length, held);
    });

    test('way 26: an annotation whose encryption is not stated as its object’s is reported', async () => {
      const { writer } = at();
      const annotate = () => sendSigned(writer, put('/inject/k?annotation=&annotationName=note'));
      const answers: [string, Record<string, string>, string][] = [
        ['aws:kms, as S3 says it: without a key', { [SSE]: 'aws:kms' }, '200 forwarded'],
        ['nothing', {}, '502 unconfirmed'],
        ['AES256', { [SSE]: 'AES256' }, '502 unconfirmed'],
        ['aws:kms:dsse', { [SSE]: 'aws:kms:dsse' }, '502 unconfirmed'],
        ['a foreign key', { [SSE]: 'aws:kms', [KEY_ID]: at().keys.foreign }, '502 unconfirmed'],
      ];
      for (const [what, headers, comesTo] of answers) {
        fake().behave(answering(200, headers));
        await at().comeTo([[what, annotate, comesTo]]);
      }
      fake().behave(confirming);
      await at().repels([
        [
          'with a header',
          () => sendSigned(writer, put('/inject/k?annotation=&annotationName=note', { [SSE]: 'aws:kms' })),
          '400 encryption_headers_not_supported',
        ],
        [
          'without a name',
          () => sendSigned(writer, put('/inject/k?annotation=')),
          '501 operation_not_allowed',
        ],
      ]);
    });
  }
};
