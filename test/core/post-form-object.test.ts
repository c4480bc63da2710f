import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { XMLParser } from 'fast-xml-parser';
import { headerStanding, operationNamed } from '../../src/core/s3/operation.ts';
import { formHeaders, postAnswer, putObjectOf, withFilename } from '../../src/core/s3/post-object.ts';
import { taggingHeader } from '../../src/core/s3/tagging.ts';
import { wire } from './fixture.ts';

type Fields = Record<string, string>;

function fieldsOf(fields: Fields): ReadonlyMap<string, string> {
  return new Map(Object.entries(fields));
}

function headersOf(fields: Fields): Fields | string {
  const headers = formHeaders(fieldsOf(fields));
  return 'reason' in headers ? headers.code : Object.fromEntries(headers);
}

const FILENAME = '$' + '{filename}';

describe('the name of the file', () => {
  const CASES: readonly (readonly [filename: string | undefined, key: string])[] = [
    ['a.txt', 'user/a.txt'],
    ['dir/a.txt', 'user/a.txt'],
    ['../../etc/passwd', 'user/passwd'],
    ['C:\\dir\\a.txt', 'user/a.txt'],
    ['\\\\server/dir\\a.txt', 'user/a.txt'],
    ['dir/', 'user/'],
    ['', 'user/'],
    ['..', 'user/..'],
    ['$&', 'user/$&'],
    ["$'$`$$", "user/$'$`$$"],
    [FILENAME, `user/${FILENAME}`],
    [undefined, `user/${FILENAME}`],
  ];
  for (const [filename, key] of CASES) {
    test(`${JSON.stringify(filename)} makes the key ${key}`, () => {
      assert.equal(withFilename(fieldsOf({ key: `user/${FILENAME}` }), filename).get('key'), key);
    });
  }

  test('stands wherever the key and the redirect ask for it, and nowhere else', () => {
    const given = {
      key: `${FILENAME}/${FILENAME}`,
      success_action_redirect: `https://h/?${FILENAME}`,
      redirect: FILENAME,
      policy: FILENAME,
      acl: FILENAME,
    };
    const replaced = { ...given, key: 'a/a', success_action_redirect: 'https://h/?a', redirect: 'a' };
    const fields = fieldsOf(given);
    assert.deepEqual(Object.fromEntries(withFilename(fields, 'a')), replaced);
    assert.deepEqual(Object.fromEntries(fields), given, 'what came in is unchanged');
  });
});

describe('the PutObject of a form', () => {
  test('has the key and the headers', () => {
    const put = putObjectOf(fieldsOf({ key: '/é ./..', bucket: 'b', acl: 'private' }), 'b');
    assert.ok(put.kind === 'put');
    assert.deepEqual([put.key, [...put.headers]], ['/é ./..', [['x-amz-acl', 'private']]]);
  });

  const REFUSED: readonly (readonly [fields: Fields, code: string])[] = [
    [{}, 'InvalidArgument'],
    [{ key: '' }, 'InvalidArgument'],
    [{ key: 'a\0' }, 'InvalidArgument'],
    [{ key: 'é'.repeat(513) }, 'KeyTooLongError'],
    [{ key: 'k', bucket: 'victim' }, 'InvalidRequest'],
    [{ key: 'k', bucket: '' }, 'InvalidRequest'],
    [{ key: 'k', bucket: 'B' }, 'InvalidRequest'],
    [{ key: 'k', unknown: '' }, 'NotImplemented'],
  ];
  for (const [fields, code] of REFUSED) {
    test(`is refused for ${JSON.stringify(fields).slice(0, 40)}: ${code}`, () => {
      const put = putObjectOf(fieldsOf(fields), 'b');
      assert.equal(put.kind === 'refused' && put.refusal.code, code);
    });
  }
});

describe('the fields of a form', () => {
  const MAPPED: readonly (readonly [field: string, header: string])[] = [
    ['acl', 'x-amz-acl'],
    ...[
      'cache-control',
      'content-type',
      'content-disposition',
      'content-encoding',
      'content-language',
      'expires',
      'x-amz-storage-class',
      'x-amz-website-redirect-location',
      'x-amz-server-side-encryption',
      'x-amz-server-side-encryption-aws-kms-key-id',
      'x-amz-server-side-encryption-context',
      'x-amz-server-side-encryption-bucket-key-enabled',
      'x-amz-server-side-encryption-customer-algorithm',
      'x-amz-server-side-encryption-customer-key',
      'x-amz-server-side-encryption-customer-key-md5',
      'x-amz-checksum-crc32',
      'x-amz-checksum-sha256',
      'x-amz-checksum-crc64nvme',
      'x-amz-meta-a.b_c',
    ].map((name): [string, string] => [name, name]),
    ['x-amz-checksum-algorithm', 'x-amz-sdk-checksum-algorithm'],
  ];
  for (const [field, header] of MAPPED) {
    test(`${field} becomes the header ${header}, which PutObject knows`, () => {
      assert.deepEqual(headersOf({ [field]: 'v' }), { [header]: 'v' });
      if (header.startsWith('x-amz-'))
        assert.equal(headerStanding(operationNamed('PutObject'), header), 'known');
    });
  }

  test('of the signature, the address and the answer become nothing', () => {
    const names = [
      'policy',
      'x-amz-algorithm',
      'x-amz-credential',
      'x-amz-date',
      'x-amz-signature',
      'x-amz-security-token',
      'awsaccesskeyid',
      'signature',
      'key',
      'bucket',
      'success_action_status',
      'success_action_redirect',
      'redirect',
      'x-ignore-',
      'x-ignore-a',
    ];
    assert.deepEqual(headersOf(Object.fromEntries(names.map((name) => [name, '\r\n']))), {});
  });

  for (const name of [
    'submit',
    'x-amz-copy-source',
    'x-amz-tagging',
    'x-amz-grant-read',
    'x-amz-expected-bucket-owner',
    'x-amz-server-side-encryption-aws-bucket-key-enabled',
    'x-amz-server-side-encryption-customer-key-md4',
    'x_amz_acl',
    'x-amz-acl',
    'x-amz-content-sha256',
    'content-length',
    'host',
    'authorization',
    '_charset_',
    'x-amz-meta-a:b',
    'x-amz-meta-a b',
    '__proto__',
    'constructor',
    'x-ignore',
    'file',
  ]) {
    test(`named ${name} are refused`, () =>
      assert.equal(headersOf(JSON.parse(`{"${name}":"v"}`)), 'NotImplemented'));
  }

  test('travel as the bytes of their UTF-8 form, without white space at their ends', () => {
    assert.deepEqual(headersOf({ 'x-amz-meta-a': ' é\t日 \t' }), { 'x-amz-meta-a': wire('é\t日') });
    assert.deepEqual(headersOf({ 'x-amz-server-side-encryption': ' aws:kms' }), {
      'x-amz-server-side-encryption': 'aws:kms',
    });
    assert.deepEqual(headersOf({ 'x-amz-server-side-encryption': '' }), {
      'x-amz-server-side-encryption': '',
    });
  });

  for (const value of ['a\r\nx-amz-acl: public-read', 'a\n', '\r', 'a\0', '\u007f', '\u001b']) {
    test(`with the value ${JSON.stringify(value)} are refused`, () =>
      assert.equal(headersOf({ 'x-amz-meta-a': value }), 'InvalidArgument'));
  }
});

describe('the tagging field', () => {
  const tagging = (tags: string) => `<Tagging><TagSet>${tags}</TagSet></Tagging>`;
  const READ: readonly (readonly [document: string, header: string])[] = [
    [tagging(''), ''],
    [tagging('<Tag><Key>a</Key><Value>b</Value></Tag>'), 'a=b'],
    [tagging('<Tag><Key>a</Key><Value/></Tag>'), 'a='],
    [
      tagging(
        '<Tag><Key>a b</Key><Value>&amp;=é</Value></Tag><Tag><Key>c</Key><Value>&#x26;&#61;</Value></Tag>',
      ),
      'a%20b=%26%3D%C3%A9&c=%26%3D',
    ],
    [
      '<?xml version="1.0" encoding="UTF-8"?>\n<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\n <TagSet>\n  <Tag>\n <Key>a</Key>\r\n<Value> b </Value></Tag>\n </TagSet>\n</Tagging>\n',
      'a=%20b%20',
    ],
  ];
  for (const [document, header] of READ) {
    test(`${JSON.stringify(document).slice(0, 80)} becomes ${header}`, () => {
      assert.deepEqual(headersOf({ tagging: document }), { 'x-amz-tagging': header });
    });
  }

  const REFUSED = [
    '',
    'a=b',
    'not-xml',
    '<InvalidXmlTagging></InvalidXmlTagging>',
    '<Tagging></Tagging>',
    tagging('x'),
    tagging('<Tag><Key></Key><Value>b</Value></Tag>'),
    tagging('<Tag><Key>a</Key></Tag>'),
    tagging('<Tag><Key>a</Key><Value>b</Value><Value>c</Value></Tag>'),
    tagging('<Tag><Key>a</Key><Value>b</Value></Tag>x'),
    tagging('<Tag><Key>a</Key><Value>&b;</Value></Tag>'),
    tagging('<Tag><Key>a</Key><Value>& </Value></Tag>'),
    tagging('<Tag><Key>a</Key><Value>&#0;</Value></Tag>'),
    tagging('<Tag><Key>a</Key><Value>&#xD800;</Value></Tag>'),
    tagging('<Tag><Key>a</Key><Value>&#x110000;</Value></Tag>'),
    tagging('<Tag><Key>a</Key><Value><![CDATA[b]]></Value></Tag>'),
    tagging('<Tag><Key>a</Key><Value><!-- -->b</Value></Tag>'),
    tagging('<Tag x="y"><Key>a</Key><Value>b</Value></Tag>'),
    `<!DOCTYPE x [<!ENTITY e "v">]>${tagging('')}`,
    tagging('').repeat(2),
    `<a>${tagging('')}</a>`,
  ];
  for (const document of REFUSED) {
    test(`${JSON.stringify(document)} is refused`, () =>
      assert.equal(headersOf({ tagging: document }), 'MalformedXML'));
  }

  test('of any tags reads to those tags', () => {
    const text = fc.string({ unit: 'binary', maxLength: 10 }).filter((value) => !value.includes('\0'));
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            text.filter((key) => key !== ''),
            text,
          ),
          { maxLength: 5 },
        ),
        (tags) => {
          const asText = (value: string) =>
            value.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
          const document = tagging(
            tags
              .map(([key, value]) => `<Tag><Key>${asText(key)}</Key><Value>${asText(value)}</Value></Tag>`)
              .join(''),
          );
          const pairs = (taggingHeader(document) ?? 'refused').split('&').filter((pair) => pair !== '');
          assert.deepEqual(
            pairs.map((pair) => pair.split('=').map(decodeURIComponent)),
            tags,
          );
        },
      ),
    );
  });
});

describe('the answer to a form', () => {
  const STORED = {
    bucketUrl: 'https://b.s3.gateway.example/',
    bucket: 'b',
    key: 'dir/é &<k>',
    etag: '"abc"',
  };
  const LOCATION = 'https://b.s3.gateway.example/dir%2F%C3%A9%20%26%3Ck%3E';

  const STATUS: readonly (readonly [status: string | undefined, answered: number])[] = [
    [undefined, 204],
    ['200', 200],
    ['201', 201],
    ['204', 204],
    ['404', 204],
    ['', 204],
    ['0200', 204],
    ['200 ', 204],
  ];
  for (const [status, answered] of STATUS) {
    test(`has status ${answered} for success_action_status ${JSON.stringify(status)}`, () => {
      const answer = postAnswer(
        fieldsOf(status === undefined ? {} : { success_action_status: status }),
        STORED,
      );
      assert.equal(answer.status, answered);
      assert.equal(answer.body === '', answered !== 201);
      const headers = new Map(answer.headers);
      assert.deepEqual([headers.get('location'), headers.get('etag')], [LOCATION, '"abc"']);
    });
  }

  test('of 201 is the document S3 writes', () => {
    const { body, headers } = postAnswer(fieldsOf({ success_action_status: '201' }), STORED);
    assert.equal(
      body,
      `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse><Location>${LOCATION}</Location><Bucket>b</Bucket><Key>dir/é &amp;&lt;k&gt;</Key><ETag>&quot;abc&quot;</ETag></PostResponse>`,
    );
    assert.equal(new Map(headers).get('content-type'), 'application/xml');
    const { PostResponse } = new XMLParser({ parseTagValue: false }).parse(body);
    assert.deepEqual(PostResponse, { Location: LOCATION, Bucket: 'b', Key: STORED.key, ETag: '"abc"' });
  });

  const ADDED = 'bucket=b&key=dir%2F%C3%A9+%26%3Ck%3E&etag=%22abc%22';
  const REDIRECTS: readonly (readonly [redirect: string, location: string | undefined])[] = [
    ['https://h.example/done', `https://h.example/done?${ADDED}`],
    ['http://h.example', `http://h.example/?${ADDED}`],
    ['HTTPS://h.example/a?b=c&d', `https://h.example/a?b=c&d&${ADDED}`],
    ['https://h.example/a?', `https://h.example/a?${ADDED}`],
    ['https://h.example/a#part', `https://h.example/a?${ADDED}#part`],
    ['https://h.example/é ü?q=é', `https://h.example/%C3%A9%20%C3%BC?q=%C3%A9&${ADDED}`],
    ['https://h.example/a\r\nSet-Cookie: b', undefined],
    ['https://h.example/a\tb', undefined],
    ['/relative', undefined],
    ['//h.example/', undefined],
    ['javascript:alert(1)', undefined],
    ['ftp://h.example/', undefined],
    ['https:h.example', undefined],
    ['https:///h.example', undefined],
    ['https://', undefined],
    ['https://user@h.example/', undefined],
    ['https://:secret@h.example/', undefined],
    ['https://h.example:99999/', undefined],
    [' https://h.example/', undefined],
    ['', undefined],
  ];
  for (const [redirect, location] of REDIRECTS) {
    test(`${location === undefined ? 'does not redirect' : 'redirects'} to ${JSON.stringify(redirect)}`, () => {
      const answer = postAnswer(
        fieldsOf({ success_action_redirect: redirect, success_action_status: '200' }),
        STORED,
      );
      assert.equal(answer.status, location === undefined ? 200 : 303);
      assert.equal(new Map(answer.headers).get('location'), location ?? LOCATION);
    });
  }

  test('redirects to the field of old, unless the new one is there', () => {
    const redirectOf = (fields: Fields) =>
      new Map(postAnswer(fieldsOf(fields), STORED).headers).get('location');
    assert.match(redirectOf({ redirect: 'https://old.example/' }) ?? '', /^https:\/\/old\.example\//);
    const both = { redirect: 'https://old.example/', success_action_redirect: 'https://new.example/' };
    assert.match(redirectOf(both) ?? '', /^https:\/\/new\.example\//);
  });

  test('never holds a character that ends a header', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (path, key) => {
        const answer = postAnswer(fieldsOf({ redirect: `https://h.example/${path}` }), { ...STORED, key });
        for (const [, value] of answer.headers) assert.match(value, /^[\x20-\x7e]*$/);
      }),
    );
  });
});
