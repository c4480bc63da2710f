// Moves the bytes of one exchange: the proven body to the backend, the judged answer back, both with backpressure.
import type { Dispatcher } from 'undici';
import type { ForwardVerdict } from '../core/decide.ts';
import { AnswerHandler } from './answer.ts';
import { type BodyRoom, ProvenBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { rawOf } from './raw-headers.ts';
import type { ReadAhead } from './read-ahead.ts';

/** Sends a request on and relays its answer. Resolves when nothing more will happen to the exchange. */
export function relay(
  exchange: Exchange,
  verdict: ForwardVerdict,
  agent: Dispatcher,
  room: BodyRoom,
  ahead?: ReadAhead,
): Promise<void> {
  return new Promise((resolve) => {
    const { request, response } = exchange;
    exchange.sent = verdict;
    const document = ahead?.kind === 'document' ? ahead.bytes : undefined;
    const body =
      document || verdict.body.kind === 'none' || isEmpty(verdict.body)
        ? undefined
        : new ProvenBody(verdict.body, room, ahead?.kind === 'form' ? ahead.upload : undefined);
    const handler = new AnswerHandler(exchange, verdict, agent);
    // The one end of an exchange: its response is finished, or the client has left.
    response.once('close', () => {
      exchange.bytesReceived = body?.received ?? document?.length ?? 0;
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
        headers: rawOf(headers),
        body: body ?? document ?? null,
      },
      handler,
    );
    if (body) {
      // The body's own errors reach the handler through undici; here they only must not be unhandled.
      body.on('error', () => {});
      watchIdle(exchange, body, room.waitMs);
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
