// Whether a soak would notice: what may excuse a failure and what may not, and each way in which a backend can come to hold
// what it should not. The soak itself is `npm run soak`.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { MARKER, sha256 } from './actor.ts';
import { type SoakBackend, startEmbeddedBackend } from './backends.ts';
import { type Failure, type Reply, ROTATING } from './journal.ts';
import { Ledger, type Version } from './ledger.ts';
import { randomOf } from './random.ts';
import { grown } from './resources.ts';
import { BUCKETS } from './site.ts';
import { Tally } from './tally.ts';
import { verify } from './verify.ts';

const BROKEN: Reply = { kind: 'broken', error: 'ECONNRESET' };
const answered = (status: number, code?: string): Reply => ({ kind: 'answered', status, code });
const failed = (reply: Reply, from = 100, until = 200, client = 'writer'): Failure => ({
  request: 'PUT',
  client,
  from,
  until,
  reply,
});

describe('what explains a failure', () => {
  const EXPLAINED = [
    ['worker killed', failed(BROKEN), true],
    ['worker killed', failed(answered(502, 'BadGateway')), false],
    ['backend killed', failed(BROKEN), true],
    ['backend killed', failed(answered(503, 'ServiceUnavailable')), true],
    ['backend killed', failed(answered(502, 'EncryptionNotConfirmed')), false],
    ['backend killed', failed(answered(403, 'SignatureDoesNotMatch')), false],
    ['secret changed', failed(answered(403, 'SignatureDoesNotMatch'), 100, 200, ROTATING), true],
    ['secret changed', failed(answered(403), 100, 200, ROTATING), true],
    ['secret changed', failed(answered(403, 'SignatureDoesNotMatch')), false],
    ['secret changed', failed(answered(403, 'AccessDenied'), 100, 200, ROTATING), false],
    ['secret changed', failed(BROKEN, 100, 200, ROTATING), false],
    ['rule changed', failed(BROKEN), false],
    ['certificate changed', failed(BROKEN), false],
    ['SIGHUP', failed(answered(503, 'ServiceUnavailable')), false],
    ['faulty configuration', failed(answered(403, 'InvalidAccessKeyId')), false],
  ] as const;
  for (const [kind, failure, is] of EXPLAINED) {
    const { reply, client } = failure;
    const what = reply.kind === 'broken' ? reply.error : `${reply.status} ${reply.code ?? ''}`;
    test(`${kind} ${is ? 'does' : 'does not'} explain ${what} of ${client}`, () => {
      const { journal } = new Tally();
      journal.begin(kind, 150)(160);
      assert.equal(journal.explanation(failure), is ? kind : undefined);
    });
  }

  test('only while it was under way, or a moment after', () => {
    const { journal } = new Tally();
    journal.begin('worker killed', 5_000)(6_000);
    const at = (from: number, until: number) => journal.explanation(failed(BROKEN, from, until));
    assert.equal(at(4_000, 4_999), undefined);
    assert.equal(at(4_000, 5_000), 'worker killed');
    assert.equal(at(6_500, 6_600), 'worker killed');
    assert.equal(at(8_001, 8_100), undefined);
  });
});

describe('the tally', () => {
  test('counts what went as it must, and keeps what did not', () => {
    const tally = new Tally();
    tally.count('success', failed(answered(200)));
    tally.count(['AccessDenied'], failed(answered(403, 'AccessDenied')));
    tally.count('either', failed(answered(404, 'NoSuchKey')));
    assert.deepEqual(tally.rows, [{ kind: 'PUT', done: 1, refused: 2, failed: 0 }]);
    assert.deepEqual(tally.unexplained(), []);
    tally.count('success', failed(answered(404, 'NoSuchKey')));
    tally.count(['AccessDenied'], failed(answered(403, 'SignatureDoesNotMatch')));
    assert.equal(tally.unexplained().length, 2);
    assert.deepEqual(tally.violations, []);
  });

  test('nothing excuses that what must be refused was answered with success', () => {
    const tally = new Tally();
    tally.journal.begin('backend killed', 0);
    tally.count(['AccessDenied'], failed(answered(200)));
    assert.equal(tally.violations.length, 1);
  });
});

describe('the ledger', () => {
  const version = (sha256: string): Version => ({ size: 1, sha256, keyIds: ['key'] });

  test('a write that was acknowledged is there, one that was not answered may be', () => {
    const ledger = new Ledger();
    ledger.acknowledged('b/k', version('a'));
    assert.match(ledger.objection('b/k', undefined) ?? '', /missing/);
    assert.equal(ledger.objection('b/k', version('a')), undefined);
    assert.match(ledger.objection('b/k', version('b')) ?? '', /nobody was told/);
    ledger.unanswered('b/k', version('b'));
    assert.equal(ledger.objection('b/k', version('a')), undefined);
    assert.equal(ledger.objection('b/k', version('b')), undefined);
    assert.match(ledger.objection('b/k', undefined) ?? '', /missing/);
    assert.throws(() => ledger.acknowledged('b/k', version('c')), /got no answer/);
  });

  test('what nobody wrote is not there', () => {
    assert.equal(new Ledger().objection('b/k', undefined), undefined);
    assert.match(new Ledger().objection('b/k', version('a')) ?? '', /nobody was told/);
  });
});

test('a tenth more is growth, less is none', () => {
  const before = { primaryMiB: 100, workerMiB: 100, handles: 100 };
  assert.deepEqual(grown(before, { primaryMiB: 109, workerMiB: 50, handles: 110 }), []);
  assert.equal(grown(before, { primaryMiB: 111, workerMiB: 111, handles: 111 }).length, 3);
});

test('the same seed gives the same numbers', () => {
  const numbers = (seed: number) => {
    const random = randomOf(seed);
    return Array.from({ length: 100 }, () => random.between(3, 9));
  };
  assert.deepEqual(numbers(1), numbers(1));
  assert.notDeepEqual(numbers(1), numbers(2));
  assert.deepEqual([...new Set(numbers(1))].sort(), [3, 4, 5, 6, 7, 8, 9]);
});

describe('what the backend holds at the end', () => {
  let backend: SoakBackend;
  const body = Buffer.from(`${MARKER} 1`);
  const bucket = BUCKETS.injected;

  before(async () => {
    backend = await startEmbeddedBackend();
    for (const Bucket of Object.values(BUCKETS)) await backend.s3.send(new CreateBucketCommand({ Bucket }));
  });
  after(() => backend.stop());

  const context = (key: string, app = 'soak') =>
    Buffer.from(JSON.stringify({ app, 'aws:s3:arn': `arn:aws:s3:::${bucket}/${key}` })).toString('base64');
  const store = (Key: string, keyId: string, SSEKMSEncryptionContext = context(Key)) =>
    backend.s3.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key,
        Body: body,
        ServerSideEncryption: 'aws:kms',
        SSEKMSKeyId: keyId,
        SSEKMSEncryptionContext,
      }),
    );
  const told = (ledger: Ledger, key: string) => {
    const { first } = backend.keys;
    ledger.acknowledged(`${bucket}/${key}`, { size: body.length, sha256: sha256(body), keyIds: [first] });
  };

  test('as it should be, and then in every way in which it should not', async () => {
    const ledger = new Ledger();
    const { first, foreign } = backend.keys;
    await store('whole', first);
    told(ledger, 'whole');
    const well = await verify(backend, ledger);
    assert.deepEqual([well.objects, well.violations], [1, []]);

    told(ledger, 'lost');
    await store('stray', first);
    await store('foreign', foreign);
    told(ledger, 'foreign');
    await store('context', first, context('context', 'other'));
    told(ledger, 'context');
    await store('unbound', first, Buffer.from('{"app":"soak"}').toString('base64'));
    told(ledger, 'unbound');
    await backend.s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'plain', Body: body }));
    told(ledger, 'plain');
    const { violations } = await verify(backend, ledger);
    const said = violations.map((violation) => violation.replace(`${bucket}/`, '')).sort();
    assert.deepEqual(said, [
      'context lacks the context of its rule',
      `foreign lies under ${foreign}, not ${first}`,
      'lost is missing',
      'plain lies there under AES256',
      `stray has ${body.length} bytes that nobody was told are there: expected absent`,
      'unbound is bound to undefined',
    ]);
  });

  test('a backend that was killed answers nobody, and then again with what it had', async () => {
    const { endpoint } = backend.backend;
    const answers = () =>
      fetch(String(endpoint)).then(
        () => 'answered',
        (error: Error) => (error.cause as NodeJS.ErrnoException).code,
      );
    await backend.kill();
    assert.equal(await answers(), 'ECONNREFUSED');
    await backend.start();
    // Its certificate is of its own authority.
    assert.match(String(await answers()), /answered|CERT|SIGNATURE/);
    assert.ok(await backend.lying(bucket, 'whole'));
  });
});
