import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  credentialsProvider,
  type FetchedCredentials,
  refreshingSource,
} from '../../src/config/credentials.ts';

const MINUTE = 60_000;

/** A provider whose answers are set one by one; it counts how often it was asked. */
function fakeProvider(): {
  fetch: () => Promise<FetchedCredentials>;
  answers: (FetchedCredentials | Error)[];
  asked: number;
} {
  const fake = {
    answers: [] as (FetchedCredentials | Error)[],
    asked: 0,
    fetch: async (): Promise<FetchedCredentials> => {
      fake.asked += 1;
      const answer = fake.answers.shift();
      if (answer === undefined) throw new Error('asked too often');
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  return fake;
}

function credentials(name: string, minutes?: number): FetchedCredentials {
  const expiration = minutes === undefined ? undefined : new Date(Date.now() + minutes * MINUTE);
  return { accessKeyId: name, secretAccessKey: 'secret', sessionToken: 'token', expiration };
}

function fakeTime(t: TestContext): (milliseconds: number) => Promise<void> {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2030-01-01') });
  return async (milliseconds) => {
    t.mock.timers.tick(milliseconds);
    // Lets the promises of a refresh run; the mocked timers leave setImmediate alone.
    await new Promise(setImmediate);
  };
}

const nothing = (): void => {};

test('static credentials are there at once', async () => {
  const spec = {
    provider: 'static',
    accessKeyId: 'A',
    secretAccessKey: 's',
    sessionToken: undefined,
  } as const;
  const source = credentialsProvider(spec, 'eu-central-1');
  assert.deepEqual(source.current(), { accessKeyId: 'A', secretAccessKey: 's', sessionToken: undefined });
  await source.ready();
  source.close();
});

test('there are no credentials before the first fetch, and it happens once', async () => {
  const provider = fakeProvider();
  provider.answers.push(credentials('A'));
  const source = refreshingSource(provider.fetch, 'a test', nothing);
  assert.equal(source.current(), undefined);
  await Promise.all([source.ready(), source.ready()]);
  await source.ready();
  assert.equal(provider.asked, 1);
  assert.deepEqual(source.current(), { accessKeyId: 'A', secretAccessKey: 'secret', sessionToken: 'token' });
});

test('a first fetch that fails says what is wrong and can be repeated', async () => {
  const provider = fakeProvider();
  provider.answers.push(new Error('no such role'), credentials('A'));
  const source = refreshingSource(provider.fetch, 'the role R', nothing);
  await assert.rejects(source.ready(), { message: 'cannot get credentials from the role R: no such role' });
  assert.equal(source.current(), undefined);
  await source.ready();
  assert.equal(source.current()?.accessKeyId, 'A');
});

test('credentials are replaced five minutes before they expire', async (t) => {
  const tick = fakeTime(t);
  const provider = fakeProvider();
  provider.answers.push(credentials('A', 60), credentials('B', 120));
  const source = refreshingSource(provider.fetch, 'a test', nothing);
  await source.ready();
  await tick(55 * MINUTE - 1);
  assert.equal(source.current()?.accessKeyId, 'A');
  await tick(1);
  assert.equal(source.current()?.accessKeyId, 'B');
  assert.equal(provider.asked, 2);
  source.close();
});

test('old credentials stay while refreshes fail, which are told and tried again ever more slowly', async (t) => {
  const tick = fakeTime(t);
  const provider = fakeProvider();
  const failures: string[] = [];
  provider.answers.push(credentials('A', 60), new Error('one'), new Error('two'), credentials('B', 120));
  const source = refreshingSource(provider.fetch, 'a test', (error) => failures.push(error.message));
  await source.ready();
  await tick(55 * MINUTE);
  await tick(999);
  assert.equal(provider.asked, 2);
  await tick(1);
  assert.equal(provider.asked, 3);
  await tick(1999);
  assert.equal(provider.asked, 3);
  assert.equal(source.current()?.accessKeyId, 'A');
  await tick(1);
  assert.equal(source.current()?.accessKeyId, 'B');
  assert.deepEqual(failures, [
    'cannot get credentials from a test: one',
    'cannot get credentials from a test: two',
  ]);
  source.close();
});

test('a fetch that never ends is given up after a minute, and the next may bring credentials', async (t) => {
  const tick = fakeTime(t);
  const failures: string[] = [];
  const answers = [credentials('A', 60), new Promise<never>(() => {}), credentials('B', 120)];
  const fetch = async (): Promise<FetchedCredentials> => answers.shift() ?? assert.fail('asked too often');
  const source = refreshingSource(fetch, 'a test', (error) => failures.push(error.message));
  await source.ready();
  await tick(55 * MINUTE);
  await tick(MINUTE - 1);
  assert.deepEqual(failures, []);
  await tick(1);
  assert.deepEqual(failures, ['cannot get credentials from a test: there was no answer within 60 s']);
  assert.equal(source.current()?.accessKeyId, 'A');
  await tick(1000);
  assert.equal(source.current()?.accessKeyId, 'B');
  source.close();
});

test('a provider of nearly expired credentials is not asked without pause', async (t) => {
  const tick = fakeTime(t);
  const provider = fakeProvider();
  provider.answers.push(credentials('A', 1), credentials('B', 60));
  const source = refreshingSource(provider.fetch, 'a test', nothing);
  await source.ready();
  await tick(9_999);
  assert.equal(provider.asked, 1);
  await tick(1);
  assert.equal(source.current()?.accessKeyId, 'B');
  source.close();
});

test('a closed source refreshes no more', async (t) => {
  const tick = fakeTime(t);
  const provider = fakeProvider();
  provider.answers.push(credentials('A', 60));
  const source = refreshingSource(provider.fetch, 'a test', nothing);
  await source.ready();
  source.close();
  await tick(120 * MINUTE);
  assert.equal(provider.asked, 1);
  assert.equal(source.current()?.accessKeyId, 'A');
});
