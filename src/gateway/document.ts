// Reads a document that decides whether its request may pass: whole, bounded by its plan, and proven before it is parsed.
// Knows streams; what the elements mean is the core's affair.
import type { Readable } from 'node:stream';
import type { ProvenBodyPlan } from '../core/policy/body-plan.ts';
import type { Refusal } from '../core/refusal.ts';
import type { XmlElement } from '../core/s3/xml-element.ts';
import { BodyRefused, type BodyRoom, ProvenBody } from './body.ts';
import { parseXml } from './xml.ts';

/** A document that has been proven. */
export interface ReadDocument {
  readonly bytes: Buffer;
  /** Absent where it is not well-formed. */
  readonly root: XmlElement | undefined;
}

/** How the reading of a document ended; `undefined`: the client has left. */
export type DocumentRead = ReadDocument | { readonly refusal: Refusal } | undefined;

/** Reads the body as planned. A client that sends nothing for `waitMs` is cut off. */
export function readDocument(
  request: Readable,
  plan: Exclude<ProvenBodyPlan, { kind: 'none' }>,
  room: BodyRoom,
): Promise<DocumentRead> {
  const body = new ProvenBody(plan, room);
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    const idle = setTimeout(() => request.destroy(new Error('the client stopped sending')), room.waitMs);
    const finish = (result: DocumentRead) => {
      clearTimeout(idle);
      request.off('close', leave).unpipe(body);
      resolve(result);
    };
    const leave = () => {
      if (!request.readableEnded) finish(undefined);
    };
    body.on('data', (chunk: Buffer) => {
      idle.refresh();
      chunks.push(chunk);
    });
    body.once('end', () => {
      const bytes = Buffer.concat(chunks);
      finish({ bytes, root: parseXml(bytes) });
    });
    body.once('error', (error) =>
      finish(error instanceof BodyRefused ? { refusal: error.refusal } : undefined),
    );
    request.once('close', leave);
    request.pipe(body);
  });
}
