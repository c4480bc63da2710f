// What may be passed on of a backend's answer: judged from its status and headers, before a byte of its body.
import { isHopByHop, nominatedByConnection } from '../http/hop-by-hop.ts';
import type { Refusal } from '../refusal.ts';
import { SSE, usesKms } from '../s3/sse.ts';
import type { EncryptionDemand } from './encryption.ts';
import { matchesKeyId } from './pattern.ts';

/** Status and headers of an answer. Names lower-case, values latin1, in order. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** The encryption an answer states. */
export interface StatedEncryption {
  readonly algorithm: string | undefined;
  readonly keyId: string | undefined;
}

export type AnswerVerdict =
  | {
      readonly kind: 'relay';
      readonly headers: readonly (readonly [string, string])[];
      /** `unstated`: a write whose answer may be silent, and is. */
      readonly encryption: 'unstated' | undefined;
    }
  /** Under KMS, and the client's channel is too weak for that. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The write was accepted, but not under the encryption asked for. */
  | { readonly kind: 'unconfirmed'; readonly stated: StatedEncryption }
  /** A redirect leads out of the gateway: it is neither followed nor passed on. */
  | { readonly kind: 'redirect'; readonly location: string | undefined };

/** Judges the head of an answer to a request that was sent on. */
export function judgeAnswer(
  head: AnswerHead,
  sent: {
    readonly demand: EncryptionDemand | undefined;
    readonly ifAnswerUnderKms: Refusal | undefined;
  },
): AnswerVerdict {
  const stated = statedEncryption(head);
  if (sent.ifAnswerUnderKms && usesKms(stated.algorithm))
    return { kind: 'refused', refusal: sent.ifAnswerUnderKms };
  if (head.status >= 300 && head.status < 400 && head.status !== 304) {
    return { kind: 'redirect', location: headerOf(head, 'location') };
  }
  const written = head.status < 300 ? sent.demand : undefined;
  const unstated = written?.mayBeSilent && stated.algorithm === undefined;
  if (written && !unstated && !confirms(head, written)) return { kind: 'unconfirmed', stated };
  return {
    kind: 'relay',
    headers: endToEndHeaders(head),
    encryption: unstated ? 'unstated' : undefined,
  };
}

/** What the answer says of the encryption in force. */
export function statedEncryption(head: AnswerHead): StatedEncryption {
  return { algorithm: headerOf(head, SSE.algorithm), keyId: headerOf(head, SSE.keyId) };
}

const MINIO_PREFIX = 'arn:aws:kms:';

/** Whether a successful answer states the encryption that is demanded. S3 and Ceph state a key as it was sent; MinIO, whose keys have plain names, puts `arn:aws:kms:` in front. */
export function confirms(head: AnswerHead, demand: EncryptionDemand): boolean {
  const { algorithm, keyId } = statedEncryption(head);
  if (head.status >= 300 || algorithm !== demand.algorithm) return false;
  if (keyId === undefined) return demand.keyMayBeSilent === true;
  const bare = keyId.startsWith(MINIO_PREFIX) && keyId.split(':').length === 4;
  const names = bare ? [keyId, keyId.slice(MINIO_PREFIX.length)] : [keyId];
  return names.some((name) => demand.keyIds.some((wanted) => matchesKeyId(wanted, name)));
}

function headerOf(head: AnswerHead, name: string): string | undefined {
  return head.headers.find(([header]) => header === name)?.[1];
}

function endToEndHeaders(head: AnswerHead): (readonly [string, string])[] {
  const connection = head.headers.filter(([name]) => name === 'connection').map(([, value]) => value);
  const nominated = nominatedByConnection(connection);
  return head.headers.filter(([name]) => !isHopByHop(name, nominated));
}
