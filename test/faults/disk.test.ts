// The disk is never touched: what the kernel has counted, and every file that is open while large bodies pass.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { confirming, type FakeBackend, startFakeBackend } from '../gateway/fake-backend.ts';
import { type GatewayProcess, openFiles, startGatewayProcess } from '../gateway/gateway-process.ts';
import { requestBytes, uploadHead } from './fault.ts';

const MIB = 1024 * 1024;
const OBJECT = 256 * MIB;
const PIECE = Buffer.alloc(MIB, 'x');

let backend: FakeBackend;
let gateway: GatewayProcess;
let site: { to: { endpoint: string }; host: string };
let port: number;

before(async () => {
  backend = await startFakeBackend();
  gateway = await startGatewayProcess({
    backends: [backend.backend],
    encryption: [{ name: 'inject', buckets: ['*'], mode: 'inject', keyId: 'the-key' }],
    plaintext: { secure: true },
  });
  port = Number(new URL(gateway.plaintextEndpoint).port);
  site = { to: { endpoint: gateway.plaintextEndpoint }, host: `localhost:${port}` };
});
after(async () => {
  await gateway?.stop();
  await backend?.close();
});

/** Bytes that the process has caused to be written to a disk. */
function writtenBytes(): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${gateway.pid}/io`, 'utf8'))?.[1]);
}

/** Open files that are no sockets or pipes, and not the kernel's own: its figures of the process are read for the metrics. */
function filesOfItsOwn(): string[] {
  return openFiles(gateway.pid).filter((target) => /^\/(?!dev\/|proc\/)/.test(target));
}

test('an upload and a download of 256 MiB write nothing, and open no file', async () => {
  const open = filesOfItsOwn();
  const written = writtenBytes();
  const seen = new Set<string>();
  const look = () => {
    for (const file of filesOfItsOwn()) seen.add(file);
  };
  await upload(look);
  await download(look);
  assert.deepEqual([...seen].sort(), open);
  assert.equal(writtenBytes(), written);
});

async function upload(onPiece: () => void): Promise<void> {
  backend.behave(confirming);
  const socket = connect(port, '127.0.0.1');
  socket.write(await uploadHead(site, OBJECT));
  for (let sent = 0; sent < OBJECT; sent += PIECE.length) {
    await new Promise((resolve) => socket.write(PIECE, resolve));
    onPiece();
  }
  const [answer] = await once(socket, 'data');
  assert.match(answer.toString(), /^HTTP\/1\.1 200 /);
  socket.destroy();
}

async function download(onPiece: () => void): Promise<void> {
  backend.behave((_request, response) => {
    response.writeHead(200, { 'content-length': OBJECT });
    let sent = 0;
    const more = () => {
      while (sent < OBJECT) {
        sent += PIECE.length;
        if (!response.write(PIECE)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  });
  const socket = connect(port, '127.0.0.1');
  socket.write(await requestBytes(site, {}));
  let received = 0;
  for await (const piece of socket) {
    received += piece.length;
    onPiece();
    if (received > OBJECT) break;
  }
}
