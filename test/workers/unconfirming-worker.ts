// A worker that is killed when it has been sent a listening socket and has not confirmed it.
import cluster from 'node:cluster';
import { createServer } from 'node:net';
import type { ToWorker } from '../../src/workers/messages.ts';

process.on('message', (message: ToWorker) => {
  if (message.kind !== 'start') return;
  createServer().listen(message.configuration.listeners[0]?.port);
  // The primary sends the socket meanwhile, and nothing is read here.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  process.kill(process.pid, 'SIGKILL');
});
cluster.worker?.send({ kind: 'started' });
