// Asks what is behind the page, without a browser.
import * as http from 'node:http';

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** A request with whatever headers, `Host` included. */
export function ask(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
  body?: string,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** A watcher of decisions. */
export interface Watching {
  readonly status: number;
  readonly headers: Headers;
  /** What it has been told about the object of this key, so far. */
  about(key: string): Record<string, unknown>[];
  close(): Promise<void>;
}

/** The decisions that are told, as they come. */
export async function watchDecisions(admin: string): Promise<Watching> {
  const leave = new AbortController();
  const response = await fetch(`${admin}/api/decisions`, { signal: leave.signal });
  const decisions: Record<string, unknown>[] = [];
  const reading = (async () => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = /^event: decisions\ndata: (.*)$/.exec(event)?.[1];
        if (data !== undefined) decisions.push(...JSON.parse(data).decisions);
      }
    }
  })().catch(() => {});
  const close = async () => {
    leave.abort();
    await reading;
  };
  const about = (key: string) => decisions.filter((each) => each['key'] === key);
  return { status: response.status, headers: response.headers, about, close };
}
