// A baseline: what TLS on both sides alone costs in Node.js. Sockets joined to sockets; knows no HTTP.
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:tls';

const [port = '', backend = '', certificate = '', key = '', caFile = ''] = process.argv.slice(2);
const { hostname, port: backendPort } = new URL(backend);
const ca = readFileSync(caFile);

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key), noDelay: true });
server.on('secureConnection', (client) => {
  const toBackend = connect({ host: hostname, port: Number(backendPort), servername: hostname, ca });
  toBackend.setNoDelay(true);
  client.pipe(toBackend).pipe(client);
  client.on('error', () => toBackend.destroy());
  toBackend.on('error', () => client.destroy());
  client.on('close', () => toBackend.destroy());
});
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
