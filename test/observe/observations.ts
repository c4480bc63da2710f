// Observations for tests: one request of each kind, to be varied.

import { NOTHING_KNOWN, type Observation } from '../../src/observe/observation.ts';

const NOTHING: Observation = {
  ...NOTHING_KNOWN,
  requestId: 'R0000000000000001',
  listener: '0.0.0.0:8443',
  peerAddress: '192.0.2.7',
  method: 'GET',
  operation: 'GetObject',
  secure: true,
  outcome: 'refused',
  status: 403,
  durationSeconds: 0.0042,
};

const KEY_ID = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';

/** A write to which the gateway added the encryption, and whose encryption the backend confirmed. */
export function injectedWrite(changes: Partial<Observation> = {}): Observation {
  return {
    ...NOTHING,
    method: 'PUT',
    operation: 'PutObject',
    bucket: 'finance-eu',
    key: 'ledger/2024.csv',
    client: 'billing',
    accessKeyId: 'BILLING0000000000001',
    scheme: 'sigv4',
    verification: 'verified',
    rule: 'finance',
    ruleMode: 'inject',
    backend: 'primary',
    outcome: 'forwarded',
    status: 200,
    injected: ['algorithm', 'key_id', 'context'],
    requestedEncryption: { algorithm: 'aws:kms', keyId: KEY_ID },
    confirmedEncryption: { algorithm: 'aws:kms', keyId: KEY_ID },
    backendRequestId: 'B1',
    bytesReceived: 1000,
    bytesSent: 10,
    durationSeconds: 0.0421234567,
    backendFirstByteSeconds: 0.03,
    ...changes,
  };
}

/** A request refused before anything was sent to a backend. */
export function refusal(changes: Partial<Observation> = {}): Observation {
  return {
    ...NOTHING,
    scheme: 'sigv4-query',
    verification: 'signature_mismatch',
    reason: 'signature_mismatch',
    error: { code: 'SignatureDoesNotMatch', message: 'The signature does not match.' },
    ...changes,
  };
}
