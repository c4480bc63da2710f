// Moves the bytes of one exchange: the proven body to the backend, the judged answer back, both with backpressure.
import type { Dispatcher } from 'undici';
import type { ForwardVerdict } from '../core/decide.ts';
import type { Refusal } from '../core/refusal.ts';
import { AnswerHandler } from './answer.ts';
import { BodyRefused, type BodyRoom, ProvenBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { MALFORMED } from './malformed.ts';
import { rawOf } from './raw-headers.ts';
import type { ReadAhead } from './read-ahead.ts';
import { ABANDONED, closed } from './respond.ts';
import { isSmall, readWhole, type WholeBodyPlan } from './whole-body.ts';

/** Sends a request on and relays its answer. Resolves when nothing more will happen to the exchange. */
export function relay(
  exchange: Exchange,
  verdict: ForwardVerdict,
  agent: Dispatcher,
  room: BodyRoom,
  ahead?: ReadAhead,
): Promise<void> {
  exchange.sent = verdict;
  const { body: plan } = verdict;
  if (ahead?.kind === 'document') {
    exchange.bytesReceived = ahead.bytes.length;
    return send(exchange, verdict, agent, ahead.bytes);
  }
  if (plan.kind === 'none' || isEmpty(plan)) return send(exchange, verdict, agent, null);
  if (!ahead && isSmall(plan)) return relayWhole(exchange, verdict, agent, plan, room);
  const body = new ProvenBody(exchange.request, plan, room, ahead?.upload);
  const sent = send(exchange, verdict, agent, body);
  // The body's own errors reach the handler through undici; here they only must not be unhandled.
  body.on('error', () => {});
  watchIdle(exchange, body, room.waitMs);
  exchange.request
    .once(MALFORMED, (refusal: Refusal) => body.destroy(new BodyRefused(refusal)))
    .once(ABANDONED, () => body.destroy());
  return sent;
}

/** A small body is proven before anything is sent. */
async function relayWhole(
  exchange: Exchange,
  verdict: ForwardVerdict,
  agent: Dispatcher,
  plan: WholeBodyPlan,
  room: BodyRoom,
): Promise<void> {
  const { request, response } = exchange;
  const whole = await readWhole(request, plan, room.waitMs, (count) => {
    exchange.bytesReceived += count;
  });
  if (!whole || response.closed) return exchange.clientLeft();
  if ('bytes' in whole) return send(exchange, verdict, agent, whole.bytes);
  exchange.refuse(whole.refusal);
  return closed(response);
}

function send(
  exchange: Exchange,
  verdict: ForwardVerdict,
  agent: Dispatcher,
  body: ProvenBody | Buffer | null,
): Promise<void> {
  return new Promise((resolve) => {
    const { response } = exchange;
    const { origin, target, headers, method } = verdict.outgoing;
    const dispatch = () =>
      agent.dispatch(
        { origin, path: target, method: method as Dispatcher.HttpMethod, headers: rawOf(headers), body },
        handler,
      );
    const again = isRepeatable(method, body) ? dispatch : undefined;
    const handler = new AnswerHandler(exchange, verdict, agent, again);
    // The one end of an exchange: its response is finished, or the client has left.
    response.once('close', () => {
      if (body instanceof ProvenBody) exchange.bytesReceived = body.received;
      if (!response.writableFinished) handler.clientLeft();
      if (body instanceof ProvenBody) body.destroy();
      resolve();
    });
    if (body instanceof ProvenBody) afterFirstPiece(body, dispatch, (error) => handler.failed(error));
    else dispatch();
  });
}

/**
 * A backend may close a kept connection in the moment that a request is written on it. What only reads is then sent once
 * more (RFC 9110 section 9.2.2); DELETE is idempotent too, but in a versioned bucket each leaves a marker.
 */
function isRepeatable(method: string, body: ProvenBody | Buffer | null): boolean {
  return body === null && (method === 'GET' || method === 'HEAD');
}

/**
 * Undici takes a connection for a request at once and writes its head with the first piece of its body. A connection on
 * which nothing is written until then would be closed by the backend as unused, and the upload with it.
 */
function afterFirstPiece(body: ProvenBody, begin: () => void, fail: (error: Error) => void): void {
  const settle = () => body.off('readable', first).off('error', broken);
  const first = () => {
    settle();
    begin();
  };
  const broken = (error: Error) => {
    settle();
    fail(error);
  };
  body.once('readable', first).once('error', broken);
}

function isEmpty(body: ForwardVerdict['body']): boolean {
  return (body.kind === 'plain' || body.kind === 'raw') && body.length === 0;
}

/** Breaks off a client that stops sending. Time in which the backend takes nothing is not the client's. */
function watchIdle({ request, response }: Exchange, body: ProvenBody, idleMs: number): void {
  const timer = setInterval(() => {
    const waitsForClient = !request.complete && !body.waits && !body.destroyed;
    if (waitsForClient && body.received === seen) request.destroy(new Error('the client stopped sending'));
    seen = body.received;
  }, idleMs);
  let seen = -1;
  timer.unref();
  response.once('close', () => clearInterval(timer));
}
