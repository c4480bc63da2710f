// What the gateway reads is what others read of the same bytes: Node's HTTP parser and URL, fast-xml-parser. A request or
// document that two readers take for two things is where a rule is got around.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import * as querystring from 'node:querystring';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { XMLParser } from 'fast-xml-parser';
import { parseTarget } from '../../src/core/http/target.ts';
import { parseRequest, type ReceivedRequest } from '../../src/core/request.ts';
import { escapeXml } from '../../src/core/s3/xml.ts';
import type { XmlElement } from '../../src/core/s3/xml-element.ts';
import { listenerContext, receive } from '../../src/gateway/receive.ts';
import { parseXml } from '../../src/gateway/xml.ts';

describe('a request target', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'a',
      '/',
      '?',
      '&',
      '=',
      '+',
      '%',
      ';',
      '#',
      '..',
      '%2F',
      '%2f',
      '%00',
      '%C3%A9',
      '%c3',
      '%25',
    ),
    fc.constantFrom(
      'x-amz-acl',
      'X-Amz-Signature',
      'uploads',
      'acl',
      ':',
      '@',
      '[',
      '\\',
      '|',
      '"',
      '\t',
      ' ',
    ),
    fc.string({ maxLength: 3 }),
  );
  const target = fc.array(piece, { maxLength: 10 }).map((pieces) => `/${pieces.join('')}`);

  test('has the parameters that Node’s own reader finds, each once, or is refused', () => {
    fc.assert(
      fc.property(target, (raw) => {
        const read = parseTarget(raw);
        if (!read) return;
        const mark = raw.indexOf('?');
        const query = mark < 0 ? '' : raw.slice(mark + 1);
        // maxKeys 0: by default Node leaves out what comes after the thousandth.
        const theirs = querystring.parse(query, '&', '=', { maxKeys: 0 });
        const ours = new Map<string, string[]>();
        for (const { name, value } of read.parameters) ours.set(name, [...(ours.get(name) ?? []), value]);
        assert.deepEqual(
          Object.fromEntries([...ours].sort()),
          Object.fromEntries(
            Object.entries(theirs)
              .map(([name, value]) => [name, [value ?? ''].flat()] as const)
              .sort(),
          ),
        );
      }),
      { numRuns: 3_000 },
    );
  });

  test('has the path that is sent, and none that WHATWG’s URL would take for a host or a fragment', () => {
    fc.assert(
      fc.property(target, (raw) => {
        const read = parseTarget(raw);
        if (!read) return;
        assert.equal(raw.split('?')[0], read.rawPath);
        const url = new URL(`http://gateway.example${raw}`);
        assert.deepEqual([url.host, url.hash], ['gateway.example', '']);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('a request on a socket', () => {
  let server: http.Server;
  let last: http.IncomingMessage | undefined;
  before(async () => {
    // As src/gateway/server.ts has its servers.
    server = http.createServer(
      { insecureHTTPParser: false, requireHostHeader: false },
      (request, response) => {
        last = request;
        response.writeHead(200, { connection: 'close' }).end();
      },
    );
    server.on('clientError', (_error, socket) => socket.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  /** What the gateway is given of these bytes; nothing where Node has refused them. */
  async function received(bytes: Buffer): Promise<ReceivedRequest | undefined> {
    last = undefined;
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => {}).resume();
    socket.end(bytes);
    await once(socket, 'close');
    const listener = { name: 'l', host: '', port: 0, tls: undefined, secure: true, trustedProxies: [] };
    const context = listenerContext({ ...listener, authentication: 'none', signing: 'replace' });
    return last && receive(last, context);
  }

  const name = fc.oneof(
    fc.constantFrom('x-amz-acl', 'X-Amz-Acl', 'x_amz_acl', 'x-amz-server-side-encryption', 'x-amz-meta-a'),
    fc.constantFrom(
      'Connection',
      'Content-Length',
      'Transfer-Encoding',
      'Host',
      'x-amz-acl ',
      ' x-amz-acl',
      'a b',
    ),
    fc.string({ unit: fc.constantFrom(...'aZ-_.:\0\t é'.split('')), minLength: 1, maxLength: 4 }),
  );
  const value = fc.oneof(
    fc.constantFrom(
      '',
      'aws:kms',
      ' AES256 ',
      '\taws:kms\t',
      'a\0b',
      'a\rb',
      'a\nb',
      'a\r\n b',
      'é',
      '0',
      'chunked',
    ),
    fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
      maxLength: 8,
    }),
  );
  const lines = fc.array(fc.tuple(name, value), { maxLength: 5 });

  test('has the header lines that were written, in order and no others, or is refused', async () => {
    let [read, refused] = [0, 0];
    await fc.assert(
      fc.asyncProperty(lines, async (fields) => {
        const head = [['Host', 'gateway.example'], ...fields]
          .map(([key, text]) => `${key}:${text}\r\n`)
          .join('');
        const request = await received(Buffer.from(`GET /bucket/key HTTP/1.1\r\n${head}\r\n`, 'latin1'));
        const parsed = request && parseRequest(request, 8192);
        if (parsed?.kind !== 'parsed') {
          refused += 1;
          return;
        }
        read += 1;
        assert.deepEqual(
          parsed.request.received.headers.fields.map((field) => [field.name, field.value]),
          [['host', 'gateway.example'], ...fields.map(([key, text]) => split(`${key}:${text}`))],
        );
      }),
      { numRuns: 300 },
    );
    assert.ok(read > 20 && refused > 20, `${read} read, ${refused} refused: the property says nothing`);
  });
});

/** A header line as RFC 9112 section 5 has it. */
function split(line: string): readonly [name: string, value: string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
}

describe('an XML document', () => {
  const tag = fc.constantFrom('Rule', 'SSEAlgorithm', 'KMSMasterKeyID', 'a', 'b');
  const text = fc.string({ unit: fc.constantFrom(...'<>&"\' \n\tab]é0#x;'.split('')), maxLength: 8 });
  const { element } = fc.letrec<{ element: string }>((tie) => ({
    element: fc.oneof(
      { maxDepth: 4 },
      fc.tuple(tag, text).map(([name, content]) => `<${name}>${escapeXml(content)}</${name}>`),
      fc
        .tuple(tag, fc.array(tie('element'), { maxLength: 3 }), fc.constantFrom('', '\n', ' '))
        .map(([name, children, gap]) => `<${name}>${gap}${children.join(gap)}${gap}</${name}>`),
      fc.tuple(tag, fc.constantFrom('', ' ')).map(([name, gap]) => `<${name}${gap}/>`),
    ),
  }));
  const INSERTED = [
    '<!-- a -->',
    '<![CDATA[<b>]]>',
    '<?php ?>',
    '<a>',
    '</a>',
    '<b/>',
    '&#60;',
    '&lt;',
    '&x;',
    '<',
    '>',
    ']]>',
    '\0',
    'x',
    ' xmlns="urn:other"',
    ' a="b"',
  ];
  const document = fc
    .tuple(element, fc.array(fc.tuple(fc.nat(), fc.constantFrom(...INSERTED)), { maxLength: 2 }))
    .map(([whole, insertions]) =>
      insertions.reduce((changed, [at, inserted]) => {
        const place = at % (changed.length + 1);
        return changed.slice(0, place) + inserted + changed.slice(place);
      }, whole),
    );

  test('is the tree that fast-xml-parser reads, or is refused', () => {
    let [read, refused] = [0, 0];
    fc.assert(
      fc.property(document, (whole) => {
        const ours = parseXml(Buffer.from(whole));
        if (!ours) {
          refused += 1;
          return;
        }
        read += 1;
        const [theirs, ...more] = ORDERED.parse(whole);
        assert.equal(more.length, 0);
        assert.deepEqual(asElement(theirs), ours);
      }),
      { numRuns: 2_000 },
    );
    assert.ok(read > 100 && refused > 100, `${read} read, ${refused} refused: the property says nothing`);
  });
});

const ORDERED = new XMLParser({
  preserveOrder: true,
  trimValues: false,
  parseTagValue: false,
  ignoreAttributes: true,
  // Numeric references are among these.
  htmlEntities: true,
  processEntities: true,
});

type Ordered = Readonly<Record<string, unknown>>;

/** The other parser's tree in our form: white space between elements is nothing. */
function asElement(node: Ordered): XmlElement {
  const [name = ''] = Object.keys(node).filter((key) => key !== ':@');
  const inner = node[name] as readonly Ordered[];
  const children = inner.filter((child) => !('#text' in child)).map(asElement);
  const content = inner.map((child) => child['#text'] ?? '').join('');
  return { name, children, text: children.length > 0 && content.trim() === '' ? '' : content };
}
