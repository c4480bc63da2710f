import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FormDataParser, formBoundary } from '../../../src/core/s3/form-data.ts';

const BOUNDARY = '9431149156168';
const FILE = 'Content-Disposition: form-data; name="file"; filename="a.txt"';

function field(name: string, value: string): string {
  return part(`Content-Disposition: form-data; name="${name}"`, value);
}

function part(header: string, content: string): string {
  return `--${BOUNDARY}\r\n${header}\r\n\r\n${content}\r\n`;
}

const END = `--${BOUNDARY}--\r\n`;
const KEY = field('key', 'k');

/** What a form came to. Data of a refused form are left out: how much of them is given depends on how they arrive. */
interface Outcome {
  readonly fields?: Record<string, string>;
  readonly filename?: string | undefined;
  readonly fileSize?: number;
  readonly data?: string;
  readonly refused?: string;
}

function parse(pieces: Iterable<Uint8Array>, length: number, boundary = BOUNDARY): Outcome {
  const parser = new FormDataParser(boundary, length);
  let outcome: Outcome = {};
  let data = '';
  const kinds: string[] = [];
  for (const piece of pieces) {
    for (const event of parser.push(piece)) {
      kinds.push(event.kind);
      if (event.kind === 'data') data += Buffer.from(event.bytes).toString('latin1');
      if (event.kind === 'refused') outcome = { refused: event.refusal.code };
      if (event.kind === 'file') {
        const { fields, filename, fileSize } = event.form;
        outcome = { fields: Object.fromEntries(fields), filename, fileSize };
      }
    }
  }
  assert.equal(parser.done, kinds.at(-1) === 'end');
  assert.ok(kinds.filter((kind) => kind === 'refused' || kind === 'end').length <= 1, 'one ending');
  if (outcome.fileSize !== undefined) assert.ok(parser.done || data.length < Math.max(outcome.fileSize, 1));
  return parser.done ? { ...outcome, data } : outcome;
}

function whole(body: string, boundary = BOUNDARY): Outcome {
  const bytes = Buffer.from(body, 'utf8');
  const outcome = parse([bytes], bytes.length, boundary);
  const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  assert.deepEqual(parse(single, bytes.length, boundary), outcome, 'byte by byte');
  return outcome;
}

function accepted(body: string, boundary = BOUNDARY): Outcome {
  const outcome = whole(body, boundary);
  assert.notEqual(outcome.data, undefined, JSON.stringify(outcome));
  return outcome;
}

describe('the boundary', () => {
  const READ: readonly (readonly [contentType: string, boundary: string])[] = [
    ['multipart/form-data; boundary=9431149156168', '9431149156168'],
    [
      'multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW',
      '----WebKitFormBoundary7MA4YWxkTrZu0gW',
    ],
    ['multipart/form-data;boundary="a b"', 'a b'],
    ["Multipart/Form-Data; Boundary='()+_,-./:=?a".replace(',', ''), "'()+_-./:=?a"],
    ['multipart/form-data; boundary="(),/:=?"', '(),/:=?'],
    ['multipart/form-data; charset=UTF-8; boundary=x', 'x'],
    ['multipart/form-data; boundary="x"; charset="utf-8"', 'x'],
    [`multipart/form-data; boundary=${'x'.repeat(70)}`, 'x'.repeat(70)],
  ];
  for (const [contentType, boundary] of READ) {
    test(`is read from ${contentType}`, () => assert.equal(formBoundary(contentType), boundary));
  }

  const REFUSED = [
    'multipart/form-data',
    'multipart/form-data;',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=""',
    'multipart/form-data; boundary="a "',
    'multipart/form-data; boundary=a b',
    'multipart/form-data; boundary=a,b',
    'multipart/form-data; boundary=x; boundary=x',
    'multipart/form-data; boundary=x; Boundary=y',
    "multipart/form-data; boundary*=utf-8''x",
    'multipart/form-data; boundary*0=x; boundary*1=y',
    'multipart/form-data; boundary=x; charset=utf-16',
    'multipart/form-data; boundary=x; charset=utf-8; charset=utf-7',
    'multipart/form-data; boundary=x; q=1',
    'multipart/form-data; boundary=x;',
    'multipart/form-data; boundary="x',
    'multipart/form-data; boundary="x"y',
    'multipart/form-data; boundary="\\x"',
    'multipart/form-data; boundary=x\u00e9',
    `multipart/form-data; boundary=${'x'.repeat(71)}`,
    'multipart/form-data, multipart/form-data; boundary=x',
    'multipart/mixed; boundary=x',
    'multipart/form-dataX; boundary=x',
    'application/x-www-form-urlencoded; boundary=x',
    '',
  ];
  for (const contentType of REFUSED) {
    test(`is not read from ${JSON.stringify(contentType)}`, () =>
      assert.equal(formBoundary(contentType), undefined));
  }
});

describe('a form', () => {
  test('gives its fields, the name and size of its file, and the file', () => {
    const body =
      KEY + field('Content-Type', 'text/plain') + part(`${FILE}\r\nContent-Type: text/html`, 'hello') + END;
    assert.deepEqual(accepted(body), {
      fields: { key: 'k', 'content-type': 'text/plain' },
      filename: 'a.txt',
      fileSize: 5,
      data: 'hello',
    });
  });

  test('gives values as they are, in UTF-8, with line ends and without a trim', () => {
    const value = ' a\r\n\r\n--b\r\n é日 ';
    assert.deepEqual(accepted(field('x-amz-meta-a', value) + part(FILE, '') + END).fields, {
      'x-amz-meta-a': value,
    });
  });

  test('may have a file of no bytes, which is announced with the end', () => {
    assert.deepEqual(accepted(KEY + part(FILE, '') + END), {
      fields: { key: 'k' },
      filename: 'a.txt',
      fileSize: 0,
      data: '',
    });
    const body = Buffer.from(KEY + part(FILE, '') + END);
    const parser = new FormDataParser(BOUNDARY, body.length);
    assert.deepEqual(parser.push(body.subarray(0, -1)), []);
    assert.deepEqual(
      parser.push(body.subarray(-1)).map(({ kind }) => kind),
      ['file', 'end'],
    );
  });

  const FILES: readonly (readonly [what: string, content: string])[] = [
    ['dashes', '--'],
    ['line ends', '\r\n\r\n'],
    ['a boundary without its line end', `--${BOUNDARY}x`],
    ['a boundary after a bare line feed', `a\n--${BOUNDARY}\n`],
    ['all of a boundary but its last character', `\r\n--${BOUNDARY.slice(0, -1)}`],
    ['a boundary begun twice', `\r\n--943\r\n--943`],
    ['another closing boundary', '\r\n--other--\r\n'],
  ];
  for (const [what, content] of FILES) {
    const read = what === 'a boundary without its line end' ? `x${content}` : content;
    test(`may have a file of ${what}`, () => assert.equal(accepted(KEY + part(FILE, read) + END).data, read));
  }

  const NAMES: readonly (readonly [header: string, filename: string | undefined])[] = [
    ['form-data; name="file"', undefined],
    ['form-data; name=file; filename=plain.txt', 'plain.txt'],
    ['Form-Data; Name="FILE"; FileName="A.txt"', 'A.txt'],
    ['form-data;filename="a;b=c.txt";name="file"', 'a;b=c.txt'],
    ['form-data; name="file"; filename=""', ''],
    ['form-data; name="file"; filename="a\\"b.txt"', 'a"b.txt'],
    ['form-data; name="file"; filename="a%22b.txt"', 'a%22b.txt'],
    ['form-data; name="file"; filename="C:\\dir\\new.txt"', 'C:\\dir\\new.txt'],
    ['form-data; name="file"; filename="日本.txt"', '日本.txt'],
    ["form-data; name=file; filename=a.txt; filename*=utf-8''b.txt", 'a.txt'],
    ["form-data; name=file; filename*=utf-8''b.txt", undefined],
  ];
  for (const [header, filename] of NAMES) {
    test(`names its file by ${header}`, () => {
      const outcome = accepted(KEY + part(`Content-Disposition: ${header}`, 'x') + END);
      assert.equal(outcome.filename, filename);
    });
  }

  const HEADERS = [
    `content-disposition:form-data; name="a"`,
    `Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=a`,
    `Content-Disposition: form-data; name="a"; filename="a"\r\nContent-Type: text/plain`,
    `Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: 8bit`,
    `Content-Disposition: form-data; name="a"\r\nContent-Length: 1\r\nX-Other: y`,
  ];
  for (const header of HEADERS) {
    test(`may have a field with ${JSON.stringify(header)}`, () => {
      assert.deepEqual(accepted(part(header, 'v') + part(FILE, 'x') + END).fields, { a: 'v' });
    });
  }

  test('may have fields of 20480 bytes before its file, and no more', () => {
    const room = 20480 - Buffer.byteLength(field('key', '') + part(FILE, '')) + 2;
    assert.equal(accepted(field('key', 'x'.repeat(room)) + part(FILE, 'data') + END).data, 'data');
    const body = field('key', 'x'.repeat(room + 1)) + part(FILE, 'data') + END;
    assert.equal(whole(body).refused, 'MaxPostPreDataLengthExceeded');
  });
});

describe('a hostile form is refused', () => {
  const file = part(FILE, 'data');
  const CASES: readonly (readonly [what: string, body: string, code?: string])[] = [
    ['with a field twice', KEY + KEY + file + END],
    ['with a field twice, in another case', KEY + field('KEY', 'other') + file + END],
    ['with a field after its file', KEY + file + field('x-amz-server-side-encryption', 'AES256') + END],
    ['with two files', KEY + file + file + END, 'InvalidArgument'],
    [
      'with two files, the second in another case',
      KEY + file + part('Content-Disposition: form-data; name="FiLe"', 'x') + END,
      'InvalidArgument',
    ],
    ['with a part after its file that is none', KEY + file + part('X: y', 'x') + END],
    ['without a file', KEY + END, 'InvalidArgument'],
    ['without a part', END, 'InvalidArgument'],
    ['without its final boundary', KEY + file],
    ['without its final boundary, in the middle of a field', `${KEY}--${BOUNDARY}\r\nContent-Dispo`],
    ['without the CRLF at its end', KEY + file + END.slice(0, -2)],
    ['with a bare line feed at its end', `${KEY}${file}${END.slice(0, -2)}\n`],
    ['with an epilogue', `${KEY}${file}${END}x`],
    ['with an epilogue of a line', `${KEY}${file}${END}\r\n`],
    ['with a long epilogue', `${KEY}${file}${END}${'x'.repeat(200)}`],
    ['with its end twice', KEY + file + END + END],
    ['with a preamble', `x\r\n${KEY}${file}${END}`],
    ['with an empty line before it', `\r\n${KEY}${file}${END}`],
    ['with line feeds for CRLF', (KEY + file + END).replaceAll('\r\n', '\n')],
    ['with white space after a boundary', (KEY + file + END).replace(BOUNDARY, `${BOUNDARY} `)],
    ['with a longer boundary', (KEY + file + END).replace(BOUNDARY, `${BOUNDARY}0`)],
    ['with another boundary', (KEY + file + END).replaceAll(BOUNDARY, 'other')],
    ['with a boundary inside its file', KEY + part(FILE, `a\r\n--${BOUNDARY}\r\nb`) + END],
    ['with a boundary inside its file that goes on', KEY + part(FILE, `a\r\n--${BOUNDARY}0`) + END],
    ['with a closing boundary inside its file', KEY + part(FILE, `a\r\n--${BOUNDARY}--\r\nb`) + END],
    ['with a boundary at the start of its file', KEY + part(FILE, `--${BOUNDARY}\r\nx`) + END],
    ['with a boundary at the start of a value', field('a', `--${BOUNDARY}\r\nx`) + file + END],
    ['with a value that is not UTF-8', 'latin1'],
  ];
  for (const [what, body, code = 'MalformedPOSTRequest'] of CASES) {
    test(what, () => {
      if (body !== 'latin1') return assert.equal(whole(body).refused, code);
      const bytes = Buffer.from(field('a', '\xff') + file + END, 'latin1');
      assert.equal(parse([bytes], bytes.length).refused, code);
    });
  }

  const HEADERS: readonly (readonly [what: string, header: string])[] = [
    ['no header', ''],
    ['no Content-Disposition', 'Content-Type: text/plain'],
    ['another disposition', 'Content-Disposition: file; name="a"'],
    ['a disposition run together', 'Content-Disposition: form-data name="a"'],
    ['no name', 'Content-Disposition: form-data; filename="a"'],
    ['an empty name', 'Content-Disposition: form-data; name=""'],
    ['a name with a quote', 'Content-Disposition: form-data; name="a\\"b"'],
    ['a name with a backslash', 'Content-Disposition: form-data; name="a\\b"'],
    ['a name with a space', 'Content-Disposition: form-data; name="a b"'],
    ['a name beyond ASCII', 'Content-Disposition: form-data; name="é"'],
    ['two names', 'Content-Disposition: form-data; name="a"; name="b"'],
    ['two names in two cases', 'Content-Disposition: form-data; name="a"; Name="b"'],
    ['an extended name', "Content-Disposition: form-data; name*=utf-8''a"],
    ['both names', "Content-Disposition: form-data; name=a; name*=utf-8''b"],
    ['an unknown parameter', 'Content-Disposition: form-data; name="a"; size=1'],
    ['a quote left open', 'Content-Disposition: form-data; name="a'],
    ['text after a quote', 'Content-Disposition: form-data; name="a"b'],
    [
      'two dispositions',
      'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"',
    ],
    ['a folded line', 'Content-Disposition: form-data;\r\n name="a"'],
    ['a space before the colon', 'Content-Disposition : form-data; name="a"'],
    ['a line without a colon', 'Content-Disposition: form-data; name="a"\r\nnothing'],
    ['a bare line feed', 'Content-Disposition: form-data; name="a"\nX: y'],
    ['a bare carriage return', 'Content-Disposition: form-data; name="a"\rX: y'],
    ['a NUL', 'Content-Disposition: form-data; name="a"\r\nX: \0'],
    ['base64', 'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64'],
    [
      'quoted-printable',
      'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: quoted-printable',
    ],
    [
      'another charset',
      'Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=utf-7',
    ],
    [
      'two charsets',
      'Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=utf-16; charset=utf-8x',
    ],
    [
      'a multipart inside',
      'Content-Disposition: form-data; name="a"\r\nContent-Type: multipart/mixed; boundary=x',
    ],
  ];
  for (const [what, header] of HEADERS) {
    test(`with a part that has ${what}`, () => {
      assert.equal(whole(part(header, 'v') + file + END).refused, 'MalformedPOSTRequest');
    });
  }

  test('with a header line that never ends, before more than 20480 bytes are held', () => {
    const parser = new FormDataParser(BOUNDARY, 10_000_000);
    const events = parser.push(Buffer.from(`--${BOUNDARY}\r\nX: `));
    for (let i = 0; i < 320 && events.length === 0; i++) events.push(...parser.push(Buffer.alloc(64, 'x')));
    assert.deepEqual(
      events.map((event) => (event.kind === 'refused' ? event.refusal.code : event.kind)),
      ['MaxPostPreDataLengthExceeded'],
    );
  });

  test('with more bytes than its Content-Length', () => {
    const body = Buffer.from(KEY + file + END);
    const parser = new FormDataParser(BOUNDARY, body.length);
    assert.equal(parser.push(body).at(-1)?.kind, 'end');
    assert.equal(parser.push(Buffer.from('x')).at(-1)?.kind, 'refused');
    assert.equal(parser.done, false);
    assert.deepEqual(parser.push(Buffer.from('x')), []);
  });

  test('before the last byte of its file is given, so that no backend can store it', () => {
    for (const tail of ['', `--${BOUNDARY}--`, `--${BOUNDARY}--\r\nx`, `--${BOUNDARY}--\n\n`]) {
      const body = Buffer.from(KEY + part(FILE, 'x'.repeat(500)) + tail);
      const parser = new FormDataParser(BOUNDARY, body.length);
      let [given, announced] = [0, 0];
      for (const byte of body) {
        for (const event of parser.push(Uint8Array.of(byte))) {
          if (event.kind === 'data') given += event.bytes.length;
          if (event.kind === 'file') announced = event.form.fileSize;
        }
      }
      assert.ok(announced > 0 && given < announced, `${given} of ${announced}`);
    }
  });
});

const content = fc
  .array(fc.constantFrom('\r', '\n', '\r\n', '-', '--', 'b', 'bo', `\r\n--bo`, '\r\n--b', 'x', '\0', 'ÿ'), {
    maxLength: 40,
  })
  .map((pieces) => pieces.join(''));

const form = fc
  .record({
    fields: fc.uniqueArray(fc.tuple(fc.constantFrom('key', 'Acl', 'x-amz-meta-a', 'policy', 'x'), content), {
      selector: ([name]) => name,
    }),
    file: content,
  })
  .filter(({ fields, file }) =>
    [file, ...fields.map(([, value]) => value)].every((text) => !`\r\n${text}\r\n`.includes('\r\n--bou')),
  )
  .map(({ fields, file }) => {
    const opening = (name: string) => `--bou\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`;
    const body = `${fields.map(([name, value]) => `${opening(name)}${value}\r\n`).join('')}${opening('file')}${file}\r\n--bou--\r\n`;
    const named = Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value]));
    return { bytes: Buffer.from(body, 'utf8'), fields: named, file: Buffer.from(file, 'utf8') };
  });

function split(bytes: Uint8Array, places: Iterable<number>): Uint8Array[] {
  const cuts = [...new Set([0, ...places, bytes.length])]
    .filter((place) => place <= bytes.length)
    .sort((a, b) => a - b);
  return cuts.slice(1).map((cut, i) => bytes.subarray(cuts[i] ?? 0, cut));
}

describe('any form', () => {
  test('is read to its fields and its file, however it is split', () => {
    fc.assert(
      fc.property(
        form,
        fc.array(fc.nat({ max: 900 }), { maxLength: 8 }),
        ({ bytes, fields, file }, places) => {
          const expected = {
            fields,
            filename: undefined,
            fileSize: file.length,
            data: file.toString('latin1'),
          };
          assert.deepEqual(parse([bytes], bytes.length, 'bou'), expected);
          assert.deepEqual(parse(split(bytes, places), bytes.length, 'bou'), expected);
          assert.deepEqual(parse(split(bytes, bytes.keys()), bytes.length, 'bou'), expected, 'byte by byte');
        },
      ),
      { numRuns: 300 },
    );
  });

  test('is not done before its last byte', () => {
    fc.assert(
      fc.property(form, ({ bytes }) => {
        for (let length = 0; length < bytes.length; length++) {
          assert.equal(parse([bytes.subarray(0, length)], bytes.length, 'bou').data, undefined);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('is never read as another form once its length is another', () => {
    fc.assert(
      fc.property(form, fc.integer({ min: -60, max: 60 }), ({ bytes }, difference) => {
        fc.pre(difference !== 0 && bytes.length + difference > 0);
        assert.equal(parse([bytes], bytes.length + difference, 'bou').data, undefined);
      }),
    );
  });
});

describe('any bytes at all', () => {
  const noise = fc
    .array(
      fc.constantFrom(
        '--bou',
        '--',
        '\r\n',
        '\r',
        '\n',
        'Content-Disposition: form-data; name="',
        'file"',
        'key"',
        '; filename="',
        '\r\n\r\n',
        ':',
        'x',
        '\r\n--bou\r\n',
        '--bou--\r\n',
      ),
      { maxLength: 30 },
    )
    .map((pieces) => Buffer.from(`--bou\r\n${pieces.join('')}`));

  test('come to the same however they are split, and never throw', () => {
    fc.assert(
      fc.property(noise, fc.array(fc.nat({ max: 300 }), { maxLength: 8 }), (bytes, places) => {
        const expected = parse([bytes], bytes.length, 'bou');
        assert.deepEqual(parse(split(bytes, places), bytes.length, 'bou'), expected);
        assert.ok(expected.refused !== undefined || expected.data !== undefined, 'an ending');
      }),
      { numRuns: 2000 },
    );
  });

  test('of a file are given on as views of what came in', () => {
    const head = Buffer.from(`${KEY}--${BOUNDARY}\r\n${FILE}\r\n\r\n`);
    const parser = new FormDataParser(BOUNDARY, head.length + 2 ** 30);
    assert.equal(parser.push(head).at(-1)?.kind, 'file');
    const piece = new Uint8Array(65536);
    for (let i = 0; i < 16; i++) {
      const [event, ...rest] = parser.push(piece);
      assert.ok(event?.kind === 'data' && rest.length === 0);
      assert.equal(event.bytes.buffer, piece.buffer);
      assert.equal(event.bytes.length, piece.length);
    }
  });
});
