// What a backend can do wrong once it is connected: lost connections, half answers, heads that are none, stalls and lies.
import type { IncomingMessage } from 'node:http';
import { eventually } from '../gateway/eventually.ts';
import { answering, type Behaviour } from '../gateway/fake-backend.ts';
import { flood } from '../gateway/flood.ts';
import { converse } from '../hostile/site.ts';
import { type Fault, inTurn, meeting, uploadHead, writing } from './fault.ts';

const SSE = 'x-amz-server-side-encryption';
const CONFIRMED = { [SSE]: 'aws:kms', [`${SSE}-aws-kms-key-id`]: 'the-key' };
const BAD = '502 BadGateway, goes on';
const MIB = 1024 * 1024;

const reset: Behaviour = (request) => request.socket.resetAndDestroy();
const PUT = { method: 'PUT', body: 'the content' };
const COPY = { method: 'PUT', headers: { 'x-amz-copy-source': 'inject/source' } };
const COMPLETE = {
  method: 'POST',
  path: '/inject/k?uploadId=u',
  body: '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"e"</ETag></Part></CompleteMultipartUpload>',
};
const HEAD = 'HTTP/1.1 200 OK\r\n';
const ERROR =
  '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>m</Message></Error>';
const DECLARATION = ERROR.indexOf('<Error>');
const SUCCESS = '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>';
/** Left to the other end. */
const staying = () => {};

/** A row whose backend answers a read with these bytes, and then ends the connection unless told otherwise. */
const wrong = (
  id: string,
  fault: string,
  sees: string,
  text: string,
  then?: Parameters<typeof writing>[1],
): Fault => ({
  id,
  fault,
  sees,
  whole: 1,
  provoke: meeting(writing(text, then)),
});
const lost = (id: string, fault: string, text: string): Fault => ({
  ...wrong(id, fault, BAD, text, (socket) => socket.destroy()),
  whole: 2,
});

/** Two requests, the second over whatever connection the gateway then takes; what both see. */
const twice =
  (first: Behaviour, asked = {}): Fault['provoke'] =>
  async (site) => {
    const before = await meeting(first, asked)(site);
    return `${before}; ${await meeting(answering(200, { 'content-length': '0' }))(site)}`;
  };

export const ofBackends: readonly Fault[] = [
  {
    id: 'B01',
    fault: 'a reset before the answer to a read, again and again: it is sent once more, and then given up',
    sees: BAD,
    whole: 2,
    provoke: meeting(reset),
  },
  {
    id: 'B02',
    fault:
      'a reset before the answer to a read, as of a kept connection that is just being closed: it is sent once more',
    sees: '200, goes on',
    whole: 2,
    provoke: meeting(inTurn(reset, answering(200))),
  },
  {
    id: 'B03',
    fault: 'a reset after the last byte of a write: it is not sent again',
    sees: BAD,
    whole: 1,
    provoke: meeting((request) => request.resume().once('end', () => request.socket.resetAndDestroy()), PUT),
  },
  {
    id: 'B04',
    fault: 'the end of the connection before the answer to a delete: it is not sent again',
    sees: BAD,
    whole: 1,
    provoke: meeting(writing(''), { method: 'DELETE' }),
  },
  {
    id: 'B05',
    fault: 'a reset in the middle of an upload',
    sees: '502 BadGateway, closed',
    whole: 0,
    begun: 1,
    provoke: interrupted((request) => request.once('data', () => request.socket.resetAndDestroy())),
  },
  lost('B06', 'a reset within the status line', 'HTTP/1.1 20'),
  lost('B07', 'a reset within the head', `${HEAD}content-type: te`),
  wrong(
    'B08',
    'a reset within the body',
    '200 cut off, closed',
    `${HEAD}content-length: 1000\r\n\r\nhalf`,
    (socket) => socket.resetAndDestroy(),
  ),
  wrong(
    'B09',
    '`Content-Length` that is too long',
    '200 cut off, closed',
    `${HEAD}content-length: 1000\r\n\r\nhalf`,
  ),
  {
    id: 'B10',
    fault: '`Content-Length` that is too short: what is left over is no answer to the next request',
    sees: '200, goes on; 200, goes on',
    whole: 2,
    provoke: twice(
      writing(
        `${HEAD}content-length: 4\r\n\r\nbodyHTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n`,
        staying,
      ),
    ),
  },
  wrong(
    'B11',
    'chunks without their last',
    '200 cut off, closed',
    `${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
  ),
  wrong(
    'B12',
    'a chunk size that is none',
    '200 cut off, closed',
    `${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n`,
    staying,
  ),
  wrong(
    'B13',
    '`Content-Length` twice',
    BAD,
    `${HEAD}content-length: 4\r\ncontent-length: 5\r\n\r\nhalf`,
    staying,
  ),
  wrong(
    'B14',
    '`Content-Length` and `Transfer-Encoding: chunked`',
    BAD,
    `${HEAD}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    staying,
  ),
  wrong('B15', 'an answer that is no HTTP', BAD, 'SSH-2.0-OpenSSH_9.2\r\n\r\n', staying),
  wrong('B16', 'NUL in a header', BAD, `${HEAD}x-a: b\0c\r\n\r\n`, staying),
  wrong('B17', 'a header of 100 KiB', BAD, `${HEAD}x-a: ${'b'.repeat(100 * 1024)}\r\n\r\n`, staying),
  {
    id: 'B18',
    fault: 'headers without end',
    sees: BAD,
    whole: 1,
    provoke: meeting(flooding(HEAD, 'x-a: b\r\n')),
  },
  {
    id: 'B19',
    fault: '`103` without end',
    sees: BAD,
    whole: 1,
    provoke: meeting(flooding('', 'HTTP/1.1 103 Early Hints\r\n\r\n')),
  },
  {
    ...wrong(
      'B20',
      '`100 Continue` that nobody asked for',
      BAD,
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
      staying,
    ),
    whole: 2,
  },
  {
    ...wrong(
      'B21',
      '`101 Switching Protocols`',
      BAD,
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      staying,
    ),
    whole: 2,
  },
  wrong('B22', 'no answer (`backendFirstByte`)', '504 GatewayTimeout, goes on', '', staying),
  {
    id: 'B23',
    fault: 'a head that comes byte by byte (`backendFirstByte`)',
    sees: '504 GatewayTimeout, goes on',
    whole: 1,
    provoke: meeting(dripping(`${HEAD}x-a: `)),
  },
  wrong(
    'B24',
    'an answer that stops in its body (`bodyIdle`)',
    '200 cut off, closed',
    `${HEAD}content-length: 1000\r\n\r\nhalf`,
    staying,
  ),
  {
    id: 'B25',
    fault: '200 with an error in it, to a copy: it is passed on, and SDKs know it',
    sees: '200 InternalError, goes on',
    whole: 1,
    provoke: meeting(answering(200, { ...CONFIRMED, 'content-length': String(ERROR.length) }, ERROR), COPY),
  },
  {
    id: 'B26',
    fault: '200 with an error in it, to a completed upload',
    sees: '200 InternalError, goes on',
    whole: 1,
    provoke: meeting(answering(200, { 'content-length': String(ERROR.length) }, ERROR), COMPLETE),
  },
  {
    id: 'B27',
    fault: '200, white space, and then an error, to a completed upload',
    sees: '200 InternalError, goes on',
    whole: 1,
    provoke: meeting((request, response) => {
      request.resume();
      response.writeHead(200);
      response.write(ERROR.slice(0, DECLARATION) + ' '.repeat(100));
      setImmediate(() => response.end(ERROR.slice(DECLARATION)));
    }, COMPLETE),
  },
  {
    id: 'B28',
    fault: '200 to a completed upload, and a document without end',
    sees: BAD,
    whole: 1,
    provoke: meeting(flooding(`${HEAD}\r\n`, ' '.repeat(1024)), COMPLETE),
  },
  {
    id: 'B29',
    fault: '200 to a completed upload, and a reset when its encryption is asked for',
    sees: BAD,
    whole: 2,
    provoke: meeting(inTurn(answering(200, {}, SUCCESS), reset), COMPLETE),
  },
  {
    id: 'B30',
    fault: 'a write that is not confirmed to be encrypted: it is reported, and not removed',
    sees: '502 EncryptionNotConfirmed, goes on',
    whole: 1,
    provoke: meeting(answering(200), PUT),
  },
  {
    id: 'B31',
    fault: 'a redirect',
    sees: '502 BackendRedirect, goes on',
    whole: 1,
    provoke: meeting(answering(307, { location: 'https://evil.example/k' }), PUT),
  },
  {
    id: 'B32',
    fault: 'an error in the middle of an upload: it is passed on, and the connection is not used again',
    sees: '403 AccessDenied, closed',
    whole: 0,
    begun: 1,
    provoke: early(403, '<Error><Code>AccessDenied</Code></Error>'),
  },
  {
    id: 'B33',
    fault: 'success in the middle of an upload, which cannot be',
    sees: '502 BadGateway, closed',
    whole: 0,
    begun: 1,
    provoke: early(200, ''),
  },
  {
    id: 'B34',
    fault: 'a kept connection that is closed',
    sees: '200, goes on; 200, goes on',
    whole: 2,
    provoke: twice(writing(`${HEAD}content-length: 0\r\n\r\n`)),
  },
  {
    id: 'B35',
    fault: 'an answer that nobody asked for, on a kept connection',
    sees: '200, goes on; 200, goes on',
    whole: 2,
    provoke: twice(
      writing(`${HEAD}content-length: 0\r\n\r\n`, (socket) =>
        setImmediate(() => socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')),
      ),
    ),
  },
  {
    id: 'B36',
    fault: 'a body to HEAD: it is no answer to the next request',
    sees: '200, goes on; 200, goes on',
    whole: 2,
    provoke: twice(
      writing(
        `${HEAD}content-length: 60\r\n\r\nHTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n`,
        staying,
      ),
      { method: 'HEAD' },
    ),
  },
  {
    id: 'B37',
    fault: 'a body to 204: it is no answer to the next request',
    sees: '204, goes on; 200, goes on',
    whole: 2,
    provoke: twice(
      writing(
        'HTTP/1.1 204 No Content\r\ncontent-length: 44\r\n\r\nHTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n',
        staying,
      ),
    ),
  },
  wrong('B38', 'HTTP/1.0, ended by the end of the connection', '200, goes on', 'HTTP/1.0 200 OK\r\n\r\nbody'),
];

/** An answer without end, for as long as it is taken. */
function flooding(start: string, piece: string): Behaviour {
  return (request) => {
    const { socket } = request;
    request.resume().once('end', () => {
      socket.write(start);
      flood(socket, piece.repeat(100));
    });
  };
}

function dripping(start: string): Behaviour {
  return writing(start, (socket) => {
    const drip = setInterval(() => socket.write('b'), 100);
    socket.once('close', () => clearInterval(drip));
  });
}

/** An upload of which the backend reads the beginning. The client sends on until it is answered. */
function interrupted(behaviour: Behaviour): Fault['provoke'] {
  return async (site) => {
    site.fake.behave(behaviour);
    const head = await uploadHead(site, 64 * MIB);
    return converse(site.ports, undefined, Buffer.concat([head, Buffer.alloc(8 * MIB)]));
  };
}

/** Answers once the upload has begun; and then nothing may come over that connection. */
function early(status: number, body: string): Fault['provoke'] {
  return async (site) => {
    let paused: IncomingMessage | undefined;
    const seen = await interrupted((request, response) => {
      paused = request;
      const headers = { ...CONFIRMED, 'content-length': String(body.length), connection: 'keep-alive' };
      request.once('data', () => {
        request.pause();
        response.writeHead(status, headers).end(body);
      });
    })(site);
    paused?.resume();
    await eventually(() => paused?.socket.destroyed === true, 'the connection to the backend is closed');
    return seen;
  };
}
