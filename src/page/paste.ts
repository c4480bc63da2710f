// A request as people have it at hand, read into the parts of a question: HTTP as on the wire, a curl command, or what
// `aws --debug` says that it sends. Sends nothing, and keeps no credentials that a command names.

/** The request, or why it could not be read: a sentence that quotes no more than an option's name. */
export type Pasted =
  | { readonly method: string; readonly url: string; readonly headers: readonly string[] }
  | { readonly error: string };

export function readPasted(text: string): Pasted {
  const trimmed = text.trim();
  if (trimmed === '')
    return { error: 'There is no request. Write PUT /bucket/key, and header lines below it.' };
  if (/^(?:\$\s+)?curl\s/.test(trimmed)) return readCurl(wordsOf(trimmed.replace(/^\$\s+/, '')));
  if (trimmed.includes('<AWSPreparedRequest ')) return readAwsDebug(trimmed);
  return readHttp(trimmed);
}

/** A request line, its version optional, and header lines up to an empty one. What follows is a body, which is not judged. */
function readHttp(text: string): Pasted {
  const [first = '', ...rest] = text.split(/\r?\n/);
  const line = first.trim();
  const version = line.lastIndexOf(' ');
  const unversioned = /^HTTP\/\d(?:\.\d)?$/.test(line.slice(version + 1)) ? line.slice(0, version) : line;
  const [, method, url] = /^([A-Za-z]+)\s+(\S.*)$/.exec(unversioned.trimEnd()) ?? [];
  if (method === undefined || url === undefined) {
    return { error: 'The first line is no request line. Write PUT /bucket/key, or paste a curl command.' };
  }
  const end = rest.findIndex((line) => line.trim() === '');
  const headers = (end < 0 ? rest : rest.slice(0, end)).map((line) => line.trim());
  return { method: method.toUpperCase(), url, headers };
}

/** Options of curl that say something about the request. What they take is their next word, or the rest of their own. */
const CURL_OPTIONS: Readonly<
  Record<string, 'method' | 'header' | 'url' | 'upload' | 'data' | 'head' | 'get'>
> = {
  '-X': 'method',
  '--request': 'method',
  '-H': 'header',
  '--header': 'header',
  '--url': 'url',
  '-T': 'upload',
  '--upload-file': 'upload',
  '-d': 'data',
  '--data': 'data',
  '--data-ascii': 'data',
  '--data-binary': 'data',
  '--data-raw': 'data',
  '-I': 'head',
  '--head': 'head',
  '-G': 'get',
  '--get': 'get',
};
/** Options that take a word and make no difference here. Credentials are among them: the client is chosen apart. */
const CURL_WITH_WORD = new Set(
  [
    '-u --user --aws-sigv4 -o --output --cacert --capath -E --cert --key --resolve --connect-to -w --write-out',
    '--retry -m --max-time --connect-timeout -x --proxy -D --dump-header --unix-socket --limit-rate -A --user-agent',
  ].flatMap((line) => line.split(' ')),
);
const CURL_ALONE = new Set(
  [
    '-k --insecure -s --silent -S --show-error -v --verbose -i --include -f --fail --fail-with-body -L --location -O',
    '-g --globoff --path-as-is --compressed -# --progress-bar -4 -6 -N --no-buffer --http1.1 --http1.0 --tlsv1.2 --tlsv1.3',
  ].flatMap((line) => line.split(' ')),
);

interface CurlCommand {
  method: string | undefined;
  url: string | undefined;
  readonly headers: string[];
  readonly said: Set<string>;
}

function readCurl(words: readonly string[] | undefined): Pasted {
  if (!words) return { error: 'A quotation mark in the command is not closed.' };
  const command: CurlCommand = { method: undefined, url: undefined, headers: [], said: new Set() };
  const rest = words.slice(1).values();
  for (const word of rest) {
    const { options, value } = unbundled(word);
    for (const option of options) {
      const unknown = takeWord(command, option, () => value ?? rest.next().value ?? '');
      if (unknown !== undefined)
        return { error: `The curl option ${unknown} is not understood here: leave it out.` };
    }
  }
  const { url, said, headers } = command;
  if (url === undefined) return { error: 'The curl command names no URL.' };
  const implied = said.has('upload') ? 'PUT' : said.has('head') ? 'HEAD' : said.has('data') ? 'POST' : 'GET';
  return {
    method: (command.method ?? (said.has('get') ? 'GET' : implied)).toUpperCase(),
    // curl takes a name without a scheme for HTTP, and a target without a path for /.
    url: /^https?:\/\/|^\//.test(url) ? url : `http://${url}`,
    // `Name;` is curl's form of an empty header, `Name:` takes one out that curl would add.
    headers: headers.map((line) => line.replace(/^([^:;]+);$/, '$1:')),
  };
}

/** Takes one word, and `next` where it is an option that needs one; gives the name of an option that is not known. */
function takeWord(command: CurlCommand, word: string, next: () => string): string | undefined {
  if (!word.startsWith('-') || word === '-') {
    command.url ??= word;
    return undefined;
  }
  const what = CURL_OPTIONS[word];
  if (what === 'head' || what === 'get') command.said.add(what);
  else if (what !== undefined) {
    const value = next();
    if (what === 'method') command.method = value;
    else if (what === 'url') command.url = value;
    else if (what === 'header') command.headers.push(value);
    else command.said.add(what);
  } else if (CURL_WITH_WORD.has(word)) next();
  else if (!CURL_ALONE.has(word)) return /^-[\w-]*/.exec(word)?.[0];
  return undefined;
}

/** `-sSXPUT` is `-s -S -X PUT`, and `--url=…` is `--url …`: the last of a word's options takes its value. */
function unbundled(word: string): { readonly options: readonly string[]; readonly value?: string } {
  const [, long, value] = /^(--[\w-]+)=(.*)$/s.exec(word) ?? [];
  if (long !== undefined && value !== undefined) return { options: [long], value };
  if (!word.startsWith('-') || word.startsWith('--') || word === '-') return { options: [word] };
  const options: string[] = [];
  for (let at = 1; at < word.length; at++) {
    const option = `-${word.charAt(at)}`;
    options.push(option);
    if (takesWord(option)) return at + 1 < word.length ? { options, value: word.slice(at + 1) } : { options };
  }
  return { options };
}

function takesWord(option: string): boolean {
  const what = CURL_OPTIONS[option];
  return CURL_WITH_WORD.has(option) || (what !== undefined && what !== 'head' && what !== 'get');
}

/**
 * The words of a command line in the quoting that browsers and documents use; nothing where a quotation mark is not closed.
 * Nothing is expanded.
 */
function wordsOf(command: string): string[] | undefined {
  const token = /\\\r?\n|\s+|\$?'((?:[^'])*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|[^\s'"\\]+|(['"\\])/g;
  const words: string[] = [];
  let word: string | undefined;
  for (const [whole, single, double, escaped, open] of command.matchAll(token)) {
    if (open !== undefined) return undefined;
    if (/^(?:\\\r?\n|\s)/.test(whole)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + (single ?? double?.replace(/\\([$`"\\\n])/g, '$1') ?? escaped ?? whole);
  }
  return word === undefined ? words : [...words, word];
}

/** botocore's last word before it sends: method, URL and headers as Python writes them. The body comes after. */
function readAwsDebug(text: string): Pasted {
  const form = /^<AWSPreparedRequest [^>]*?\bmethod=(\w+), url=(\S+), headers=\{(.*?)\}>/s;
  const [, method, url, list = ''] = form.exec(text.slice(text.lastIndexOf('<AWSPreparedRequest '))) ?? [];
  if (method === undefined || url === undefined) {
    return { error: 'The line of aws --debug is not whole: it must run from <AWSPreparedRequest to its >.' };
  }
  const pair = /'([^']+)': b?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g;
  const headers = [...list.matchAll(pair)].map(
    ([, name, single, double]) => `${name}: ${(single ?? double ?? '').replace(/\\(['"\\])/g, '$1')}`,
  );
  return { method, url, headers };
}
