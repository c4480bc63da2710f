// Takes a backend's answer and passes it on as judged: as it comes, edited, replaced, or held until it is confirmed.
// Two regimes for errors: before the response head an error is sent, after it the connection is broken.
import type { Dispatcher } from 'undici';
import type { AnswerEdit, ForwardVerdict, JudgedForm, OutgoingRequest } from '../core/decide.ts';
import {
  type AnswerHead,
  type AnswerVerdict,
  confirms,
  judgeAnswer,
  statedEncryption,
} from '../core/policy/answer.ts';
import type { EncryptionDemand } from '../core/policy/encryption.ts';
import { matchesAny } from '../core/policy/pattern.ts';
import { filteredBucketList } from '../core/s3/bucket-list.ts';
import { isErrorDocument, MAX_ERROR_DOCUMENT, withMessage } from '../core/s3/error-document.ts';
import { postAnswer } from '../core/s3/post-object.ts';
import { BodyRefused } from './body.ts';
import type { Exchange } from './exchange.ts';
import {
  answerNotUnderstood,
  backendFailure,
  describeFailure,
  isConnectionLost,
  redirectNotFollowed,
  successTooEarly,
  unconfirmedEncryption,
} from './failure.ts';
import { bodyPassed } from './garbage.ts';
import { rawHeaders, rawOf, singleHeaders } from './raw-headers.ts';
import { endResponse, hasUnreadBody, REQUEST_ID } from './respond.ts';
import { parseXml } from './xml.ts';

const XML = ['content-type', 'application/xml'] as const;

/** Ten thousand buckets, the most that S3 lists at once, take less. In bytes. */
const MAX_BUCKET_LIST = 8 * 1024 * 1024;
/** The answer to CompleteMultipartUpload, white space that keeps the connection alive included. In bytes. */
const MAX_COMPLETION = 64 * 1024;

/** Answers of 1xx to one request; RFC 9110 section 15.2 sets no limit, and a backend could hold a request with them. */
const MAX_INFORMATIONAL = 16;

/** An answer that is read whole before anything of it is passed on. */
interface HeldAnswer {
  readonly chunks: Buffer[];
  readonly maxBytes: number;
  size: number;
  readonly finish: (body: Buffer) => void;
}

/** Takes the backend's answer from undici. */
export class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange;
  readonly #verdict: ForwardVerdict;
  readonly #agent: Dispatcher;
  readonly #sentAt = performance.now();
  #controller: Dispatcher.DispatchController | undefined;
  #over = false;
  /** The client has been sent another body than the backend's. */
  #answered = false;
  #held: HeldAnswer | undefined;
  #informational = 0;
  /** Sends the request again, where that can do no harm. */
  #again: (() => void) | undefined;

  constructor(exchange: Exchange, verdict: ForwardVerdict, agent: Dispatcher, again?: () => void) {
    this.#again = again;
    this.#exchange = exchange;
    this.#verdict = verdict;
    this.#agent = agent;
  }

  /** The client closed its connection before it had its answer: the backend's is closed too, never reused. */
  clientLeft(): void {
    if (this.#exchange.outcome === 'forwarded') this.#exchange.clientLeft();
    if (this.#over) return;
    this.#over = true;
    this.#controller?.abort(new Error('the client left'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error('the client left'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (this.#over) return;
    if (status < 200) {
      // 1xx answers are about the backend's hop; the client has had its own 100-continue.
      this.#informational += 1;
      if (this.#informational > MAX_INFORMATIONAL) controller.abort(new Error('1xx answers without end'));
      return;
    }
    const exchange = this.#exchange;
    exchange.firstByteSeconds = (performance.now() - this.#sentAt) / 1000;
    const head: AnswerHead = { status, headers: rawHeaders(controller) };
    exchange.backendRequestId = head.headers.find(([name]) => name === 'x-amz-request-id')?.[1];
    exchange.stated = statedEncryption(head);
    if (status < 300 && hasUnreadBody(exchange.request)) {
      this.#over = true;
      controller.abort(new Error('the answer was replaced'));
      exchange.fail(successTooEarly(), 'success before the end of the request');
      return;
    }
    const judged = judgeAnswer(head, this.#verdict);
    if (judged.kind === 'relay') this.#startResponse(status, judged);
    else this.#replaceAnswer(controller, judged);
  }

  #startResponse(status: number, { headers, encryption }: Extract<AnswerVerdict, { kind: 'relay' }>): void {
    const { form, answer, confirmation, demand } = this.#verdict;
    const { request } = this.#exchange;
    const head = { status, headers };
    if (form && status < 300) this.#answerForm(form, headers);
    else if (answer && status === 200) this.#editAnswer(answer, head);
    else if (encryption === 'unstated' && confirmation && demand) {
      this.#hold(MAX_COMPLETION, (body) => void this.#confirm(confirmation, demand, head, body));
    } else if (request.method !== 'HEAD' && isErrorDocument(status, headers)) {
      const completed = (body: Buffer) => Buffer.from(withMessage(body.toString('latin1')), 'latin1');
      this.#hold(MAX_ERROR_DOCUMENT, (body) => this.#sendWhole(head, completed(body)));
    } else this.#writeHead(status, headers);
  }

  #hold(maxBytes: number, finish: (body: Buffer) => void): void {
    this.#held = { chunks: [], maxBytes, size: 0, finish };
  }

  #editAnswer(edit: AnswerEdit, head: AnswerHead): void {
    if (edit.kind === 'document') {
      this.#answer(head.status, head.headers, [XML], edit.text);
      return;
    }
    this.#hold(MAX_BUCKET_LIST, (body) => {
      const list = filteredBucketList(parseXml(body), (bucket) => matchesAny(edit.buckets, bucket));
      if (list === undefined) this.#exchange.fail(answerNotUnderstood(), 'a list of buckets that is none');
      else this.#sendWhole(head, Buffer.from(list));
    });
  }

  /**
   * Asks for the encryption of an object whose upload was completed without a word about it. An answer of 200 may still be
   * an error: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
   */
  async #confirm(
    { origin, target, method, headers }: OutgoingRequest,
    demand: EncryptionDemand,
    head: AnswerHead,
    body: Buffer,
  ): Promise<void> {
    const exchange = this.#exchange;
    if (parseXml(body)?.name === 'Error') return this.#sendWhole(head, body);
    try {
      const answer = await this.#agent.request({
        origin,
        path: target,
        method: method as Dispatcher.HttpMethod,
        headers: rawOf(headers),
      });
      await answer.body.dump();
      const object = { status: answer.statusCode, headers: singleHeaders(answer.headers) };
      exchange.stated = statedEncryption(object);
      if (confirms(object, demand)) this.#sendWhole(head, body);
      else this.#unconfirmed();
    } catch (error) {
      exchange.fail(backendFailure(error as Error), describeFailure(error as Error));
    }
  }

  /** The answer to PutObject becomes the one that the form asked for. */
  #answerForm(form: JudgedForm, headers: readonly (readonly [string, string])[]): void {
    const etag = headers.find(([name]) => name === 'etag')?.[1] ?? '';
    const answer = postAnswer(form.fields, { ...form, etag });
    this.#answer(answer.status, headers, answer.headers, answer.body);
  }

  /** Sends a body in place of the backend's, which is then dropped as it comes. */
  #answer(
    status: number,
    headers: readonly (readonly [string, string])[],
    own: readonly (readonly [string, string])[],
    body: string,
  ): void {
    const replaced = new Set(['content-length', 'content-type', ...own.map(([name]) => name)]);
    const kept = headers.filter(([name]) => !replaced.has(name));
    const length = status === 204 ? [] : [['content-length', String(Buffer.byteLength(body))] as const];
    this.#writeHead(status, [...kept, ...own, ...length]);
    this.#answered = true;
    this.#exchange.response.write(body);
    this.#exchange.bytesSent = Buffer.byteLength(body);
  }

  #writeHead(status: number, headers: readonly (readonly [string, string])[]): void {
    const { request, response, requestId } = this.#exchange;
    // A backend that is such a gateway itself has one of its own.
    const out = rawOf(headers.filter(([name]) => name !== REQUEST_ID));
    out.push(REQUEST_ID, requestId);
    // What is left of an upload that the backend did not wait for would be read as the next request.
    if (hasUnreadBody(request)) out.push('connection', 'close');
    response.writeHead(status, out);
  }

  #replaceAnswer(
    controller: Dispatcher.DispatchController,
    judged: Exclude<AnswerVerdict, { kind: 'relay' }>,
  ): void {
    this.#over = true;
    controller.abort(new Error('the answer was replaced'));
    const exchange = this.#exchange;
    if (judged.kind === 'refused') exchange.refuse(judged.refusal);
    else if (judged.kind === 'redirect')
      exchange.fail(redirectNotFollowed(), `redirect to ${withoutQuery(judged.location) ?? 'nowhere'}`);
    else this.#unconfirmed();
  }

  #unconfirmed(): void {
    this.#exchange.unconfirmed = true;
    this.#exchange.fail(unconfirmedEncryption(), 'encryption not confirmed');
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over || this.#answered) return;
    if (this.#held) {
      this.#keep(this.#held, controller, chunk);
      return;
    }
    const exchange = this.#exchange;
    exchange.bytesSent += chunk.length;
    bodyPassed(chunk.length);
    if (exchange.response.write(chunk)) return;
    controller.pause();
    exchange.response.once('drain', () => controller.resume());
  }

  #keep(held: HeldAnswer, controller: Dispatcher.DispatchController, chunk: Buffer): void {
    held.size += chunk.length;
    if (held.size <= held.maxBytes) {
      held.chunks.push(chunk);
      return;
    }
    this.#over = true;
    controller.abort(new Error('the answer is too large'));
    this.#exchange.fail(answerNotUnderstood(), `an answer of more than ${held.maxBytes} bytes`);
  }

  /** Trailers of the answer are dropped: RFC 9110 section 6.5.1 lets an intermediary do so, and S3 sends none. */
  onResponseEnd(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#held) this.#held.finish(Buffer.concat(this.#held.chunks));
    else endResponse(this.#exchange.request, this.#exchange.response);
  }

  #sendWhole({ status, headers }: AnswerHead, body: Buffer): void {
    const exchange = this.#exchange;
    if (exchange.response.destroyed) return;
    const kept = headers.filter(([name]) => name !== 'content-length');
    this.#writeHead(status, [...kept, ['content-length', String(body.length)]]);
    exchange.bytesSent = body.length;
    exchange.response.write(body);
    endResponse(exchange.request, exchange.response);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.failed(error);
  }

  /** The backend failed, or the body that was meant for it, also before anything was sent. */
  failed(error: Error): void {
    if (this.#over) return;
    if (this.#again && this.#exchange.firstByteSeconds === undefined && isConnectionLost(error)) {
      const again = this.#again;
      this.#again = undefined;
      again();
      return;
    }
    this.#over = true;
    if (error instanceof BodyRefused) this.#exchange.refuse(error.refusal);
    else this.#exchange.fail(backendFailure(error), describeFailure(error));
  }
}

/** A redirect may repeat a presigned query. */
function withoutQuery(location: string | undefined): string | undefined {
  return location?.replace(/[?#].*$/s, '');
}
