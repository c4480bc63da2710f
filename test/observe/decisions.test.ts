import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DecisionBatch, DecisionFeed, DecisionRecorder } from '../../src/observe/decisions.ts';
import { eventually } from '../gateway/eventually.ts';
import { injectedWrite, refusal } from './observations.ts';

/** A plain read, told apart by its ID. */
const plain = (requestId: string) =>
  injectedWrite({ requestId, method: 'GET', operation: 'GetObject', injected: [] });

function recording(tell: (batch: DecisionBatch) => Promise<void> | void = () => {}) {
  const batches: DecisionBatch[] = [];
  const recorder = new DecisionRecorder((batch) => {
    batches.push(batch);
    return tell(batch);
  });
  const told = () => batches.flatMap(({ decisions }) => decisions.map(({ requestId }) => requestId));
  const missed = () => batches.reduce((sum, batch) => sum + batch.missed, 0);
  return { recorder, batches, told, missed };
}

describe('the recorder of decisions', () => {
  it('touches no field of a request while nobody watches', () => {
    const { recorder, batches } = recording();
    const untouchable = new Proxy(plain('A'), {
      get: () => assert.fail('it was looked at'),
    });
    for (let i = 0; i < 1000; i++) recorder.record(untouchable);
    assert.deepEqual(batches, []);
  });

  it('tells first what was decided before, of late alone, oldest first, then what comes', async () => {
    const { recorder, told } = recording();
    for (let i = 0; i < 100; i++) recorder.record(plain(`R${i}`));
    recorder.begin();
    await eventually(() => told().length > 0, 'the recent ones are told');
    assert.deepEqual(
      told(),
      Array.from({ length: 64 }, (_, i) => `R${i + 36}`),
    );
    recorder.record(plain('new'));
    await eventually(() => told().includes('new'), 'the new one is told');
    recorder.stop();
  });

  it('tells what the audit line has, and when', async () => {
    const { recorder, batches } = recording();
    recorder.begin();
    recorder.record(refusal());
    await eventually(() => batches.length > 0, 'a batch');
    recorder.stop();
    const [decision] = batches[0]?.decisions ?? [];
    assert.equal(decision?.['reason'], 'signature_mismatch');
    assert.ok(Math.abs((decision?.time ?? 0) - Date.now()) < 60_000);
  });

  it('leaves out what is too much, plain requests first, and counts it', async () => {
    const { recorder, told, missed } = recording();
    recorder.begin();
    for (let i = 0; i < 500; i++) recorder.record(plain(`P${i}`));
    for (let i = 0; i < 80; i++) recorder.record(refusal({ requestId: `N${i}` }));
    await eventually(() => told().length > 0, 'a batch');
    recorder.stop();
    assert.equal(told().filter((id) => String(id).startsWith('N')).length, 80);
    assert.equal(told().filter((id) => String(id).startsWith('P')).length, 50);
    assert.equal(missed(), 450);
  });

  it('waits until a batch is on its way, and holds no more than one meanwhile', async () => {
    const sent = Promise.withResolvers<void>();
    const { recorder, batches, told, missed } = recording(() => sent.promise);
    recorder.begin();
    recorder.record(plain('first'));
    await eventually(() => batches.length === 1, 'the first batch');
    for (let i = 0; i < 1000; i++) recorder.record(plain(`R${i}`));
    assert.equal(batches.length, 1);
    sent.resolve();
    await eventually(() => batches.length === 2, 'the second batch');
    recorder.stop();
    assert.equal(told().length, 51);
    assert.equal(missed(), 950);
  });

  it('says nothing any more once it is stopped', async () => {
    const { recorder, batches } = recording();
    recorder.begin();
    recorder.record(plain('A'));
    recorder.stop();
    recorder.record(plain('B'));
    recorder.begin();
    await eventually(() => batches.length > 0, 'a batch');
    recorder.stop();
    assert.equal(batches.length, 1);
    assert.deepEqual(
      batches[0]?.decisions.map(({ requestId }) => requestId),
      ['A', 'B'],
    );
  });
});

describe('the feed of decisions', () => {
  it('begins with each watcher, and stops with the last', () => {
    const calls: string[] = [];
    const feed = new DecisionFeed({ begin: () => calls.push('begin'), stop: () => calls.push('stop') });
    const seen: number[] = [];
    const first = feed.watch(() => seen.push(1));
    const second = feed.watch(() => seen.push(2));
    feed.publish({ decisions: [], missed: 0 });
    first();
    first();
    assert.deepEqual(calls, ['begin', 'begin']);
    feed.publish({ decisions: [], missed: 0 });
    second();
    assert.deepEqual(calls, ['begin', 'begin', 'stop']);
    assert.deepEqual(seen, [1, 2, 2]);
  });
});
