// What `explain` takes a question to mean: the listener, the sender, the URL, the body; and what it says and does not show.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { explain } from '../../src/command/explain/explain.ts';
import type { Explanation } from '../../src/command/explain/explanation.ts';
import type { Question } from '../../src/command/explain/question.ts';
import { explanationJson, writeExplanation } from '../../src/command/explain/text.ts';
import type { Configuration } from '../../src/config/configuration.ts';
import { certificateKey } from '../../src/core/certificate.ts';
import type { Client, Policy, SigningClient } from '../../src/core/index.ts';
import {
  BACKEND_CREDENTIALS,
  CLIENT,
  FOREIGN_KEY_ARN,
  KEY_ARN,
  NOW,
  PLAINTEXT,
  policy,
  rule,
  TLS,
} from '../core/fixture.ts';
import { configurationOf, listenerOf, TRUSTED_PEER } from './configuration.ts';

const SSE = 'x-amz-server-side-encryption';
const READER: SigningClient = {
  ...CLIENT,
  name: 'reader',
  accessKeyId: 'READER',
  buckets: ['bucket'],
  access: 'read-only',
};
const SIDECAR = { ...PLAINTEXT, declaredSecure: true, authentication: 'none' } as const;

function configuration(
  channels: Readonly<Record<string, typeof TLS>> = { tls: TLS },
  overrides: Partial<Policy> = {},
): Configuration {
  const listeners = Object.entries(channels).map(([name, channel]) => listenerOf(name, channel));
  return configurationOf(policy(overrides), listeners);
}

const ask = (question: Partial<Question>): Question => ({
  method: 'PUT',
  url: '/bucket/key',
  headers: [],
  ...question,
});

/** Every field that an answer had. */
const fieldsSeen = new Set<string>();

async function explained(question: Partial<Question> = {}, under = configuration()): Promise<Explanation> {
  const answer = await explain(under, ask(question), NOW);
  assert.ok(!('kind' in answer), JSON.stringify(answer));
  for (const name of Object.keys(JSON.parse(explanationJson(answer)))) fieldsSeen.add(name);
  return answer;
}

async function why(question: Partial<Question>, under = configuration()): Promise<string> {
  const answer = await explain(under, ask(question), NOW);
  assert.ok('kind' in answer, JSON.stringify(answer));
  return answer.message;
}

describe('the listener', () => {
  const all = { plain: PLAINTEXT, sidecar: SIDECAR, tls: TLS };
  const clients = new Map([CLIENT, READER].map((client) => [client.accessKeyId, client]));
  const CASES: readonly (readonly [what: string, question: Partial<Question>, listener: string])[] = [
    ['of a question that names nobody is the one that asks for no signature', {}, 'sidecar'],
    ['of a client is the one with TLS', { client: 'billing' }, 'tls'],
    ['of a signature of its own too', { headers: ['authorization: AWS a:b'] }, 'tls'],
    ['of --plaintext is one that is not secure', { plaintext: true, client: 'billing' }, 'plain'],
    ['of an http URL too', { url: 'http://gateway.example/bucket/key', client: 'billing' }, 'plain'],
    ['of an https URL has TLS', { url: 'https://gateway.example/bucket/key', client: 'billing' }, 'tls'],
    ['of --listener is that', { listener: 'plain', client: 'billing' }, 'plain'],
  ];
  for (const [what, question, listener] of CASES) {
    test(what, async () =>
      assert.equal((await explained(question, configuration(all, { clients }))).listener, listener),
    );
  }

  test('of a URL with a port is the one at that port', async () => {
    const under = configuration(all);
    const listeners = under.listeners.map((one, index) => ({ ...one, port: 8080 + index }));
    const question = { url: 'http://localhost:8081/bucket/key' };
    assert.equal((await explained(question, { ...under, listeners })).listener, 'sidecar');
  });

  test('of --plaintext is a sidecar where there is no other, and the answer says that it counts as secure', async () => {
    const answer = await explained({ plaintext: true }, configuration({ tls: TLS, sidecar: SIDECAR }));
    assert.deepEqual([answer.listener, answer.transport, answer.secure], ['sidecar', 'plaintext', true]);
    assert.match(textOf(answer), /listener sidecar \(gateway\.yaml:2\): plaintext, which counts as secure/);
  });

  test('that there is not is no answer', async () => {
    assert.match(await why({ plaintext: true }), /no listener of gateway\.yaml is plaintext/);
    assert.match(
      await why({ url: 'https://h/b/k' }, configuration({ plain: PLAINTEXT })),
      /no listener of gateway\.yaml speaks TLS/,
    );
    assert.match(await why({ listener: 'x' }), /has no listener x\. It has: tls/);
  });

  test('believes a trusted proxy, if that is the peer', async () => {
    const question = { headers: ['X-Forwarded-Proto: https'] };
    const under = configuration({ plain: PLAINTEXT });
    assert.equal((await explained({ ...question, peer: TRUSTED_PEER }, under)).outcome, 'forwarded');
    assert.equal((await explained(question, under)).reason, 'insecure_transport');
  });
});

describe('a certificate', () => {
  const BILLING = { kind: 'uri', value: 'spiffe://cluster/ns/billing/sa/app' } as const;
  const REPORTS = { kind: 'dnsName', value: 'reports.example' } as const;
  const bound = { ...CLIENT, certificate: BILLING };
  const reports: Client = { name: 'reports', buckets: ['bucket'], access: 'read-only', certificate: REPORTS };
  const certificateClients = new Map<string, Client>([
    [certificateKey(BILLING), bound],
    [certificateKey(REPORTS), reports],
  ]);
  const asking = { ...TLS, certificateNames: [] };
  const telling = { ...asking, authentication: 'certificate' } as const;
  const under = configuration(
    { signatures: asking, certificates: telling, open: TLS },
    { clients: new Map([[bound.accessKeyId, bound]]), certificateClients },
  );

  test('is shown by the client that has one, beside its signature', async () => {
    const answer = await explained({ client: 'billing' }, under);
    assert.deepEqual(
      [answer.outcome, answer.listener, answer.scheme, answer.certificate],
      ['forwarded', 'signatures', 'sigv4', [certificateKey(BILLING)]],
    );
    assert.match(textOf(answer), /client +billing \(gateway\.yaml:1\), by Signature .*uri:spiffe:/s);
  });

  test('is all that a client without a key needs, at a listener that takes it', async () => {
    const answer = await explained({ client: 'reports', method: 'GET' }, under);
    assert.deepEqual(
      [answer.outcome, answer.listener, answer.scheme, answer.clientLine],
      ['forwarded', 'certificates', 'certificate', 2],
    );
    assert.match(
      await why({ client: 'reports', listener: 'signatures' }, under),
      /client reports has no access key, and listener signatures asks for a signature/,
    );
  });

  test('of --certificate takes the place of the client’s own', async () => {
    const stolen = await explained({ client: 'billing', certificate: ['dnsName:reports.example'] }, under);
    assert.deepEqual([stolen.outcome, stolen.reason], ['refused', 'certificate_mismatch']);
    assert.deepEqual(stolen.notes, [
      'the connection has shown a certificate with dnsName:reports.example',
      `client billing is known by ${certificateKey(BILLING)}`,
    ]);
    const shown = await explained({ method: 'GET', certificate: ['dnsName:REPORTS.example'] }, under);
    assert.deepEqual([shown.client, shown.listener], ['reports', 'certificates']);
  });

  test('that is nobody’s, or that a listener does not ask for, is refused', async () => {
    const stranger = await explained({ certificate: ['email:a@b'] }, under);
    assert.deepEqual([stranger.reason, stranger.client], ['unknown_certificate', undefined]);
    assert.match(textOf(stranger), /client +not known: by its certificate/);
    const open = await explained({ client: 'billing', listener: 'open' }, under);
    assert.equal(open.reason, 'certificate_mismatch');
    assert.equal(open.notes[0], 'the connection has shown no certificate');
  });

  test('must be named where several could be meant, and be a name', async () => {
    assert.match(await why({ listener: 'certificates' }, under), /\(--client\): one of billing, reports/);
    assert.match(await why({ certificate: ['reports.example'] }, under), /write uri:…, dnsName:… or email:…/);
  });
});

describe('the sender', () => {
  const clients = new Map([CLIENT, READER].map((client) => [client.accessKeyId, client]));

  test('is the only client', async () => assert.equal((await explained()).client, 'billing'));

  test('must be named where there are several, and the answer lists them', async () => {
    const under = configuration({ tls: TLS }, { clients });
    assert.match(await why({}, under), /\(--client\): one of billing, reader/);
    assert.match(await why({ client: 'x' }, under), /has no client x\. It has: billing, reader/);
    assert.match(await why({}, configuration({ tls: TLS }, { clients: new Map() })), /none is configured/);
    assert.equal((await explained({ client: 'reader' }, under)).reason, 'operation_not_allowed');
  });

  test('need not be named for a preflight or a form, which nobody signs in a header', async () => {
    const under = configuration({ tls: TLS }, { clients });
    const preflight = ['Origin: https://a.example', 'Access-Control-Request-Method: PUT'];
    assert.equal((await explained({ method: 'OPTIONS', headers: preflight }, under)).outcome, 'forwarded');
    const form = {
      method: 'POST',
      url: '/bucket',
      headers: ['content-type: multipart/form-data; boundary=b'],
    };
    assert.equal((await explained(form, under)).outcome, 'undecided');
  });

  test('is nobody with --signature none', async () => {
    assert.equal((await explained({ signature: 'none' })).reason, 'anonymous');
  });

  test('may sign with Version 2', async () => {
    const answer = await explained({ signature: 'v2' });
    assert.deepEqual([answer.scheme, answer.reason], ['sigv2', 'signature_v2']);
  });

  test('cannot be named beside a signature that the request carries', async () => {
    assert.match(
      await why({ headers: ['authorization: AWS a:b'], client: 'billing' }),
      /a signature of its own/,
    );
    assert.match(
      await why({ url: '/bucket/key?X-Amz-Signature=a', signature: 'v4' }),
      /a signature of its own/,
    );
  });

  test('is anybody where signatures are preserved', async () => {
    const under = configuration({ tls: { ...TLS, signing: 'preserve' } }, { clients: new Map() });
    const headers = [`${SSE}: aws:kms`, `${SSE}-aws-kms-key-id: ${rule().keyId}`];
    const answer = await explained({ headers }, under);
    assert.deepEqual([answer.outcome, answer.client], ['forwarded', undefined]);
    assert.deepEqual([answer.edits?.added, answer.edits?.changed, answer.edits?.removed], [[], [], []]);
  });

  test('signs another date, token or payload hash as it stands', async () => {
    assert.equal((await explained({ headers: ['x-amz-date: 20200101T000000Z'] })).reason, 'clock_skew');
    assert.equal(
      (await explained({ headers: ['x-amz-security-token: other'] })).reason,
      'invalid_session_token',
    );
    const streaming = ['x-amz-content-sha256: UNSIGNED-PAYLOAD'];
    assert.deepEqual((await explained({ headers: streaming })).outcome, 'forwarded');
  });
});

describe('the request', () => {
  test('keeps its target as it stands: dots and empty segments are part of the key', async () => {
    const { key, target } = await explained({ url: '/bucket/a/../b//c' });
    assert.deepEqual([key, target], ['a/../b//c', '/bucket/a/../b//c']);
  });

  test('is percent-encoded where it could not stand on a request line', async () => {
    const { key, target } = await explained({ url: '/bucket/a b/é' });
    assert.deepEqual([key, target], ['a b/é', '/bucket/a%20b/%C3%A9']);
  });

  test('of a URL has its host, which may name the bucket', async () => {
    const { bucket, key } = await explained({ url: 'https://bucket.s3.gateway.example/a/b' });
    assert.deepEqual([bucket, key], ['bucket', 'a/b']);
    const service = await explained({ method: 'GET', url: 'https://s3.gateway.example?max-buckets=5' });
    assert.deepEqual([service.operation, service.target], ['ListBuckets', '/?max-buckets=5']);
  });

  for (const url of [
    'bucket/key',
    'ftp://host/key',
    'https://',
    'https://user:secret@host/',
    'https://host#x',
    '',
  ]) {
    test(`${JSON.stringify(url)} is no URL`, async () => assert.match(await why({ url }), /is no URL/));
  }

  for (const header of ['no colon', ': x', 'a b: x', 'a: b\r\nc: d']) {
    test(`${JSON.stringify(header)} is no header`, async () => {
      assert.match(await why({ headers: [header] }), /is no header line/);
    });
  }

  test('keeps repeated headers repeated', async () => {
    const twice = await explained({ headers: ['x-amz-meta-a: 1', 'x-amz-meta-a: 2'] });
    assert.deepEqual(
      twice.edits?.kept.filter(({ name }) => name === 'x-amz-meta-a'),
      [{ name: 'x-amz-meta-a', value: '1,2' }],
    );
    assert.equal(
      (await explained({ headers: ['x-amz-acl: private', 'x-amz-acl: private'] })).reason,
      'ambiguous_request',
    );
  });

  test('says of a header that it came from the query', async () => {
    const { edits } = await explained({ url: '/bucket/key?x-amz-meta-a=1' });
    assert.deepEqual(
      edits?.kept.find(({ name }) => name === 'x-amz-meta-a'),
      { name: 'x-amz-meta-a', value: '1', from: 'query' },
    );
  });

  test('has the length and the hash of its data', async () => {
    const answer = await explained({ data: Buffer.from('content') });
    assert.equal(answer.body, '7 bytes, sent on as they come; they must have the SHA-256 that was signed');
    assert.match(
      await why({ data: Buffer.from('content'), headers: ['content-length: 8'] }),
      /has 7 bytes, but its Content-Length is 8/,
    );
  });

  test('is refused for a body that does not hold', async () => {
    const answer = await explained({
      data: Buffer.from('content'),
      headers: [`x-amz-content-sha256: ${'a'.repeat(64)}`],
    });
    assert.deepEqual([answer.outcome, answer.reason], ['refused', 'payload_mismatch']);
    assert.deepEqual(answer.notes, ['the head of the request is accepted, its body is not']);
  });
});

describe('the form of a browser', () => {
  const boundary = 'b';
  const headers = [`content-type: multipart/form-data; boundary=${boundary}`];
  const body = (fields: Record<string, string>) => {
    const parts = Object.entries({ ...fields, file: 'content' }).map(
      ([name, value]) =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    return Buffer.from(`${parts.join('')}--${boundary}--\r\n`);
  };
  const form = { method: 'POST', url: '/bucket', headers } as const;

  test('is not decided without its body', async () => {
    const answer = await explained(form);
    assert.equal(answer.outcome, 'undecided');
    assert.match(textOf(answer), /a form is judged by its fields: give its body with --data/);
  });

  const settled = (keyId: string) =>
    Buffer.from(
      `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>${keyId}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`,
    );

  test('of a document that settles encryption is read, proven and judged', async () => {
    const asked = { url: '/bucket?encryption' };
    const open = await explained(asked);
    assert.equal(open.outcome, 'undecided');
    assert.match(textOf(open), /this is judged by its document: give its body with --data/);
    const allowed = await explained({ ...asked, data: settled(KEY_ARN) });
    assert.deepEqual([allowed.outcome, allowed.rule], ['forwarded', 'all']);
    const refused = await explained({ ...asked, data: settled(FOREIGN_KEY_ARN) });
    assert.deepEqual([refused.outcome, refused.reason], ['refused', 'key_not_allowed']);
    assert.equal((await explained({ ...asked, data: Buffer.from('<a') })).errorCode, 'MalformedXML');
  });

  test('is judged by its fields', async () => {
    const answer = await explained(
      { ...form, data: body({ key: 'k' }) },
      configuration({ sidecar: SIDECAR }),
    );
    assert.deepEqual([answer.outcome, answer.operation, answer.key], ['forwarded', 'PostObject', 'k']);
    assert.equal(answer.forwardMethod, 'PUT');
    assert.equal((await explained({ ...form, data: body({ key: 'k' }) })).reason, 'anonymous');
    assert.equal(
      (await explained({ ...form, data: Buffer.from('nonsense') })).errorCode,
      'MalformedPOSTRequest',
    );
    const cut = body({ key: 'k' }).subarray(0, -3);
    assert.equal(
      (await explained({ ...form, data: cut }, configuration({ sidecar: SIDECAR }))).errorCode,
      'MalformedPOSTRequest',
    );
  });
});

function textOf(answer: Explanation, coloured = false): string {
  let text = '';
  writeExplanation(answer, { write: (piece) => (text += piece), hasColors: () => coloured });
  return text;
}

describe('what is said', () => {
  test('names each part with its line in the file', async () => {
    const answer = await explained();
    const lines = [answer.listenerLine, answer.clientLine, answer.ruleLine, answer.backendLine];
    assert.deepEqual(lines, [1, 1, 1, 1]);
    const text = textOf(answer);
    for (const part of ['tls', 'billing', 'all', 'primary'])
      assert.match(text, new RegExp(`${part} \\(gateway\\.yaml:1\\)`));
    assert.match(text, /mode inject/);
    assert.match(text, /API_PutObject\.html/);
  });

  test('is coloured only where that is wanted', async () => {
    const answer = await explained();
    assert.ok(textOf(answer, true).includes('\u001b['));
    assert.ok(!textOf(answer).includes('\u001b'));
  });

  test('shows a context as people read it', async () => {
    assert.match(textOf(await explained()), /\{"aws:s3:arn":"arn:aws:s3:::bucket\/key"\}/);
  });

  test('lets no control character through to the terminal', async () => {
    const answer = await explained({ url: '/bucket/%1B%5B2J%E2%80%AEx' });
    assert.equal(answer.key, '\u001b[2J\u202ex');
    assert.match(textOf(answer), /\\u001b\[2J\\u202ex/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.doesNotMatch(textOf(answer), /[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  test('quotes the configuration on what is refused', async () => {
    const clients = new Map([[READER.accessKeyId, READER]]);
    const under = configuration(
      { tls: TLS },
      { clients, rules: [rule({ buckets: ['other'], prefixes: ['a/'] })] },
    );
    assert.deepEqual((await explained({}, under)).notes, [
      'PutObject takes access: read-write; client reader has access: read-only',
    ]);
    assert.deepEqual((await explained({ method: 'GET', url: '/elsewhere/k' }, under)).notes, [
      'client reader has the buckets bucket',
      'backend primary serves the buckets *',
    ]);
    const owner = configuration({ tls: TLS }, { rules: [rule({ buckets: ['other'], prefixes: ['a/'] })] });
    assert.deepEqual((await explained({}, owner)).notes, [
      'rule all is for the buckets other, keys that begin with a/',
    ]);
    const foreign = await explained({ headers: [`${SSE}: aws:kms`, `${SSE}-aws-kms-key-id: x`] });
    assert.deepEqual(foreign.notes, [`rule all allows ${rule().keyId}`]);
  });

  test('says what mode observe leaves out', async () => {
    const answer = await explained({}, configuration({ tls: TLS }, { rules: [rule({ mode: 'observe' })] }));
    assert.deepEqual(answer.observedInjected, ['algorithm', 'key_id', 'bucket_key', 'context']);
    assert.match(textOf(answer), /mode observe leaves out what mode inject would add: algorithm, key_id/);
  });

  test('says what mode observe lets through', async () => {
    const under = configuration({ tls: TLS }, { rules: [rule({ mode: 'observe' })] });
    const answer = await explained({ headers: [`${SSE}: AES256`] }, under);
    assert.deepEqual([answer.outcome, answer.observedReason], ['forwarded', 'encryption_downgrade']);
    assert.match(
      textOf(answer),
      /mode observe lets through what mode inject would refuse: encryption_downgrade/,
    );
  });

  test('says what would become of an answer', async () => {
    const read = await explained({ method: 'GET' }, configuration({ plain: PLAINTEXT }));
    assert.equal(read.ifUnderKms?.reason, 'insecure_transport');
    assert.equal((await explained()).mustConfirm?.algorithm, 'aws:kms');
  });

  test('says that credentials which would have to be fetched were not', async () => {
    const under = configuration();
    const backends = under.backends.map((backend) => ({
      ...backend,
      credentials: { provider: 'default' } as const,
    }));
    assert.match(textOf(await explained({}, { ...under, backends })), /credentials were not fetched/);
  });

  test('as JSON is what is documented, and what does not apply is absent', async () => {
    const refused = JSON.parse(explanationJson(await explained({ headers: [`${SSE}: AES256`] })));
    assert.equal(refused.outcome, 'refused');
    assert.equal('edits' in refused, false);
  });

  test('holds no secret and no signature', async () => {
    const token = 'a-session-token-of-a-client';
    const customerKey = Buffer.alloc(32, 'k').toString('base64');
    const clients = new Map([[CLIENT.accessKeyId, { ...CLIENT, sessionToken: token }]]);
    const under = configuration({ tls: TLS }, { clients, rules: [rule({ otherEncryption: 'allow' })] });
    const customer = [`${SSE}-customer-algorithm: AES256`, `${SSE}-customer-key: ${customerKey}`];
    const presigned = `/bucket/key?X-Amz-Signature=${'5'.repeat(64)}&X-Amz-Security-Token=${token}`;
    const answers = [
      await explained({ headers: customer }, under),
      await explained({ headers: customer, signature: 'v2' }, under),
      await explained({ url: presigned }, under),
      await explained({ headers: [`authorization: AWS ${CLIENT.accessKeyId}:${token}`, ...customer] }, under),
    ];
    const secrets = [token, customerKey, '5'.repeat(64), CLIENT.secretAccessKey];
    for (const answer of answers) {
      for (const text of [textOf(answer), explanationJson(answer)]) {
        for (const secret of [...secrets, ...Object.values(BACKEND_CREDENTIALS).slice(1)])
          assert.ok(!text.includes(secret), text);
        assert.doesNotMatch(text, /Signature=[0-9a-f]{8}/);
      }
    }
  });
});

test('docs/explain.md describes every field of the JSON, and no other', () => {
  const page = readFileSync(new URL('../../docs/explain.md', import.meta.url), 'utf8');
  const [, table = ''] = page.split('\n## JSON\n');
  const columns = [...table.matchAll(/^\| (`[^|]+) \|/gm)].map(([, column = '']) => column);
  const documented = columns.flatMap((column) =>
    [...column.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
  );
  assert.deepEqual([...fieldsSeen].sort(), documented.sort());
});
