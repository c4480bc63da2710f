// The embedded store as a process that can be killed: `node store-process.ts PORT CERTIFICATE KEY KEYID`, PORT 0 for a free one.
import { readFileSync } from 'node:fs';
import { startStore } from '../../src/demo/store.ts';

const [port = '0', certificate = '', key = '', keyId = ''] = process.argv.slice(2);
const store = await startStore({
  credentials: { accessKeyId: 'STORE000000000000001', secretAccessKey: 'the-secret-of-the-store' },
  region: 'us-east-1',
  keyIds: [keyId],
  tls: { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') },
  port: Number(port),
});
console.log(store.port);
