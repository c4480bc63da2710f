// What may be passed on of a backend's answer.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AnswerHead, judgeAnswer } from '../../../src/core/policy/answer.ts';
import { insecureTransport } from '../../../src/core/refusal.ts';

const SSE = 'x-amz-server-side-encryption';
const KEY_ID = `${SSE}-aws-kms-key-id`;
const ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';

const nothing = { demand: undefined, ifAnswerUnderKms: undefined };
const asked = (keyId: string) => ({
  ...nothing,
  demand: { algorithm: 'aws:kms', keyIds: [keyId], mayBeSilent: false },
});
const answer = (status: number, ...headers: [string, string][]): AnswerHead => ({ status, headers });

describe('judgeAnswer', () => {
  const confirmations: [string, string, AnswerHead, boolean][] = [
    ['algorithm and key', ARN, answer(200, [SSE, 'aws:kms'], [KEY_ID, ARN]), true],
    ['a named key', 'my-key', answer(200, [SSE, 'aws:kms'], [KEY_ID, 'my-key']), true],
    [
      'a named key as MinIO writes it',
      'my-key',
      answer(200, [SSE, 'aws:kms'], [KEY_ID, 'arn:aws:kms:my-key']),
      true,
    ],
    ['another algorithm', ARN, answer(200, [SSE, 'AES256']), false],
    ['another key', ARN, answer(200, [SSE, 'aws:kms'], [KEY_ID, `${ARN}0`]), false],
    ['no key', ARN, answer(200, [SSE, 'aws:kms']), false],
    ['nothing', ARN, answer(204), false],
    [
      'an ARN with the MinIO prefix before it',
      ARN,
      answer(200, [SSE, 'aws:kms'], [KEY_ID, `arn:aws:kms:${ARN}`]),
      false,
    ],
  ];
  for (const [what, keyId, head, confirmed] of confirmations) {
    test(`${what} ${confirmed ? 'confirms' : 'does not confirm'} the encryption`, () => {
      assert.equal(judgeAnswer(head, asked(keyId)).kind, confirmed ? 'relay' : 'unconfirmed');
    });
  }

  const inherited = (keyIds: string[], mayBeSilent: boolean) => ({
    ...nothing,
    demand: { algorithm: 'aws:kms', keyIds, mayBeSilent },
  });

  test('a part may lie under any key that its rule allows', () => {
    const head = answer(200, [SSE, 'aws:kms'], [KEY_ID, ARN]);
    const allowed = ['arn:aws:kms:eu-central-1:111122223333:key/*'];
    assert.equal(judgeAnswer(head, inherited(allowed, false)).kind, 'relay');
    assert.equal(
      judgeAnswer(head, inherited(['arn:aws:kms:eu-west-1:111122223333:key/*'], false)).kind,
      'unconfirmed',
    );
  });

  test('silence confirms only where a backend may be silent, and a wrong word nowhere', () => {
    assert.equal(judgeAnswer(answer(200), inherited([ARN], false)).kind, 'unconfirmed');
    const silent = judgeAnswer(answer(200), inherited([ARN], true));
    assert.deepEqual(silent, { kind: 'relay', headers: [], encryption: 'unstated' });
    assert.equal(judgeAnswer(answer(200, [SSE, 'AES256']), inherited([ARN], true)).kind, 'unconfirmed');
  });

  test('an annotation is confirmed without a key, but not by silence nor under another key', () => {
    const { demand, ...sent } = inherited([ARN], false);
    const annotation = { ...sent, demand: { ...demand, keyMayBeSilent: true } };
    assert.equal(judgeAnswer(answer(200, [SSE, 'aws:kms']), annotation).kind, 'relay');
    assert.equal(judgeAnswer(answer(200, [SSE, 'aws:kms'], [KEY_ID, ARN]), annotation).kind, 'relay');
    assert.equal(
      judgeAnswer(answer(200, [SSE, 'aws:kms'], [KEY_ID, 'other']), annotation).kind,
      'unconfirmed',
    );
    assert.equal(judgeAnswer(answer(200, [SSE, 'AES256']), annotation).kind, 'unconfirmed');
    assert.equal(judgeAnswer(answer(200), annotation).kind, 'unconfirmed');
  });

  test('an error confirms nothing and is passed on', () => {
    assert.equal(judgeAnswer(answer(403), asked(ARN)).kind, 'relay');
  });

  for (const algorithm of ['aws:kms', 'aws:kms:dsse']) {
    test(`an answer under ${algorithm} does not pass a channel too weak for it`, () => {
      const refusal = insecureTransport('aws:kms');
      const judged = judgeAnswer(answer(200, [SSE, algorithm]), { ...nothing, ifAnswerUnderKms: refusal });
      assert.deepEqual(judged, { kind: 'refused', refusal });
    });
  }

  test('an answer under SSE-S3 passes it', () => {
    const sent = { ...nothing, ifAnswerUnderKms: insecureTransport('aws:kms') };
    assert.equal(judgeAnswer(answer(200, [SSE, 'AES256']), sent).kind, 'relay');
  });

  for (const status of [300, 301, 302, 303, 307, 308]) {
    test(`${status} is a redirect, with or without a location`, () => {
      assert.equal(judgeAnswer(answer(status), nothing).kind, 'redirect');
    });
  }

  test('304 is none', () => {
    assert.equal(judgeAnswer(answer(304), nothing).kind, 'relay');
  });

  test('hop-by-hop headers stay behind, those that Connection nominates among them; repeated ones are kept', () => {
    const head = answer(
      200,
      ['connection', 'keep-alive, X-Hop'],
      ['x-hop', '1'],
      ['transfer-encoding', 'chunked'],
      ['vary', 'a'],
      ['vary', 'b'],
    );
    assert.deepEqual(judgeAnswer(head, nothing), {
      kind: 'relay',
      headers: [
        ['vary', 'a'],
        ['vary', 'b'],
      ],
      encryption: undefined,
    });
  });
});
