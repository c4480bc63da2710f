// Moves the bytes of one exchange: the proven body to the backend, the judged answer back, both with backpressure.
// Two regimes for errors: before the response head an error is sent, after it the connection is broken.
import type { Dispatcher } from 'undici';
import type { ForwardVerdict, JudgedForm } from '../core/decide.ts';
import { type AnswerHead, judgeAnswer, statedEncryption } from '../core/policy/answer.ts';
import { isErrorDocument, withMessage } from '../core/s3/error-document.ts';
import { postAnswer } from '../core/s3/post-object.ts';
import { BodyRefused, ProvenBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { backendFailure, describeFailure, redirectNotFollowed, unconfirmedEncryption } from './failure.ts';
import type { FormUpload } from './form.ts';
import { endResponse, hasUnreadBody } from './respond.ts';

/** Sends a request on and relays its answer. Resolves when nothing more will happen to the exchange. */
export function relay(
  exchange: Exchange,
  verdict: ForwardVerdict,
  agent: Dispatcher,
  bodyIdleMs: number,
  form?: FormUpload,
): Promise<void> {
  return new Promise((resolve) => {
    const { request, response } = exchange;
    exchange.sent = verdict;
    const body =
      verdict.body.kind === 'none' || isEmpty(verdict.body) ? undefined : new ProvenBody(verdict.body, form);
    const handler = new AnswerHandler(exchange, verdict);
    // The one end of an exchange: its response is finished, or the client has left.
    response.once('close', () => {
      exchange.bytesReceived = body?.received ?? 0;
      if (!response.writableFinished) handler.clientLeft();
      body?.destroy();
      resolve();
    });
    const { origin, target, headers, method } = verdict.outgoing;
    agent.dispatch(
      {
        origin,
        path: target,
        method: method as Dispatcher.HttpMethod,
        headers: headers.flat(),
        body: body ?? null,
      },
      handler,
    );
    if (body) {
      // The body's own errors reach the handler through undici; here they only must not be unhandled.
      body.on('error', () => {});
      watchIdle(exchange, body, bodyIdleMs);
      request.pipe(body);
    }
  });
}

function isEmpty(body: ForwardVerdict['body']): boolean {
  return (body.kind === 'plain' || body.kind === 'raw') && body.length === 0;
}

/** Breaks off a client that stops sending. Time in which the backend takes nothing is not the client's. */
function watchIdle({ request, response }: Exchange, body: ProvenBody, idleMs: number): void {
  const timer = setInterval(() => {
    const waitsForClient = !request.complete && !body.writableNeedDrain && !body.destroyed;
    if (waitsForClient && body.received === seen) request.destroy(new Error('the client stopped sending'));
    seen = body.received;
  }, idleMs);
  let seen = -1;
  timer.unref();
  response.once('close', () => clearInterval(timer));
}

const XML = ['content-type', 'application/xml'] as const;

/** Takes the backend's answer from undici. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange;
  readonly #verdict: ForwardVerdict;
  readonly #sentAt = performance.now();
  #controller: Dispatcher.DispatchController | undefined;
  #over = false;
  /** The client has been sent another body than the backend's. */
  #answered = false;
  /** An error of the backend that is completed before it is passed on. */
  #error: { readonly head: AnswerHead; readonly chunks: Buffer[] } | undefined;

  constructor(exchange: Exchange, verdict: ForwardVerdict) {
    this.#exchange = exchange;
    this.#verdict = verdict;
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
    // 1xx answers are about the backend's hop; the client has had its own 100-continue.
    if (this.#over || status < 200) return;
    const exchange = this.#exchange;
    exchange.firstByteSeconds = (performance.now() - this.#sentAt) / 1000;
    const head: AnswerHead = { status, headers: rawHeaders(controller) };
    exchange.backendRequestId = head.headers.find(([name]) => name === 'x-amz-request-id')?.[1];
    exchange.stated = statedEncryption(head);
    const judged = judgeAnswer(head, this.#verdict);
    if (judged.kind === 'relay') this.#startResponse(status, judged.headers);
    else this.#replaceAnswer(controller, judged);
  }

  #startResponse(status: number, headers: readonly (readonly [string, string])[]): void {
    const { form, document } = this.#verdict;
    const { request } = this.#exchange;
    if (form && status < 300) this.#answerForm(form, headers);
    else if (document !== undefined && status === 200) this.#answer(status, headers, [XML], document);
    else if (request.method !== 'HEAD' && isErrorDocument(status, headers)) {
      this.#error = { head: { status, headers }, chunks: [] };
    } else this.#writeHead(status, headers);
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
    const out = headers.flat();
    out.push('x-s3-kms-gateway-request-id', requestId);
    // What is left of an upload that the backend did not wait for would be read as the next request.
    if (hasUnreadBody(request)) out.push('connection', 'close');
    response.writeHead(status, out);
  }

  #replaceAnswer(
    controller: Dispatcher.DispatchController,
    judged: Exclude<ReturnType<typeof judgeAnswer>, { kind: 'relay' }>,
  ): void {
    this.#over = true;
    controller.abort(new Error('the answer was replaced'));
    const exchange = this.#exchange;
    if (judged.kind === 'refused') exchange.refuse(judged.refusal);
    else if (judged.kind === 'redirect')
      exchange.fail(redirectNotFollowed(), `redirect to ${judged.location ?? 'nowhere'}`);
    else {
      exchange.unconfirmed = true;
      exchange.fail(unconfirmedEncryption(), 'encryption not confirmed');
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over || this.#answered) return;
    if (this.#error) {
      this.#error.chunks.push(chunk);
      return;
    }
    const exchange = this.#exchange;
    exchange.bytesSent += chunk.length;
    if (exchange.response.write(chunk)) return;
    controller.pause();
    exchange.response.once('drain', () => controller.resume());
  }

  /** Trailers of the answer are dropped: RFC 9110 section 6.5.1 lets an intermediary do so, and S3 sends none. */
  onResponseEnd(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#error) this.#sendError(this.#error.head, Buffer.concat(this.#error.chunks));
    endResponse(this.#exchange.request, this.#exchange.response);
  }

  #sendError({ status, headers }: AnswerHead, document: Buffer): void {
    const body = Buffer.from(withMessage(document.toString('latin1')), 'latin1');
    const kept = headers.filter(([name]) => name !== 'content-length');
    this.#writeHead(status, [...kept, ['content-length', String(body.length)]]);
    this.#exchange.bytesSent = body.length;
    this.#exchange.response.write(body);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#over) return;
    this.#over = true;
    if (error instanceof BodyRefused) this.#exchange.refuse(error.refusal);
    else this.#exchange.fail(backendFailure(error), describeFailure(error));
  }
}

function rawHeaders(controller: Dispatcher.DispatchController): (readonly [string, string])[] {
  const raw = controller.rawHeaders;
  if (!Array.isArray(raw)) return [];
  const headers: (readonly [string, string])[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2)
    headers.push([latin1(raw[i]).toLowerCase(), latin1(raw[i + 1])]);
  return headers;
}

function latin1(text: Buffer | string | undefined): string {
  return typeof text === 'string' ? text : (text?.toString('latin1') ?? '');
}
