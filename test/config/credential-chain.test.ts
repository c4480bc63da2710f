// Where credentials come from, against real HTTP: each link of the AWS chain, and assumed roles. The environment is the only
// setting, as it is for users.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, type TestContext, test } from 'node:test';
import type { CredentialsSpec } from '../../src/config/configuration.ts';
import { type CredentialSource, credentialsProvider } from '../../src/config/credentials.ts';
import { eventually } from '../gateway/eventually.ts';
import { startSts, type TestSts } from './sts.ts';

const REGION = 'eu-central-1';
const ROLE = 'arn:aws:iam::111122223333:role/gateway';
const HOUR = 3_600_000;
const BASE = { accessKeyId: 'AKIABASE000000000001', secretAccessKey: 'the-secret-of-the-base' };

let folder: string;
let sts: TestSts;
const inherited = { ...process.env };

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3-kms-gateway-chain-'));
  sts = await startSts([BASE, { ...BASE, accessKeyId: 'AKIATEMP', sessionToken: 'base-token' }]);
});
after(async () => {
  await sts?.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  // Nothing of the machine's own: no profile, no instance.
  environment({
    AWS_CONFIG_FILE: join(folder, 'none'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
    AWS_EC2_METADATA_DISABLED: 'true',
  });
  sts.mood = 'well';
});
afterEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, inherited);
});

function environment(values: Readonly<Record<string, string>>): void {
  Object.assign(process.env, values);
}

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

/** A source that is closed at the end of the test. */
function open(t: TestContext, spec: CredentialsSpec = { provider: 'default' }): CredentialSource {
  const source = credentialsProvider(spec, REGION);
  t.after(() => source.close());
  return source;
}

/** Serves on loopback until the end of the test. */
async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const inAnHour = (): string => new Date(Date.now() + HOUR).toISOString();

describe('the default chain takes credentials from', () => {
  test('the environment', async (t) => {
    environment({ AWS_ACCESS_KEY_ID: 'AKIAENV', AWS_SECRET_ACCESS_KEY: 'e', AWS_SESSION_TOKEN: 'et' });
    const source = open(t);
    assert.equal(source.current(), undefined);
    await source.ready();
    assert.deepEqual(source.current(), { accessKeyId: 'AKIAENV', secretAccessKey: 'e', sessionToken: 'et' });
  });

  test('a profile of the shared credentials file', async (t) => {
    const file = write(
      'credentials',
      '[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = d\n\n[gateway]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = p\n',
    );
    environment({ AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: 'gateway' });
    const source = open(t);
    await source.ready();
    assert.deepEqual(source.current(), {
      accessKeyId: 'AKIAPROFILE',
      secretAccessKey: 'p',
      sessionToken: undefined,
    });
  });

  test('a profile that runs a program', async (t) => {
    const answer = {
      Version: 1,
      AccessKeyId: 'AKIAPROCESS',
      SecretAccessKey: 's',
      SessionToken: 't',
      Expiration: inAnHour(),
    };
    const program = write('answer.json', JSON.stringify(answer));
    environment({
      AWS_CONFIG_FILE: write('process', `[profile p]\ncredential_process = cat ${program}\n`),
      AWS_PROFILE: 'p',
    });
    const source = open(t);
    await source.ready();
    assert.equal(source.current()?.accessKeyId, 'AKIAPROCESS');
  });

  test('a web identity token (IRSA); a changed token is read anew', async (t) => {
    sts.webIdentityToken = 'the-first-token';
    const tokenFile = write('token', 'the-first-token');
    environment({
      AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
      AWS_ROLE_ARN: ROLE,
      AWS_ROLE_SESSION_NAME: 'pod',
      AWS_ENDPOINT_URL_STS: sts.endpoint,
    });
    const source = open(t);
    await source.ready();
    const { accessKeyId, secretAccessKey, sessionToken } = sts.issued.at(-1) ?? assert.fail();
    assert.deepEqual(source.current(), { accessKeyId, secretAccessKey, sessionToken });
    const { parameters } = sts.granted.at(-1) ?? assert.fail();
    assert.deepEqual([parameters.get('RoleArn'), parameters.get('RoleSessionName')], [ROLE, 'pod']);

    sts.webIdentityToken = 'the-second-token';
    write('token', 'the-second-token');
    const later = open(t);
    await later.ready();
    assert.equal(later.current()?.accessKeyId, sts.issued.at(-1)?.accessKeyId);
    write('token', 'stale');
    await assert.rejects(
      open(t).ready(),
      /^Error: cannot get credentials from the default chain: .*token is not good/,
    );
  });

  test('a container endpoint with a token file (EKS Pod Identity, ECS)', async (t) => {
    let asked = 0;
    const endpoint = await serve(t, (request, response) => {
      asked += 1;
      if (request.headers.authorization !== 'pod-identity-token' || request.url !== '/v1/credentials') {
        response.writeHead(403).end();
        return;
      }
      const answer = { AccessKeyId: 'ASIAPOD', SecretAccessKey: 'p', Token: 'pt', Expiration: inAnHour() };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    environment({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${endpoint}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: write('pod-token', 'pod-identity-token'),
    });
    const source = open(t);
    await source.ready();
    assert.deepEqual(source.current(), { accessKeyId: 'ASIAPOD', secretAccessKey: 'p', sessionToken: 'pt' });
    assert.equal(asked, 1);
    write('pod-token', 'another');
    await assert.rejects(open(t).ready(), /cannot get credentials from the default chain/);
  });

  test('the instance (IMDSv2), and never by its first version', async (t) => {
    const asked: string[] = [];
    const endpoint = await serve(t, (request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.method === 'PUT' && request.url === '/latest/api/token') {
        assert.ok(request.headers['x-aws-ec2-metadata-token-ttl-seconds']);
        response.end('imds-token');
        return;
      }
      if (request.headers['x-aws-ec2-metadata-token'] !== 'imds-token') {
        response.writeHead(401).end();
        return;
      }
      const role = '/latest/meta-data/iam/security-credentials/';
      if (request.url === role) response.end('gateway-role');
      else if (request.url === `${role}gateway-role`) {
        response.end(
          JSON.stringify({
            Code: 'Success',
            AccessKeyId: 'ASIAINSTANCE',
            SecretAccessKey: 'i',
            Token: 'it',
            Expiration: inAnHour(),
          }),
        );
      } else response.writeHead(404).end();
    });
    delete process.env['AWS_EC2_METADATA_DISABLED'];
    environment({ AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint });
    const source = open(t);
    await source.ready();
    assert.deepEqual(source.current(), {
      accessKeyId: 'ASIAINSTANCE',
      secretAccessKey: 'i',
      sessionToken: 'it',
    });
    assert.equal(asked[0], 'PUT /latest/api/token');
  });

  test('nowhere where there is nothing, and says so', async (t) => {
    await assert.rejects(open(t).ready(), {
      message: 'cannot get credentials from the default chain: Could not load credentials from any providers',
    });
  });
});

describe('an assumed role', () => {
  const spec = (more: object = {}): CredentialsSpec => ({
    provider: 'assume-role',
    roleArn: ROLE,
    sessionName: 'ledger',
    externalId: undefined,
    stsEndpoint: sts.endpoint,
    ...more,
  });

  test('is asked for under the default chain, signed for the region of the backend', async (t) => {
    environment({ AWS_ACCESS_KEY_ID: BASE.accessKeyId, AWS_SECRET_ACCESS_KEY: BASE.secretAccessKey });
    const source = open(t, spec({ externalId: 'partner-7' }));
    await source.ready();
    const { accessKeyId, secretAccessKey, sessionToken } = sts.issued.at(-1) ?? assert.fail();
    assert.deepEqual(source.current(), { accessKeyId, secretAccessKey, sessionToken });
    const { region, parameters } = sts.granted.at(-1) ?? assert.fail();
    assert.equal(region, REGION);
    assert.deepEqual(
      ['RoleArn', 'RoleSessionName', 'ExternalId'].map((name) => parameters.get(name)),
      [ROLE, 'ledger', 'partner-7'],
    );
  });

  test('is asked for with temporary credentials, their token signed', async (t) => {
    const { secretAccessKey: AWS_SECRET_ACCESS_KEY } = BASE;
    environment({ AWS_ACCESS_KEY_ID: 'AKIATEMP', AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN: 'base-token' });
    const source = open(t, spec());
    await source.ready();
    assert.equal(source.current()?.accessKeyId, sts.issued.at(-1)?.accessKeyId);
    assert.equal(sts.granted.at(-1)?.parameters.get('ExternalId'), null);
  });

  test('is asked for with a web identity', async (t) => {
    sts.webIdentityToken = 'pod';
    environment({
      AWS_WEB_IDENTITY_TOKEN_FILE: write('token', 'pod'),
      AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/pod',
      AWS_ENDPOINT_URL_STS: sts.endpoint,
    });
    // What the web identity gives is not known to this STS, and it says so: the chain of the two was gone through.
    await assert.rejects(
      open(t, spec()).ready(),
      /the role arn:aws:iam::111122223333:role\/gateway: unknown key$/,
    );
    assert.equal(sts.granted.at(-1)?.parameters.get('RoleArn'), 'arn:aws:iam::111122223333:role/pod');
  });

  test('is refused in words that name role and reason, not the secret', async (t) => {
    environment({ AWS_ACCESS_KEY_ID: BASE.accessKeyId, AWS_SECRET_ACCESS_KEY: 'wrong' });
    await assert.rejects(open(t, spec()).ready(), {
      message: `cannot get credentials from the role ${ROLE}: wrong signature`,
    });
  });

  test('is had at last from an STS that failed at first', async (t) => {
    environment({ AWS_ACCESS_KEY_ID: BASE.accessKeyId, AWS_SECRET_ACCESS_KEY: BASE.secretAccessKey });
    sts.mood = 'failing';
    const source = open(t, spec());
    await assert.rejects(source.ready(), /Not authorized to perform sts:AssumeRole/);
    sts.mood = 'well';
    await source.ready();
    assert.equal(source.current()?.accessKeyId, sts.issued.at(-1)?.accessKeyId);
  });

  test('is had after all where an answer of the STS never comes', { timeout: 60_000 }, async (t) => {
    environment({ AWS_ACCESS_KEY_ID: BASE.accessKeyId, AWS_SECRET_ACCESS_KEY: BASE.secretAccessKey });
    sts.mood = 'silent';
    const source = open(t, spec());
    const { received } = sts;
    const ready = source.ready();
    await eventually(() => sts.received > received, 'a request at the STS');
    sts.mood = 'well';
    await ready;
    assert.equal(source.current()?.accessKeyId, sts.issued.at(-1)?.accessKeyId);
  });
});
