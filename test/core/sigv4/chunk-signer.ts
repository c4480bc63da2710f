// Signs streamed bodies as a client does, written apart from the verifier under test. Knows the framing by heart.
import { createHash, createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { ChunkSeed } from '../../../src/core/sigv4/chunk-signatures.ts';
import { HmacKey } from '../../../src/core/sigv4/digest.ts';

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();

/** Signs strings; `onWire` is the form a chunk carries. */
export interface Signer {
  readonly algorithm: 'AWS4-HMAC-SHA256' | 'AWS4-ECDSA-P256-SHA256';
  sign(text: string): string;
  onWire(signature: string): string;
}

/** Signer with the key of a secret for one day, region and service. */
export function hmacSigner(secret: string, date: string, region: string): Signer & { readonly key: Buffer } {
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), 's3'), 'aws4_request');
  return {
    algorithm: 'AWS4-HMAC-SHA256',
    key,
    sign: (text) => hmac(key, text).toString('hex'),
    onWire: (signature) => signature,
  };
}

/** Signer with an ECDSA key pair of P-256. `d`, `x` and `y` as in a JSON Web Key. */
export function ecdsaSigner(jwk: { d: string; x: string; y: string }): Signer {
  const key = createPrivateKey({ key: { kty: 'EC', crv: 'P-256', ...jwk }, format: 'jwk' });
  return {
    algorithm: 'AWS4-ECDSA-P256-SHA256',
    sign: (text) => sign('sha256', Buffer.from(text), { key, dsaEncoding: 'der' }).toString('hex'),
    onWire: (signature) => signature.padEnd(144, '*'),
  };
}

/** What the header of a request gives to its chunks. */
export interface Origin {
  readonly amzDate: string;
  readonly scope: string;
  readonly seed: string;
}

/** A body in parts, so that a test can tell what it touches. */
export interface Part {
  readonly kind: 'size' | 'signature' | 'data' | 'trailer' | 'trailer signature' | 'framing';
  readonly bytes: Buffer;
}

/** Frames and signs a body. With `trailers`, they are signed too. */
export function signBody(
  signer: Signer,
  origin: Origin,
  chunks: readonly Buffer[],
  trailers?: Readonly<Record<string, string>>,
): Part[] {
  let previous = origin.seed;
  const next = (kind: string, ...last: string[]) => {
    const head = [`${signer.algorithm}-${kind}`, origin.amzDate, origin.scope, previous];
    previous = signer.sign([...head, ...last].join('\n'));
    return signer.onWire(previous);
  };
  const parts: Part[] = [];
  const add = (kind: Part['kind'], content: string | Buffer) =>
    parts.push({ kind, bytes: Buffer.from(content as string) });
  for (const chunk of [...chunks, Buffer.alloc(0)]) {
    add('size', chunk.length.toString(16));
    add('framing', ';chunk-signature=');
    add('signature', next('PAYLOAD', sha256(''), sha256(chunk)));
    add('framing', '\r\n');
    if (chunk.length === 0) continue;
    add('data', chunk);
    add('framing', '\r\n');
  }
  if (trailers) addTrailers(trailers, add, next);
  add('framing', '\r\n');
  return parts;
}

function addTrailers(
  trailers: Readonly<Record<string, string>>,
  add: (kind: Part['kind'], content: string) => void,
  next: (kind: string, ...last: string[]) => string,
): void {
  const names = Object.keys(trailers).sort();
  for (const name of names) add('trailer', `${name}:${trailers[name]}\r\n`);
  const canonical = names.map((name) => `${name}:${trailers[name]}\n`).join('');
  add('framing', 'x-amz-trailer-signature:');
  add('trailer signature', next('TRAILER', sha256(canonical)));
  add('framing', '\r\n');
}

/** The body as it goes over the wire. */
export function wireOf(parts: readonly Part[]): Buffer {
  return Buffer.concat(parts.map(({ bytes }) => bytes));
}

/** What a verifier would start from. */
export function seedOf(signer: ReturnType<typeof hmacSigner>, origin: Origin): ChunkSeed;
export function seedOf(signer: Signer, origin: Origin, jwk: { x: string; y: string }): ChunkSeed;
export function seedOf(
  signer: Signer & { readonly key?: Buffer },
  { amzDate, scope, seed }: Origin,
  jwk?: { x: string; y: string },
): ChunkSeed {
  const verification = jwk
    ? ({
        algorithm: 'AWS4-ECDSA-P256-SHA256',
        key: createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.y }, format: 'jwk' }),
      } as const)
    : ({ algorithm: 'AWS4-HMAC-SHA256', key: new HmacKey(signer.key ?? Buffer.alloc(0)) } as const);
  return { accessKeyId: 'TESTER', verification, amzDate, scope, signature: seed };
}
