// What is read of a request before it can be judged: the fields of a form, or a whole document.
// Knows which verdict asks for what; judges nothing.
import type { Readable } from 'node:stream';
import type { ReadBody, Verdict } from '../core/decide.ts';
import type { Refusal } from '../core/refusal.ts';
import * as refusals from '../core/refusal.ts';
import type { BodyRoom } from './body.ts';
import type { BufferShare } from './buffer-budget.ts';
import { type FormUpload, readForm } from './form.ts';
import { readWhole } from './whole-body.ts';
import { parseXml } from './xml.ts';

/** What has been read, for the relay. */
export type ReadAhead =
  | { readonly kind: 'form'; readonly upload: FormUpload }
  /** A document, sent on byte by byte as it came; its room is to be released once it has gone. */
  | { readonly kind: 'document'; readonly bytes: Buffer; readonly share: BufferShare };

/** A verdict that asks for more. */
export type ReadVerdict = Extract<Verdict, { kind: 'read-form' | 'read-document' }>;

/** How it ended; `undefined`: the client has left. `body` is for the second judgement. */
export type ReadResult =
  | { readonly body: ReadBody; readonly ahead: ReadAhead }
  | { readonly refusal: Refusal }
  | undefined;

/** Whether a verdict asks to read on. */
export function asksToRead(verdict: Verdict): verdict is ReadVerdict {
  return verdict.kind === 'read-form' || verdict.kind === 'read-document';
}

/** Reads what a verdict asks for. A client that sends nothing for `waitMs` is cut off. */
export async function readAhead(
  request: Readable,
  verdict: ReadVerdict,
  room: BodyRoom,
): Promise<ReadResult> {
  if (verdict.kind === 'read-form') {
    const upload = await readForm(request, verdict.boundary, verdict.length, room.waitMs);
    if (!upload || 'refusal' in upload) return upload;
    return { body: { kind: 'form', form: upload.form }, ahead: { kind: 'form', upload } };
  }
  const share = room.budget.request(verdict.body.length);
  const document = (await isGranted(share, room.waitMs))
    ? await readWhole(request, verdict.body, room.waitMs, () => {})
    : { refusal: refusals.overloaded() };
  if (!document || 'refusal' in document) {
    share.release();
    return document;
  }
  const { bytes } = document;
  return { body: { kind: 'document', root: parseXml(bytes) }, ahead: { kind: 'document', bytes, share } };
}

/** Waits for room in memory, and no longer than `waitMs`. */
function isGranted(share: BufferShare, waitMs: number): Promise<boolean> {
  if (share.granted) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs, false);
    share.whenGranted(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
