import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { auditLine, auditLogger, createLogger, describeFault, type LogLevel } from '../../src/observe/log.ts';
import type { Observation } from '../../src/observe/observation.ts';
import { assertDocumented } from './documented.ts';
import { injectedWrite, refusal } from './observations.ts';

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function auditText(observation: Observation, level: LogLevel = 'info'): string {
  const lines: string[] = [];
  const logger = createLogger({ level, destination: { write: (line) => lines.push(line) } });
  auditLine(auditLogger(logger), observation);
  return lines.join('');
}

/** The line as parsed, its time checked and taken out. */
function auditFields(observation: Observation): Record<string, unknown> {
  const { time, ...fields } = JSON.parse(auditText(observation)) as Record<string, unknown>;
  assert.match(String(time), ISO_TIME);
  return fields;
}

describe('audit line', () => {
  it('states everything about a forwarded write', () => {
    const keyId = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
    const asked = { clientEncryption: { algorithm: 'aws:kms', keyId } };
    assert.deepEqual(auditFields(injectedWrite(asked)), {
      level: 'info',
      requestId: 'R0000000000000001',
      listener: '0.0.0.0:8443',
      peerAddress: '192.0.2.7',
      secure: true,
      client: 'billing',
      accessKeyId: 'BILLING0000000000001',
      scheme: 'sigv4',
      method: 'PUT',
      operation: 'PutObject',
      bucket: 'finance-eu',
      key: 'ledger/2024.csv',
      clientAlgorithm: 'aws:kms',
      clientKeyId: keyId,
      rule: 'finance',
      ruleMode: 'inject',
      outcome: 'forwarded',
      status: 200,
      injected: ['algorithm', 'key_id', 'context'],
      requestedAlgorithm: 'aws:kms',
      requestedKeyId: keyId,
      confirmedAlgorithm: 'aws:kms',
      confirmedKeyId: keyId,
      backend: 'primary',
      backendRequestId: 'B1',
      bytesReceived: 1000,
      bytesSent: 10,
      durationMs: 42.123,
      backendFirstByteMs: 30,
      msg: 'request',
    });
  });

  it('states a refusal with its reason and leaves out what does not apply', () => {
    assert.deepEqual(auditFields(refusal({ observedReason: 'key_missing' })), {
      level: 'info',
      requestId: 'R0000000000000001',
      listener: '0.0.0.0:8443',
      peerAddress: '192.0.2.7',
      secure: true,
      scheme: 'sigv4-query',
      method: 'GET',
      operation: 'GetObject',
      outcome: 'refused',
      status: 403,
      reason: 'signature_mismatch',
      observedReason: 'key_missing',
      errorCode: 'SignatureDoesNotMatch',
      errorMessage: 'The signature does not match.',
      bytesReceived: 0,
      bytesSent: 0,
      durationMs: 4.2,
      msg: 'request',
    });
  });

  it('is an error where encryption was not confirmed', () => {
    const fields = auditFields(
      injectedWrite({ unconfirmed: true, confirmedEncryption: undefined, backendError: 'x' }),
    );
    assert.equal(fields['level'], 'error');
    assert.equal(fields['unconfirmed'], true);
    assert.equal('confirmedAlgorithm' in fields, false);
  });

  it('is a warning where the backend failed', () => {
    const fields = auditFields(
      injectedWrite({ outcome: 'backend_failed', status: 502, backendError: 'ECONNREFUSED' }),
    );
    assert.equal(fields['level'], 'warn');
    assert.equal(fields['backendError'], 'ECONNREFUSED');
  });

  for (const level of ['debug', 'warn', 'error', 'silent'] as const) {
    it(`is written whatever the level: ${level}`, () => {
      for (const observation of [injectedWrite(), refusal(), injectedWrite({ backendError: 'ECONNRESET' })]) {
        assert.notEqual(auditText(observation, level), '');
      }
    });
  }

  it('holds no field that is not documented', () => {
    for (const observation of [injectedWrite(), refusal()]) assertDocumented(auditFields(observation));
  });

  it('logs nothing that Observation gains until a field is made for it', () => {
    const observation = { ...injectedWrite(), encryptionContext: 'canary' };
    assert.doesNotMatch(auditText(observation), /canary/);
  });
});

describe('errors in the log', () => {
  const secret = 'a secret';
  const error = Object.assign(new TypeError(secret), { code: 'ERR_X', input: secret, socket: { secret } });

  it('an error is its type, code, message and stack: nothing that a library has hung on it', () => {
    const lines: string[] = [];
    const logger = createLogger({ level: 'info', destination: { write: (line) => lines.push(line) } });
    logger.error({ err: error }, 'backend credentials');
    const { err } = JSON.parse(lines[0] ?? '');
    assert.deepEqual(Object.keys(err), ['type', 'code', 'message', 'stack']);
  });

  it('a fault of the gateway is its type, code and place, without its message', () => {
    const { type, code, at } = describeFault(error);
    assert.deepEqual([type, code], ['TypeError', 'ERR_X']);
    assert.match(String((at as string[])[0]), /log\.test\.ts:\d+:\d+/);
    assert.doesNotMatch(JSON.stringify(describeFault(error)), /a secret/);
    assert.deepEqual(describeFault(secret), { type: 'string' });
  });
});

describe('audit line of a hostile key', () => {
  const keys: [what: string, key: string][] = [
    ['line feeds that forge a line', 'a\n{"level":"info","msg":"request","key":"forged"}\r\n'],
    ['quotes and backslashes', '","outcome":"forwarded","x":"\\"\\\\'],
    ['NUL and other control characters', '\u0000\u0007\u001b[2J\u007f\u0085'],
    ['line and paragraph separators', 'a\u2028b\u2029c'],
    ['letters of other scripts and emoji', 'Übung/日本語/🗝️'],
    ['format directives', '%s %o %j %d'],
    ['names of object properties', '__proto__'],
    ['a megabyte', 'k'.repeat(1 << 20)],
  ];
  for (const [what, key] of keys) {
    it(`is one line and gives back the key: ${what}`, () => {
      const text = auditText(injectedWrite({ key, bucket: key, accessKeyId: key }));
      assert.equal(text.indexOf('\n'), text.length - 1);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
      assert.doesNotMatch(text.slice(0, -1), /[\u0000-\u001f]/);
      const fields = JSON.parse(text) as Record<string, unknown>;
      assert.deepEqual([fields['key'], fields['bucket'], fields['accessKeyId']], [key, key, key]);
      assert.deepEqual([fields['outcome'], fields['msg']], ['forwarded', 'request']);
    });
  }

  it('is valid UTF-8 although the key holds half a surrogate pair', () => {
    const bytes = Buffer.from(auditText(injectedWrite({ key: 'a\ud800b' })));
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    assert.match(String((JSON.parse(text) as Record<string, unknown>)['key']), /^a.b$/su);
  });
});
