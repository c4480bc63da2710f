// Header lists in the forms that Node and undici have them in.
import type { Dispatcher } from 'undici';

type Headers = readonly (readonly [name: string, value: string])[];

/** Name, value, name, value… as Node and undici take them. */
export function rawOf(headers: Headers): string[] {
  const raw: string[] = [];
  for (const [name, value] of headers) raw.push(name, value);
  return raw;
}

/** The headers of an answer, names lower-case. */
export function rawHeaders(controller: Dispatcher.DispatchController): Headers {
  const raw = controller.rawHeaders;
  if (!Array.isArray(raw)) return [];
  const headers: (readonly [string, string])[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2)
    headers.push([latin1(raw[i]).toLowerCase(), latin1(raw[i + 1])]);
  return headers;
}

/** Headers as undici's promise API gives them; what is repeated tells nothing here. */
export function singleHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Headers {
  return Object.entries(headers).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as const] : [],
  );
}

function latin1(text: Buffer | string | undefined): string {
  return typeof text === 'string' ? text : (text?.toString('latin1') ?? '');
}
