// Bodies that are read and proven whole before anything is sent: documents that are judged, and small bodies, of which
// streams between two sockets would cost more than all else. Knows streams; what is to be proven is the plan's affair.
import type { Readable } from 'node:stream';
import type { AwsChunkedPlan, BodyPlan } from '../core/policy/body-plan.ts';
import type { Refusal } from '../core/refusal.ts';
import { proofOf } from './body.ts';
import { MALFORMED } from './malformed.ts';

/** Bodies up to this length are read whole; one read from a socket brings as much. */
const SMALL = 16 * 1024;

/** A plan that can be kept to with the body whole. */
export type WholeBodyPlan = Extract<BodyPlan, { kind: 'plain' }> | AwsChunkedPlan;

/** Whether a body is to be read whole. One that goes on with HTTP chunks is not: with its length known, it would not. */
export function isSmall(plan: BodyPlan): plan is WholeBodyPlan {
  if (plan.kind === 'plain') return plan.length <= SMALL;
  if (plan.kind !== 'aws-chunked') return false;
  return plan.decodedLength <= SMALL && (plan.decode || plan.framedLength !== undefined);
}

/** How the reading ended: what to send, or the refusal; `undefined`: the client has left. */
export type WholeBody = { readonly bytes: Buffer } | { readonly refusal: Refusal } | undefined;

/** Reads a body and proves it. `onBytes` is told of what is received; a client that sends nothing for `idleMs` is cut off. */
export function readWhole(
  request: Readable,
  plan: WholeBodyPlan,
  idleMs: number,
  onBytes: (count: number) => void,
): Promise<WholeBody> {
  const proof = proofOf(plan);
  const pieces: Uint8Array[] = [];
  return new Promise((resolve, reject) => {
    const idle = setTimeout(() => request.destroy(new Error('the client stopped sending')), idleMs);
    const finish = (result: WholeBody) => {
      clearTimeout(idle);
      request.off('data', take).off('end', end).off('close', leave).off(MALFORMED, refuse);
      resolve(result);
    };
    const take = (bytes: Buffer) => {
      idle.refresh();
      onBytes(bytes.length);
      const proven = proof.take(bytes);
      if ('reason' in proven) finish({ refusal: proven });
      else pieces.push(...proven);
    };
    const end = () => {
      // A request that has been read to its end closes, too.
      request.off('close', leave);
      proof.finish().then((last) => {
        finish('reason' in last ? { refusal: last } : { bytes: Buffer.concat([...pieces, ...last]) });
      }, reject);
    };
    const leave = () => finish(undefined);
    const refuse = (refusal: Refusal) => finish({ refusal });
    request.on('data', take).once('end', end).once('close', leave).once(MALFORMED, refuse);
  });
}
