// A baseline: the http-proxy package as its documentation shows it, with TLS on both sides and connections kept alive.
import { readFileSync } from 'node:fs';
import * as https from 'node:https';
import httpProxy from 'http-proxy';

const [port = '', backend = '', certificate = '', key = '', ca = ''] = process.argv.slice(2);
const proxy = httpProxy.createProxyServer({
  target: backend,
  agent: new https.Agent({ keepAlive: true, ca: readFileSync(ca) }),
  ssl: { cert: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') },
});
// A client that has had enough at the end of a measurement is no fault.
proxy.on('error', (_error, _request, response) => response.destroy());
proxy.listen(Number(port), '127.0.0.1');
console.log('ready');
