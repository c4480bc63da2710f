// The walk: one request after another through the gateway, each held against what the backend received and stored.
// Knows what should happen; trusts no answer of the gateway where the store can be asked instead.
import { randomBytes } from 'node:crypto';
import { get as httpGet } from 'node:http';
import { parseEncryptionContext } from '../core/s3/encryption-context.ts';
import { SSE } from '../core/s3/sse.ts';
import { isFault, parseXml, textOf } from './answers.ts';
import type { StepReport } from './report.ts';
import type { DemoStore, ReceivedLine, StoredWitness } from './store.ts';
import { send, type Wire, type WireAnswer, type WireRequest } from './wire.ts';
import { BUCKET, KEYS } from './workspace.ts';

/** What the walk works with. */
export interface Scene {
  /** The gateway's TLS listener. */
  readonly gateway: Wire;
  /** Its plaintext listener. */
  readonly plaintext: Wire;
  readonly adminPort: number;
  readonly store: DemoStore;
  /** Counts what the walk saw injected, for the step on metrics. */
  readonly injections: Map<string, number>;
  /** Reasons of the refusals that the walk asked for. */
  readonly refusals: string[];
}

export interface Step {
  readonly title: string;
  readonly run: (scene: Scene) => Promise<StepReport>;
}

const INVOICE = 'invoice-1.json';
const SALARIES = 'salaries.csv';
const BACKUP = 'backup.tar';
const COPY = 'archive/invoice-1.json';
const PART_SIZE = 5 * 1024 * 1024;
const PARTS = [randomBytes(PART_SIZE), randomBytes(PART_SIZE)] as const;
const BODY = Buffer.from('{"invoice": 1, "amount": "100.00 EUR"}\n');

/** In order: later steps read what earlier ones stored. */
export const STEPS: readonly Step[] = [
  { title: 'PutObject without any encryption header', run: putPlain },
  { title: "PutObject with the client's own key and context", run: putOwnKey },
  { title: 'Multipart upload without encryption headers, two parts of 5 MiB', run: multipart },
  { title: 'CopyObject without encryption headers', run: copy },
  { title: 'GetObject', run: readBack },
  { title: 'PutObject with a KMS key that the rule does not allow', run: wrongKey },
  { title: 'PutObject over plain HTTP', run: plainHttp },
  { title: 'PutObject with Signature Version 2', run: signatureV2 },
  { title: 'GetObject with an encryption header', run: headerOnRead },
  { title: 'PutObject with a bad signature', run: badSignature },
  { title: 'What /metrics counted', run: metrics },
];

/** Column of names before values. */
const NAME = 11;

const pathOf = (key: string): string => `/${BUCKET}/${key}`;
const arnOf = (key: string): string => `arn:aws:s3:::${BUCKET}/${key}`;

async function putPlain(scene: Scene): Promise<StepReport> {
  const request = { method: 'PUT', path: pathOf(INVOICE), body: BODY };
  return sealedStep(scene, request, {
    key: INVOICE,
    keyId: KEYS.fallback,
    context: { 'aws:s3:arn': arnOf(INVOICE) },
    size: BODY.length,
  });
}

async function putOwnKey(scene: Scene): Promise<StepReport> {
  const context = Buffer.from('{"department":"payroll"}').toString('base64');
  const headers = { [SSE.algorithm]: 'aws:kms', [SSE.keyId]: KEYS.allowed, [SSE.context]: context };
  const request = { method: 'PUT', path: pathOf(SALARIES), headers, body: BODY };
  return sealedStep(scene, request, {
    key: SALARIES,
    keyId: KEYS.allowed,
    context: { department: 'payroll', 'aws:s3:arn': arnOf(SALARIES) },
    size: BODY.length,
  });
}

async function copy(scene: Scene): Promise<StepReport> {
  const headers = { 'x-amz-copy-source': `${BUCKET}/${INVOICE}` };
  return sealedStep(
    scene,
    { method: 'PUT', path: pathOf(COPY), headers },
    { key: COPY, keyId: KEYS.fallback, context: { 'aws:s3:arn': arnOf(COPY) }, size: BODY.length },
  );
}

async function multipart(scene: Scene): Promise<StepReport> {
  const path = pathOf(BACKUP);
  const first = scene.store.requests.length;
  const created = await send(scene.gateway, {
    method: 'POST',
    path,
    query: [{ name: 'uploads', value: '' }],
  });
  const uploadId = childOf(created, 'InitiateMultipartUploadResult', 'UploadId') ?? '';
  const part = async (body: Buffer, number: number) => {
    const query = [
      { name: 'partNumber', value: String(number) },
      { name: 'uploadId', value: uploadId },
    ];
    const { headers } = await send(scene.gateway, { method: 'PUT', path, query, body });
    return `<Part><PartNumber>${number}</PartNumber><ETag>${headers.etag}</ETag></Part>`;
  };
  const list = `${await part(PARTS[0], 1)}${await part(PARTS[1], 2)}`;
  const body = Buffer.from(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`);
  const query = [{ name: 'uploadId', value: uploadId }];
  const completed = await send(scene.gateway, { method: 'POST', path, query, body });
  const sent = [
    `POST ${path}?uploads, PUT of two parts, POST of the list of parts`,
    'no encryption header on any of them',
  ];
  const decided = [
    'forward all four, and add to the first alone, as S3 wants it:',
    ...edits(scene, first, {}),
  ];
  const expected = { key: BACKUP, keyId: KEYS.fallback, context: { 'aws:s3:arn': arnOf(BACKUP) } };
  const stored = checkStored(scene, { ...expected, size: 2 * PART_SIZE });
  return { sent, decided, stored: stored.lines, faults: [...checkOk(completed), ...stored.faults] };
}

async function readBack(scene: Scene): Promise<StepReport> {
  const path = pathOf(BACKUP);
  const answer = await send(scene.gateway, { method: 'GET', path });
  const original = Buffer.concat(PARTS);
  const same = answer.body.equals(original);
  const faults = [
    ...checkOk(answer),
    ...(same ? [] : ['the bytes that came back are not those that were sent']),
  ];
  return {
    sent: [`GET ${path}, no encryption header`],
    decided: ['forward as it is: encryption headers have no place on a read'],
    stored: [
      same
        ? `decrypted by the backend and streamed back: ${original.length} bytes, each the same as was sent`
        : `${answer.body.length} bytes came back`,
    ],
    faults,
  };
}

async function wrongKey(scene: Scene): Promise<StepReport> {
  const headers = { [SSE.algorithm]: 'aws:kms', [SSE.keyId]: KEYS.foreign };
  const request = { method: 'PUT', path: pathOf('refused-key'), headers, body: BODY };
  const expected = { status: 403, code: 'AccessDenied', text: 'does not allow the KMS key' };
  return refusedStep(scene, scene.gateway, request, { ...expected, reason: 'key_not_allowed' });
}

async function plainHttp(scene: Scene): Promise<StepReport> {
  const request = { method: 'PUT', path: pathOf('refused-http'), body: BODY };
  return refusedStep(scene, scene.plaintext, request, {
    status: 400,
    code: 'InvalidArgument',
    text: 'Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.',
    reason: 'insecure_transport',
  });
}

async function signatureV2(scene: Scene): Promise<StepReport> {
  const request = { method: 'PUT', path: pathOf('refused-v2'), body: BODY, signature: 'v2' } as const;
  return refusedStep(scene, scene.gateway, request, {
    status: 400,
    code: 'InvalidArgument',
    text: 'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.',
    reason: 'signature_v2',
  });
}

async function headerOnRead(scene: Scene): Promise<StepReport> {
  const request = { method: 'GET', path: pathOf(INVOICE), headers: { [SSE.algorithm]: 'aws:kms' } };
  return refusedStep(scene, scene.gateway, request, {
    status: 400,
    code: 'InvalidArgument',
    text: 'x-amz-server-side-encryption header is not supported for this operation.',
    reason: 'encryption_headers_on_read',
  });
}

async function badSignature(scene: Scene): Promise<StepReport> {
  const credentials = { ...scene.gateway.credentials, secretAccessKey: 'not-the-secret' };
  const request = { method: 'PUT', path: pathOf('refused-signature'), body: BODY };
  return refusedStep(scene, { ...scene.gateway, credentials }, request, {
    status: 403,
    code: 'SignatureDoesNotMatch',
    text: 'The request signature we calculated does not match the signature you provided.',
    reason: 'signature_mismatch',
  });
}

const METRIC_PREFIX = 's3_kms_gateway_';

async function metrics(scene: Scene): Promise<StepReport> {
  const text = await readMetrics(scene.adminPort);
  const lines = text
    .split('\n')
    .filter((line) => /^s3_kms_gateway_(?:refusals|injections)_total\{/.test(line) && !line.endsWith(' 0'));
  const faults: string[] = [];
  for (const reason of scene.refusals) {
    const counted = totalOf(lines, `reason="${reason}"`);
    if (counted !== 1) faults.push(`refusals_total counts ${counted} with reason ${reason}, not 1`);
  }
  for (const [what, seen] of scene.injections) {
    const counted = totalOf(lines, `what="${what}"`);
    if (counted !== seen) faults.push(`injections_total counts ${counted} of ${what}, not ${seen}`);
  }
  const sent = [`GET http://127.0.0.1:${scene.adminPort}/metrics (each name begins with ${METRIC_PREFIX})`];
  const decided = lines.map((line) => line.slice(METRIC_PREFIX.length));
  return { sent, decided, stored: [], faults };
}

function totalOf(lines: readonly string[], label: string): number {
  return lines
    .filter((line) => line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

function readMetrics(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpGet({ host: '127.0.0.1', port, path: '/metrics', agent: false }, async (response) => {
      try {
        resolve(Buffer.concat(await response.toArray()).toString('utf8'));
      } catch (error) {
        reject(error);
      }
    });
    request.on('error', reject);
  });
}

/** What a write should leave behind. */
interface ExpectedObject {
  readonly key: string;
  readonly keyId: string;
  readonly context: Readonly<Record<string, string>>;
  readonly size: number;
}

async function sealedStep(scene: Scene, request: WireRequest, expected: ExpectedObject): Promise<StepReport> {
  const first = scene.store.requests.length;
  const answer = await send(scene.gateway, request);
  const stored = checkStored(scene, expected);
  return {
    sent: sentLines(request),
    decided: [
      "forward, signed with the gateway's own access key:",
      ...edits(scene, first, request.headers ?? {}),
    ],
    stored: stored.lines,
    faults: [...checkOk(answer), ...stored.faults],
  };
}

interface ExpectedRefusal {
  readonly status: number;
  readonly code: string;
  readonly text: string;
  readonly reason: string;
}

async function refusedStep(
  scene: Scene,
  wire: Wire,
  request: WireRequest,
  expected: ExpectedRefusal,
): Promise<StepReport> {
  const before = scene.store.requests.length;
  const answer = await send(wire, request);
  scene.refusals.push(expected.reason);
  const code = childOf(answer, 'Error', 'Code') ?? 'no code';
  const message = childOf(answer, 'Error', 'Message') ?? answer.body.toString('utf8');
  const faults: string[] = [];
  if (answer.status !== expected.status || code !== expected.code) {
    faults.push(`the answer is ${answer.status} ${code}, not ${expected.status} ${expected.code}`);
  }
  if (!message.includes(expected.text)) faults.push(`the message does not say: ${expected.text}`);
  const reached = scene.store.requests.length - before;
  if (reached > 0) faults.push('the backend received the request');
  return {
    sent: [...sentLines(request, wire)],
    decided: [`refuse with ${answer.status} ${code}`, message],
    stored: [reached > 0 ? 'the backend received the request' : 'nothing: the backend received no request'],
    faults,
  };
}

function sentLines({ method, path, headers = {}, body, signature }: WireRequest, wire?: Wire): string[] {
  const size = body === undefined ? '' : `, ${body.length} bytes`;
  const over = wire?.protocol === 'http' ? `http://localhost:${wire.port}` : '';
  const signed = signature === 'v2' ? ', Authorization: AWS …' : '';
  const named = Object.entries(headers).map(([name, value]) =>
    nameOf(name) === undefined ? `${name}: ${value}` : `= ${describe(name, value)}`,
  );
  const encrypted = Object.keys(headers).some((name) => nameOf(name) !== undefined);
  return [`${method} ${over}${path}${size}${signed}${encrypted ? '' : ', no encryption header'}`, ...named];
}

const NAMES: readonly (readonly [header: string, name: string, metric: string])[] = [
  [SSE.algorithm, 'algorithm', 'algorithm'],
  [SSE.keyId, 'key ID', 'key_id'],
  [SSE.context, 'context', 'context'],
  [SSE.bucketKey, 'bucket key', 'bucket_key'],
];

function nameOf(header: string): string | undefined {
  return NAMES.find(([known]) => known === header)?.[1];
}

function describe(header: string, value: string): string {
  const text = header === SSE.context ? contextText(value) : value;
  return `${(nameOf(header) ?? '').padEnd(NAME)}${text}`;
}

function contextText(header: string): string {
  return pairsText(parseEncryptionContext(header, 8192) ?? new Map());
}

function pairsText(context: ReadonlyMap<string, string>): string {
  return [...context].map(([key, value]) => `${key}=${value}`).join(' ');
}

/** How the encryption headers that the backend received differ from those that were sent. */
function edits(scene: Scene, first: number, sent: Readonly<Record<string, string>>): string[] {
  const received = scene.store.requests
    .slice(first)
    .find((line) => headerOf(line, SSE.algorithm) !== undefined);
  const lines: string[] = [];
  for (const [header, , metric] of NAMES) {
    const value = received && headerOf(received, header);
    if (value === undefined) continue;
    const before = sent[header];
    const mark = before === undefined ? '+' : before === value ? '=' : '~';
    if (mark !== '=') scene.injections.set(metric, (scene.injections.get(metric) ?? 0) + 1);
    lines.push(`${mark} ${describe(header, value)}`);
  }
  return lines;
}

function headerOf(line: ReceivedLine, name: string): string | undefined {
  return line.headers.find((field) => field.name === name)?.value;
}

function checkOk(answer: WireAnswer): string[] {
  const failed = answer.status !== 200 || answer.body.includes('<Error>');
  return failed ? [`the gateway answered ${answer.status}: ${answer.body.toString('utf8', 0, 500)}`] : [];
}

function checkStored(scene: Scene, expected: ExpectedObject): { lines: string[]; faults: string[] } {
  const witness = scene.store.stored(BUCKET, expected.key);
  if (!witness) return { lines: ['nothing'], faults: [`the backend stored no object ${expected.key}`] };
  const faults: string[] = [];
  if (witness.algorithm !== 'aws:kms')
    faults.push(`the object is stored under ${witness.algorithm}, not aws:kms`);
  if (witness.keyId !== expected.keyId) faults.push(`its key is ${witness.keyId}, not ${expected.keyId}`);
  const wanted = Object.entries(expected.context);
  const agree = wanted.every(([key, value]) => witness.context.get(key) === value);
  if (!agree || witness.context.size !== wanted.length) {
    faults.push(`its context is ${pairsText(witness.context)}, not ${pairsText(new Map(wanted))}`);
  }
  if (witness.size !== expected.size) faults.push(`it has ${witness.size} bytes, not ${expected.size}`);
  if (witness.ciphertext.includes(BODY)) faults.push('its bytes are stored in clear');
  return { lines: storedLines(witness), faults };
}

function storedLines({ algorithm, keyId, context, size, ciphertext }: StoredWitness): string[] {
  return [
    `${size} bytes as ciphertext ${ciphertext.toString('hex', 0, 12)}…`,
    `  ${'algorithm'.padEnd(NAME)}${algorithm}`,
    `  ${'key ID'.padEnd(NAME)}${keyId}`,
    `  ${'context'.padEnd(NAME)}${pairsText(context)}`,
  ];
}

function childOf(answer: WireAnswer, root: string, child: string): string | undefined {
  const document = parseXml(answer.body, root);
  return isFault(document) ? undefined : textOf(document, child);
}
