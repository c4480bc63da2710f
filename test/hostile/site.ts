// Where hostile inputs are sent: a gateway over raw sockets, and a backend that tells what it was asked and what it holds.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Endpoint } from '../gateway/client.ts';
import type { Channel } from './input.ts';

/** The gateway under test, as far as inputs need it. */
export interface HostileSite {
  /** To sign for. */
  readonly to: Endpoint;
  readonly host: string;
}

/** How the gateway is reached. */
export interface Ports {
  /** The listener under test speaks TLS where this is the TLS port. */
  readonly port: number;
  readonly tlsPort: number;
  readonly clearPort: number;
  readonly ca: string;
}

/** Opens a connection over the channel. */
export function open({ port, tlsPort, clearPort, ca }: Ports, over: Channel | undefined): Socket {
  const tls = { host: '127.0.0.1', port: tlsPort, ca, servername: 'localhost' };
  if (over === 'clear') return connect(clearPort, '127.0.0.1');
  if (over === 'not TLS') return connect(tlsPort, '127.0.0.1');
  if (over === undefined) return port === tlsPort ? connectTls(tls) : connect(port, '127.0.0.1');
  if ('servername' in over) return connectTls({ ...tls, ...over, checkServerIdentity: () => undefined });
  if ('maxVersion' in over)
    return connectTls({ ...tls, ...over, minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' });
  return connectTls({ ...tls, ALPNProtocols: [...over.ALPNProtocols] });
}

/** Is answered 403 with this path, by whatever still reads requests on a connection. */
const PROBE = '/the-next-request';

/**
 * Sends bytes and tells what came of them: the answers, and whether the connection ended or the next request on it is read as
 * one. `200, 403 AccessDenied, goes on` for two answers.
 */
export function converse(ports: Ports, over: Channel | undefined, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = open(ports, over);
    let text = '';
    let probed = false;
    const toHead = bytes.toString('latin1', 0, 5) === 'HEAD ';
    const giveUp = setTimeout(() => socket.destroy(new Error('no end')), 10_000);
    const finish = (ending: string) => {
      clearTimeout(giveUp);
      socket.destroy();
      resolve([seenIn(text, toHead), ending].filter(Boolean).join(', '));
    };
    socket.setEncoding('latin1').on('data', (more: string) => {
      text += more;
      const { answers, rest } = answersIn(text, toHead);
      const last = answers.at(-1);
      if (last === undefined || rest !== '') return;
      if (last.closes) socket.end();
      else if (probed && last.body.includes(PROBE)) finish('goes on');
      else if (!probed) {
        probed = true;
        socket.write(`GET ${PROBE} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      }
    });
    // A reset after the answer is how a refused upload may end; what counts is what came.
    socket.on('error', (error) => {
      if (error.message === 'no end') finish('no end');
    });
    socket.on('close', () => finish('closed'));
    socket.write(bytes);
  });
}

/** The answers in a connection's text as `200, 403 AccessDenied, 200 cut off`. */
export function seenIn(text: string, toHead: boolean = false): string {
  const { answers, rest } = answersIn(text, toHead);
  const seen = answers.filter(({ body }) => !body.includes(PROBE)).map(describeAnswer);
  const [, cut] = /^HTTP\/1\.1 (\d{3}) /.exec(rest) ?? [];
  return [...seen, ...(cut === undefined ? [] : [`${cut} cut off`])].join(', ');
}

interface RawAnswer {
  readonly status: number;
  readonly closes: boolean;
  readonly body: string;
}

function describeAnswer({ status, body }: RawAnswer): string {
  const [, code] = /<Code>([^<]*)<\/Code>/.exec(body) ?? [];
  return code === undefined ? String(status) : `${status} ${code}`;
}

/** The whole answers at the beginning of a connection's text, and what is left; of HEAD the first has no body. */
function answersIn(text: string, toHead: boolean): { answers: RawAnswer[]; rest: string } {
  const answers: RawAnswer[] = [];
  for (let rest = text; ; ) {
    const end = rest.indexOf('\r\n\r\n') + 4;
    if (end < 4) return { answers, rest };
    const head = rest.slice(0, end);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1] ?? assert.fail(`no answer: ${head}`));
    const length = toHead && answers.length === 0 ? 0 : bodyLength(head, rest.slice(end), status);
    if (length === undefined || rest.length < end + length) return { answers, rest };
    answers.push({
      status,
      closes: /^connection: close\r$/im.test(head),
      body: rest.slice(end, end + length),
    });
    rest = rest.slice(end + length);
  }
}

/** `undefined` while it is not known. Answers in chunks have no body here. */
function bodyLength(head: string, rest: string, status: number): number | undefined {
  if (status < 200 || status === 204 || status === 304) return 0;
  const [, length] = /^content-length: (\d+)\r$/im.exec(head) ?? [];
  if (length !== undefined) return Number(length);
  if (!/^transfer-encoding: chunked\r$/im.test(head)) return 0;
  const end = rest.indexOf('0\r\n\r\n');
  return end < 0 ? undefined : end + 5;
}
