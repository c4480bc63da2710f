// What clients can do to an exchange at each of its phases: leave, stop sending, stop reading.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { eventually } from '../gateway/eventually.ts';
import { type Behaviour, confirming } from '../gateway/fake-backend.ts';
import { flood } from '../gateway/flood.ts';
import { httpChunks, twisted } from '../hostile/input.ts';
import { converse, open } from '../hostile/site.ts';
import { type Fault, type FaultSite, requestBytes, uploadHead } from './fault.ts';

const MIB = 1024 * 1024;

/** Sends nothing back, and reads all. */
const mute: Behaviour = (request) => void request.resume();

/** An object that never ends, for as long as it is taken. */
const endless: Behaviour = (request, response) => {
  request.resume();
  response.writeHead(200, { 'content-length': String(10 ** 12) });
  flood(response, Buffer.alloc(MIB));
};

/** A connection to the gateway that is written to by hand; ends with the test at the latest. */
function connection({ ports }: FaultSite, bytes: Buffer | string): Socket {
  const socket = open(ports, undefined).on('error', () => {});
  socket.write(bytes);
  return socket;
}

/** That the gateway has left the backend: no exchange of its own is left behind. */
function left({ fake }: FaultSite): Promise<void> {
  return eventually(async () => (await fake.connections()) === 0, 'the backend is left');
}

/** Begun at the backend, with what the client has sent so far. */
async function begun(site: FaultSite, behaviour: Behaviour, bytes: Buffer): Promise<Socket> {
  const before = site.fake.asked;
  site.fake.behave(behaviour);
  const socket = connection(site, bytes);
  await eventually(() => site.fake.asked === before + 1, 'it has reached the backend');
  return socket;
}

async function leaving(site: FaultSite, socket: Socket): Promise<string> {
  socket.destroy();
  await left(site);
  return 'it has left';
}

async function cut(site: FaultSite, socket: Socket): Promise<string> {
  if (!socket.closed) await once(socket, 'close');
  await left(site);
  return 'closed';
}

const halfUpload = async (site: FaultSite) =>
  Buffer.concat([await uploadHead(site, 8 * MIB), Buffer.alloc(MIB)]);

export const ofClients: readonly Fault[] = [
  {
    id: 'L01',
    fault: 'it never ends the handshake of TLS (`tlsHandshake`)',
    sees: 'closed',
    whole: 0,
    provoke: ({ ports }) => converse(ports, 'not TLS', Buffer.from('160301', 'hex')),
  },
  {
    id: 'L02',
    fault: 'it never ends the head of its request (`requestHeader`)',
    sees: '400 RequestTimeout, closed',
    whole: 0,
    provoke: ({ ports }) => converse(ports, undefined, Buffer.from('GET /inject/k HTTP/1.1\r\nhost: lo')),
  },
  {
    id: 'L03',
    fault: 'it sends nothing at all',
    sees: '400 RequestTimeout, closed',
    whole: 0,
    provoke: ({ ports }) => converse(ports, undefined, Buffer.alloc(0)),
  },
  {
    id: 'L04',
    fault: 'it leaves behind the head of its upload',
    sees: 'it has left',
    whole: 0,
    provoke: async (site) => {
      site.fake.behave(confirming);
      return leaving(site, connection(site, await uploadHead(site, MIB)));
    },
  },
  {
    id: 'L05',
    fault: 'it leaves in the middle of an upload',
    sees: 'it has left',
    whole: 0,
    begun: 1,
    provoke: async (site) => leaving(site, await begun(site, confirming, await halfUpload(site))),
  },
  {
    id: 'L06',
    fault: 'it leaves while it waits for its answer',
    sees: 'it has left',
    whole: 1,
    provoke: async (site) => leaving(site, await begun(site, mute, await requestBytes(site, {}))),
  },
  {
    id: 'L07',
    fault: 'it leaves in the middle of a download',
    sees: 'it has left',
    whole: 1,
    provoke: async (site) => {
      const socket = await begun(site, endless, await requestBytes(site, {}));
      await once(socket, 'data');
      return leaving(site, socket);
    },
  },
  {
    id: 'L08',
    fault: 'it stops sending behind the head of its upload (`bodyIdle`)',
    sees: 'closed',
    whole: 0,
    provoke: async (site) => cut(site, connection(site, await uploadHead(site, MIB))),
  },
  {
    id: 'L09',
    fault: 'it stops sending in the middle of an upload (`bodyIdle`)',
    sees: 'closed',
    whole: 0,
    begun: 1,
    provoke: async (site) => cut(site, await begun(site, confirming, await halfUpload(site))),
  },
  {
    id: 'L10',
    fault: 'it takes nothing of its download (`bodyIdle`)',
    sees: 'closed',
    whole: 1,
    provoke: async (site) => {
      const socket = await begun(site, endless, await requestBytes(site, {}));
      socket.pause();
      // A socket that is not read does not see its end: that the gateway has left the backend is it.
      await left(site);
      socket.destroy();
      return 'closed';
    },
  },
  {
    id: 'L11',
    fault: 'it sends requests without end that are refused, and takes none of their answers (`bodyIdle`)',
    sees: 'closed',
    whole: 0,
    provoke: async (site) => {
      const socket = connect(site.ports.port, '127.0.0.1').pause();
      flood(socket, 'GET /inject/k HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1000));
      await new Promise((resolve) => socket.once('close', resolve));
      return 'closed';
    },
  },
  {
    id: 'L12',
    fault:
      'its upload turns out not to be HTTP once it has begun at the backend: the backend does not get its end',
    sees: '400 InvalidRequest, closed',
    whole: 0,
    begun: 1,
    provoke: async (site) => {
      const whole = httpChunks(`${(8 * MIB).toString(16)}\r\n${'x'.repeat(8 * MIB)}\r\n0\r\n\r\n`);
      const bytes = await twisted(site, 'L12', {
        payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        headers: {
          'content-encoding': 'aws-chunked',
          'x-amz-decoded-content-length': String(8 * MIB),
          'x-amz-trailer': 'x-amz-checksum-crc32',
        },
        lines: ['transfer-encoding: chunked'],
        body: whole.replace(/0\r\n\r\n$/, 'zz\r\n'),
      });
      site.fake.behave(confirming);
      return converse(site.ports, undefined, bytes);
    },
  },
];
