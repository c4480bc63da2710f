// Reads a POST form up to the first byte of its file, and leaves the rest of the request where it is.
// Knows streams; what the fields mean is the core's affair.
import type { Readable } from 'node:stream';
import type { Refusal } from '../core/refusal.ts';
import * as refusals from '../core/refusal.ts';
import { type Form, FormDataParser } from '../core/s3/form-data.ts';

/** A form whose file is still to come. */
export interface FormUpload {
  readonly form: Form;
  /** Reads on from where the fields ended. */
  readonly parser: FormDataParser;
  /** Bytes of the file that came with the fields. */
  readonly read: readonly Uint8Array[];
}

/** How the reading of a form ended; `undefined`: the client has left. */
export type FormRead = FormUpload | { readonly refusal: Refusal } | undefined;

/** Reads the fields. A client that sends nothing for `idleMs` is cut off. */
export function readForm(
  request: Readable,
  boundary: string,
  length: number,
  idleMs: number,
): Promise<FormRead> {
  const parser = new FormDataParser(boundary, length);
  return new Promise((resolve) => {
    const idle = setTimeout(() => request.destroy(new Error('the client stopped sending')), idleMs);
    const finish = (result: FormRead) => {
      clearTimeout(idle);
      request.off('data', take).off('end', end).off('close', leave);
      request.pause();
      resolve(result);
    };
    const take = (bytes: Buffer) => {
      idle.refresh();
      const result = push(parser, bytes);
      if (result) finish(result);
    };
    const end = () => finish({ refusal: refusals.bodyIncomplete() });
    const leave = () => finish(undefined);
    request.on('data', take).once('end', end).once('close', leave);
  });
}

/** `undefined` while the fields go on. */
function push(parser: FormDataParser, bytes: Buffer): FormRead {
  let form: Form | undefined;
  const read: Uint8Array[] = [];
  for (const event of parser.push(bytes)) {
    if (event.kind === 'refused') return { refusal: event.refusal };
    if (event.kind === 'file') form = event.form;
    if (event.kind === 'data') read.push(event.bytes);
  }
  return form && { form, parser, read };
}
