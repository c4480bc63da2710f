// What S3's answers to an untrusted request mean: codes of AWS that no server of the tests gives.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { judgeProbe } from '../../src/gateway/probe.ts';

const BACKEND = { region: 'eu-central-1' };
const CREDENTIALS = { accessKeyId: 'GATEWAY0000000000001' };

function judge(status: number, document: string, location?: string): ReturnType<typeof judgeProbe> {
  return judgeProbe({ status, document, location }, BACKEND, CREDENTIALS);
}

/** As AWS writes it. */
function error(code: string, more = '', message = 'm'): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${more}<RequestId>R</RequestId></Error>`;
}

describe('a signed request to a backend', () => {
  test('is trusted when it gets the list, or is denied it', () => {
    const list =
      '<?xml version="1.0"?><ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>';
    assert.equal(judge(200, list), undefined);
    assert.equal(judge(403, error('AccessDenied')), undefined);
  });

  const FAULTS: readonly (readonly [status: number, document: string, key: string, message: RegExp])[] = [
    [
      403,
      error('InvalidAccessKeyId'),
      'credentials',
      /does not know the access key ID GATEWAY0000000000001$/,
    ],
    [
      403,
      error('SignatureDoesNotMatch'),
      'credentials',
      /refuses the signature made with the secret of GATEWAY/,
    ],
    [400, error('InvalidToken'), 'credentials', /session token/],
    [400, error('ExpiredToken'), 'credentials', /has expired/],
    [403, error('RequestTimeTooSkewed'), 'credentials', /clock/],
    [
      400,
      error('AuthorizationHeaderMalformed', '<Region>us-west-2</Region>'),
      'region',
      /^is eu-central-1, but the backend is in us-west-2$/,
    ],
    [301, error('PermanentRedirect', '<Endpoint>s3.x</Endpoint>'), 'endpoint', /redirect to s3\.x$/],
    [
      403,
      error('AccountProblem', '', 'There is a problem'),
      'credentials',
      /403 AccountProblem "There is a problem"$/,
    ],
    [503, error('SlowDown'), 'endpoint', /answers 503 SlowDown "m"$/],
    [403, 'Forbidden by proxy', 'endpoint', /answers 403, but not as an S3 server does/],
    [200, '<html>', 'endpoint', /not as an S3 server does/],
  ];
  for (const [status, document, key, message] of FAULTS) {
    test(`tells of ${key} by ${status} ${/<Code>(\w+)/.exec(document)?.[1] ?? document}`, () => {
      const finding = judge(status, document);
      assert.deepEqual([finding?.severity, finding?.key], ['fault', key]);
      assert.match(finding?.message ?? '', message);
      assert.match(finding?.remedy ?? '', /^[A-Z].*\.$/);
    });
  }

  test('that the backend does not have proves little, and is a warning', () => {
    assert.equal(judge(501, error('NotImplemented'))?.severity, 'warning');
    assert.equal(judge(405, error('MethodNotAllowed'))?.severity, 'warning');
  });

  test('is never trusted for an answer that says neither', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), fc.string(), (status, document) => {
        fc.pre(!document.includes('AccessDenied') && !document.includes('<ListAllMyBucketsResult'));
        assert.ok(judge(status, document));
      }),
    );
  });
});
