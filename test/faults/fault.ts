// What a fault is, and how it is provoked: a row of docs/robustness.md, and the test of it.
import type { Socket } from 'node:net';
import { signedHeaders } from '../gateway/client.ts';
import type { Behaviour, FakeBackend } from '../gateway/fake-backend.ts';
import { message } from '../hostile/input.ts';
import { converse, type HostileSite, type Ports } from '../hostile/site.ts';

/** One fault of a backend, of the way to it, or of a client. */
export interface Fault {
  readonly id: string;
  readonly fault: string;
  /** What the client sees: answers by status and code, and whether the connection then ends or goes on. */
  readonly sees: string;
  /** Requests that the backend was sent whole. It holds what it makes of them: nothing of what was cut off. */
  readonly whole: number;
  /** Requests that the backend was sent at all; as many as were whole unless given. */
  readonly begun?: number;
  readonly provoke: (site: FaultSite) => Promise<string>;
}

/** Where faults are provoked. */
export interface FaultSite extends HostileSite {
  readonly ports: Ports;
  readonly fake: FakeBackend;
}

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A signed request as bytes. */
export async function requestBytes(site: HostileSite, asked: Asked): Promise<Buffer> {
  const { method = 'GET', path = '/inject/k', headers = {}, body } = asked;
  const signed = await signedHeaders(site.to, {
    method,
    path,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  const length = body === undefined ? [] : [`content-length: ${body.length}`];
  const lines = Object.entries(signed).map(([name, value]) => `${name}: ${value}`);
  return message([`${method} ${path} HTTP/1.1`, ...lines, ...length], body);
}

/** The head of an upload of so many bytes, which are left to the test. */
export async function uploadHead(site: HostileSite, bytes: number, path = '/inject/k'): Promise<Buffer> {
  const headers = { 'content-length': String(bytes) };
  const signed = await signedHeaders(site.to, {
    method: 'PUT',
    path,
    headers,
    payloadHash: 'UNSIGNED-PAYLOAD',
  });
  return message([
    `PUT ${path} HTTP/1.1`,
    ...Object.entries(signed).map(([name, value]) => `${name}: ${value}`),
  ]);
}

/** A backend that meets a request with this. */
export function meeting(behaviour: Behaviour, asked: Asked = {}): Fault['provoke'] {
  return async (site) => {
    site.fake.behave(behaviour);
    return converse(site.ports, undefined, await requestBytes(site, asked));
  };
}

/** Writes these bytes as the answer once the request is whole, and then does the rest. */
export function writing(text: string, then: (socket: Socket) => void = (socket) => socket.end()): Behaviour {
  return (request) => {
    const { socket } = request;
    request.resume().once('end', () => socket.write(Buffer.from(text, 'latin1'), () => then(socket)));
  };
}

/** Each of these meets a request in turn; the last of them all that follow. */
export function inTurn(...behaviours: Behaviour[]): Behaviour {
  let turn = 0;
  return (request, response) => {
    const behaviour = behaviours[Math.min(turn, behaviours.length - 1)];
    turn += 1;
    behaviour?.(request, response);
  };
}
