// A baseline: the least that a relay from node:https to undici can do. No signatures, no policy, no log.
import { readFileSync } from 'node:fs';
import * as https from 'node:https';
import { Agent, type Dispatcher } from 'undici';

const [port = '', backend = '', certificate = '', key = '', ca = ''] = process.argv.slice(2);
const agent = new Agent({ pipelining: 1, allowH2: false, connect: { ca: readFileSync(ca, 'utf8') } });

const server = https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
server.on('request', (request, response) => {
  const hasBody = request.headers['content-length'] !== undefined;
  agent.dispatch(
    {
      origin: backend,
      path: request.url ?? '/',
      method: request.method as Dispatcher.HttpMethod,
      headers: withoutConnection(request.rawHeaders),
      body: hasBody ? request : null,
    },
    {
      onRequestStart: () => {},
      onResponseStart: (controller, status) => {
        const headers = (controller.rawHeaders as Buffer[]).map((text) => text.toString('latin1'));
        response.writeHead(status, withoutConnection(headers));
      },
      onResponseData: (controller, chunk) => {
        if (response.write(chunk)) return;
        controller.pause();
        response.once('drain', () => controller.resume());
      },
      onResponseEnd: () => response.end(),
      onResponseError: (_controller, error) => response.destroy(error),
    },
  );
});
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));

/** Raw headers, name after name, without the one that is about a single connection. */
function withoutConnection(raw: readonly string[]): string[] {
  return raw.filter((_, i) => raw[i - (i % 2)]?.toLowerCase() !== 'connection');
}
