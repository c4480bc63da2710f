// What may be passed on of a backend's answer: judged from its status and headers, before a byte of its body.
import { isHopByHop, nominatedByConnection } from '../http/hop-by-hop.ts';
import type { Refusal } from '../refusal.ts';
import { SSE, usesKms } from '../s3/sse.ts';

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
  | { readonly kind: 'relay'; readonly headers: readonly (readonly [string, string])[] }
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
    readonly encryption: { readonly algorithm: string; readonly keyId: string } | undefined;
    readonly ifAnswerUnderKms: Refusal | undefined;
  },
): AnswerVerdict {
  const stated = statedEncryption(head);
  if (sent.ifAnswerUnderKms && usesKms(stated.algorithm))
    return { kind: 'refused', refusal: sent.ifAnswerUnderKms };
  if (head.status >= 300 && head.status < 400 && head.status !== 304) {
    return { kind: 'redirect', location: headerOf(head, 'location') };
  }
  if (head.status < 300 && sent.encryption && !confirms(stated, sent.encryption))
    return { kind: 'unconfirmed', stated };
  return { kind: 'relay', headers: endToEndHeaders(head) };
}

/** What the answer says of the encryption in force. */
export function statedEncryption(head: AnswerHead): StatedEncryption {
  return { algorithm: headerOf(head, SSE.algorithm), keyId: headerOf(head, SSE.keyId) };
}

/** S3 and Ceph state a key as it was sent; MinIO, whose keys have plain names, puts `arn:aws:kms:` in front. */
function confirms(
  stated: StatedEncryption,
  asked: { readonly algorithm: string; readonly keyId: string },
): boolean {
  if (stated.algorithm !== asked.algorithm) return false;
  const named = !asked.keyId.startsWith('arn:') && stated.keyId === `arn:aws:kms:${asked.keyId}`;
  return named || stated.keyId === asked.keyId;
}

function headerOf(head: AnswerHead, name: string): string | undefined {
  return head.headers.find(([header]) => header === name)?.[1];
}

function endToEndHeaders(head: AnswerHead): (readonly [string, string])[] {
  const connection = head.headers.filter(([name]) => name === 'connection').map(([, value]) => value);
  const nominated = nominatedByConnection(connection);
  return head.headers.filter(([name]) => !isHopByHop(name, nominated));
}
