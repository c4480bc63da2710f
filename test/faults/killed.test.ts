// A backend that is killed with requests under way, and comes back: Ceph, which keeps what it had, and the embedded store.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { skipWithout } from '../backends/ceph.ts';
import { type GatewayProcess, startGatewayProcess } from '../gateway/gateway-process.ts';
import { converse, seenIn } from '../hostile/site.ts';
import { requestBytes, uploadHead } from './fault.ts';
import { type Killable, killableCeph, killableStore } from './killable.ts';
import { KILLS, type Kill } from './kills.ts';

const MIB = 1024 * 1024;
const OBJECT = 64 * MIB;
/** More than sockets and the gateway hold: what has been taken of it has reached the backend. */
const PART = Buffer.alloc(48 * MIB, 'x');

const BACKENDS = {
  'Ceph 20': { start: killableCeph, skip: skipWithout('tentacle') },
  'the embedded store': { start: killableStore, skip: false as const },
};

for (const [title, { start, skip }] of Object.entries(BACKENDS)) {
  describe(`${title}, killed`, { skip }, () => {
    let backend: Killable;
    let gateway: GatewayProcess;
    let site: { to: { endpoint: string }; host: string; port: number };

    before(async () => {
      backend = await start();
      gateway = await startGatewayProcess({
        backends: [backend.backend],
        encryption: [{ name: 'inject', buckets: ['*'], mode: 'inject', keyId: backend.keyId }],
        plaintext: { secure: true },
      });
      const port = Number(new URL(gateway.plaintextEndpoint).port);
      site = { to: { endpoint: gateway.plaintextEndpoint }, host: `localhost:${port}`, port };
    });
    after(async () => {
      await gateway?.stop();
      await backend?.close();
    });

    const named = ({ id, fault }: Kill) => `${id}: ${fault}`;
    const ports = () => ({ port: site.port, tlsPort: 0, clearPort: site.port, ca: gateway.ca });
    const put = async (key: string) =>
      converse(
        ports(),
        undefined,
        await requestBytes(site, { method: 'PUT', path: `/inject/${key}`, body: 'x' }),
      );

    /** What has come over the socket until it ends. */
    async function untilClosed(socket: Socket, text = ''): Promise<string> {
      let all = text;
      socket.on('data', (more) => {
        if (all.length < 4096) all += more.toString('latin1');
      });
      if (!socket.closed) await once(socket, 'close');
      return `${seenIn(all)}, closed`;
    }

    function connected(): Socket {
      return connect(site.port, '127.0.0.1').on('error', () => {});
    }

    test(named(KILLS.upload), async () => {
      const socket = connected();
      socket.write(await uploadHead(site, OBJECT, '/inject/half'));
      await new Promise((resolve) => socket.write(PART, resolve));
      await backend.kill();
      assert.equal(await untilClosed(socket), KILLS.upload.sees);
    });

    test(named(KILLS.down), async () => {
      assert.equal(await put('meanwhile'), KILLS.down.sees);
    });

    test(named(KILLS.back), async () => {
      await backend.restart();
      assert.equal(await put('after'), KILLS.back.sees);
      const sizes = ['half', 'meanwhile', 'after'].map((key) => backend.encryptedSize(key));
      assert.deepEqual(await Promise.all(sizes), [undefined, undefined, 1]);
    });

    test(named(KILLS.download), async () => {
      const upload = Buffer.concat([
        await uploadHead(site, OBJECT, '/inject/whole'),
        Buffer.alloc(OBJECT, 'y'),
      ]);
      assert.equal(await converse(ports(), undefined, upload), '200, goes on');
      assert.equal(await backend.encryptedSize('whole'), OBJECT);
      const socket = connected();
      socket.write(await requestBytes(site, { path: '/inject/whole' }));
      const [first] = await once(socket, 'data');
      socket.pause();
      await backend.kill();
      socket.resume();
      assert.equal(await untilClosed(socket, first.toString('latin1')), KILLS.download.sees);
      await backend.restart();
      assert.equal(await put('again'), '200, goes on');
      assert.deepEqual([gateway.child.exitCode, gateway.child.signalCode], [null, null]);
    });
  });
}
