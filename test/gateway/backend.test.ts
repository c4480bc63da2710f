// The connections to a backend, seen from a backend with TLS.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { BackendConfiguration, Timeouts } from '../../src/config/configuration.ts';
import { createAuthority } from '../../src/demo/authority.ts';
import { openAgent } from '../../src/gateway/backend.ts';
import { collectGarbage } from './collect-garbage.ts';

const authority = createAuthority(new Date());
const TIMEOUTS = { backendConnect: 5000, backendIdle: 4000, backendFirstByte: 5000, bodyIdle: 5000 };
/** Of each connection, whether it resumed a session. */
const resumed: boolean[] = [];
let server: https.Server;

before(async () => {
  const { certificate, key } = authority.issue({ dns: ['localhost'], ipv4: [] });
  server = https.createServer({ cert: certificate, key }, (_request, response) => {
    response.setHeader('connection', 'close').end();
  });
  server.on('secureConnection', (socket: TLSSocket) => resumed.push(socket.isSessionReused()));
  server.listen(0);
  await once(server, 'listening');
});
after(() => server.close());

test('a connection resumes the TLS session of the one before, also when garbage has been collected', async () => {
  const backend = { ca: authority.certificate } as BackendConfiguration;
  const agent = openAgent(backend, TIMEOUTS as Timeouts);
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  for (let i = 0; i < 4; i++) {
    const { body } = await agent.request({ origin, path: '/', method: 'GET' });
    await body.dump();
    collectGarbage();
  }
  assert.deepEqual(resumed, [false, true, true, true]);
  await agent.close();
});
