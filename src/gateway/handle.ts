// THE DATA PATH: receive → decide → send → relay, and then exactly one observation, also when the client has left.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decide } from '../core/decide.ts';
import type { Backend, KeyUsage, Policy } from '../core/policy/policy.ts';
import * as refusals from '../core/refusal.ts';
import type { SigningKeys } from '../core/sigv4/signing-key.ts';
import type { Observer } from '../observe/observe.ts';
import type { Admission, Place } from './admission.ts';
import type { Backends } from './backend.ts';
import type { BufferBudget } from './buffer-budget.ts';
import { Exchange } from './exchange.ts';
import { internalError, noCredentials } from './failure.ts';
import { asksToRead, type ReadAhead, readAhead } from './read-ahead.ts';
import { type ListenerContext, receive } from './receive.ts';
import { relay } from './relay.ts';
import { closed } from './respond.ts';

/** What handling a request takes, as one configuration has it. */
export interface Handling {
  readonly policy: Policy;
  readonly backends: Backends;
  readonly keys: SigningKeys;
  /** Keys that KMS says can never encrypt objects, and what they are for. */
  readonly unusableKeys: (backend: Backend) => ReadonlyMap<string, KeyUsage> | undefined;
  readonly bodyIdleMs: number;
  readonly admission: Admission;
  readonly buffered: BufferBudget;
  readonly observe: Observer;
  /** Told of a fault of the gateway itself. */
  readonly reportBug: (error: unknown, requestId: string) => void;
  readonly requestStarted: () => void;
  readonly requestFinished: () => void;
}

/** Serves one request. `mayContinue` is set where the client waits for 100-continue before it sends its body. */
export async function handle(
  handling: Handling,
  listener: ListenerContext,
  request: IncomingMessage,
  response: ServerResponse,
  mayContinue: boolean,
): Promise<void> {
  const exchange = new Exchange(request, response, listener.name);
  handling.requestStarted();
  const place = handling.admission.enter();
  try {
    if (place) await serve(handling, listener, exchange, mayContinue, place);
    else await refuseOverload(exchange);
  } catch (error) {
    // One request's bug is not every request's end.
    handling.reportBug(error, exchange.requestId);
    exchange.fail(internalError(), 'fault of the gateway');
    await closed(response);
  } finally {
    place?.leave();
    handling.requestFinished();
    handling.observe(exchange.observation());
  }
}

async function serve(
  handling: Handling,
  listener: ListenerContext,
  exchange: Exchange,
  mayContinue: boolean,
  place: Place,
): Promise<void> {
  const { policy, backends, keys, unusableKeys } = handling;
  const { request, response } = exchange;
  const received = receive(request, listener);
  const { credentials } = backends;
  const context = () => ({ policy, credentials, now: new Date(), keys, unusableKeys });
  const room = { budget: handling.buffered, waitMs: handling.bodyIdleMs };
  let verdict = decide(received, context());
  let ahead: ReadAhead | undefined;
  if (asksToRead(verdict)) {
    exchange.facts = verdict.facts;
    if (mayContinue) response.writeContinue();
    const read = await readAhead(request, verdict, room);
    if (!read) return exchange.clientLeft();
    if ('refusal' in read) {
      exchange.refuse(read.refusal);
      return closed(response);
    }
    ahead = read.ahead;
    if (ahead.kind === 'document') void closed(response).then(ahead.share.release);
    verdict = decide(received, context(), read.body);
  }
  exchange.facts = verdict.facts;
  if (verdict.kind === 'forward') {
    if (!place.assign(verdict.facts.client)) return refuseOverload(exchange);
    if (mayContinue && !ahead) response.writeContinue();
    const { agent } = backends.of(verdict.backend);
    return relay(exchange, verdict, agent, room, ahead);
  }
  if (verdict.kind === 'refused') exchange.refuse(verdict.refusal);
  else exchange.fail(noCredentials(), 'no credentials');
  return closed(response);
}

function refuseOverload(exchange: Exchange): Promise<void> {
  exchange.refuse(refusals.overloaded());
  return closed(exchange.response);
}
