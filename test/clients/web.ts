// Clients that know HTTP and nothing of S3: what uses a presigned URL or sends a form.
// Must not know how either is signed.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, FormData, fetch } from 'undici';
import { cleanEnvironment, missingProgram, run } from './program.ts';

export interface WebRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface WebAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** Of an S3 error document. */
  readonly code: string | undefined;
  readonly message: string | undefined;
}

/** A web client at work. */
export interface WebSession {
  send(url: string, request: WebRequest): Promise<WebAnswer>;
  /** As a page's form would: multipart/form-data, the file after the fields. */
  submit(url: string, fields: Readonly<Record<string, string>>, file: Buffer): Promise<WebAnswer>;
  close(): Promise<void>;
}

export interface WebClient {
  readonly name: string;
  /** Why it cannot be used on this machine; undefined when it can. */
  unavailable(): string | undefined;
  open(caFile: string, scratch: string): WebSession;
}

/** Name and type of the file in every form. */
const fileName = 'of the form.bin';
const fileType = 'application/octet-stream';

/** As in browsers. */
export const webFetch: WebClient = {
  name: 'fetch',
  unavailable: () => undefined,
  open: (caFile) => {
    const dispatcher = new Agent({ connect: { ca: readFileSync(caFile) } });
    return {
      send: async (url, request) => fetched(await fetch(url, { ...request, dispatcher })),
      submit: async (url, fields, file) => {
        const body = new FormData();
        for (const [name, value] of Object.entries(fields)) body.append(name, value);
        body.append('file', new File([new Uint8Array(file)], fileName, { type: fileType }));
        return fetched(await fetch(url, { method: 'POST', body, dispatcher }));
      },
      close: () => dispatcher.destroy(),
    };
  },
};

async function fetched(response: Awaited<ReturnType<typeof fetch>>): Promise<WebAnswer> {
  return answer(response.status, Buffer.from(await response.arrayBuffer()));
}

const program = '/usr/bin/curl';

/** Debian's curl: it waits for `100 Continue` before a large body, and its forms have other boundaries. */
export const curl: WebClient = {
  name: 'curl',
  unavailable: () => missingProgram(program),
  open: (caFile, scratch) => {
    const newFile = () => join(scratch, randomUUID());
    const send = async (...args: string[]) => {
      const output = newFile();
      const common = ['--silent', '--show-error', '--cacert', caFile, '--output', output];
      await writeFile(output, '');
      const status = await run(
        program,
        [...common, '--write-out', '%{http_code}', ...args],
        cleanEnvironment(scratch, {}),
      );
      return answer(Number(status), await readFile(output));
    };
    return {
      send: async (url, { method, headers = {}, body }) => {
        const lines = Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]);
        return send(...lines, ...(await methodOptions(method, body, newFile())), url);
      },
      submit: async (url, fields, content) => {
        const file = newFile();
        await writeFile(file, content);
        const parts = Object.entries(fields).flatMap(([name, value]) => [
          '--form-string',
          `${name}=${value}`,
        ]);
        return send(...parts, '--form', `file=@${file};type=${fileType};filename="${fileName}"`, url);
      },
      close: async () => {},
    };
  },
};

async function methodOptions(
  method: WebRequest['method'],
  body: Buffer | undefined,
  file: string,
): Promise<string[]> {
  if (method === 'HEAD') return ['--head'];
  if (body === undefined) return ['--request', method];
  await writeFile(file, body);
  return ['--request', method, '--upload-file', file];
}

function answer(status: number, body: Buffer): WebAnswer {
  const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body.toString())?.[1];
  const message = element('Message')?.replaceAll('&quot;', '"').replaceAll('&apos;', "'");
  return { status, body, code: element('Code'), message };
}

export const webClients: readonly WebClient[] = [webFetch, curl];
