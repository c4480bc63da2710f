import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger, type Logger, type LogLevel } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { createObserver } from '../../src/observe/observe.ts';
import { parseExposition } from './exposition.ts';
import { injectedWrite, refusal } from './observations.ts';

function loggerTo(lines: Record<string, unknown>[], level: LogLevel = 'info'): Logger {
  return createLogger({ level, destination: { write: (line) => lines.push(JSON.parse(line)) } });
}

const BROKEN_DESTINATION = {
  write: () => {
    throw new Error('no log');
  },
};

describe('observer', () => {
  it('counts a request once and writes one audit line', async () => {
    const metrics = createMetrics({ version: '1.2.3', nodeVersion: 'v26.0.0' });
    const lines: Record<string, unknown>[] = [];
    createObserver(metrics, loggerTo(lines))(injectedWrite());
    const samples = parseExposition((await metrics.exposition()).body);
    assert.equal(samples.find(({ name }) => name === 's3_kms_gateway_requests_total')?.value, 1);
    assert.deepEqual(
      lines.map((line) => line['requestId']),
      ['R0000000000000001'],
    );
  });

  it('writes the audit line of a refusal also where only errors are logged', () => {
    const lines: Record<string, unknown>[] = [];
    const metrics = createMetrics({ version: '1.2.3', nodeVersion: 'v26.0.0' });
    const logger = loggerTo(lines, 'error');
    createObserver(metrics, logger)(refusal());
    logger.info('something else');
    assert.deepEqual(
      lines.map(({ level, reason }) => [level, reason]),
      [['info', 'signature_mismatch']],
    );
  });

  it('still writes the audit line when counting fails, and says that it failed', () => {
    const lines: Record<string, unknown>[] = [];
    const record = () => {
      throw new Error('no metrics');
    };
    createObserver({ record }, loggerTo(lines))(injectedWrite());
    assert.deepEqual(
      lines.map(({ level, msg, requestId }) => [level, msg, requestId]),
      [
        ['error', 'This request is missing from the metrics', 'R0000000000000001'],
        ['info', 'request', 'R0000000000000001'],
      ],
    );
  });

  it('never throws, also when both metrics and log are broken', () => {
    let recorded = 0;
    const record = () => {
      recorded += 1;
      throw new Error('no metrics');
    };
    const observe = createObserver(
      { record },
      createLogger({ level: 'info', destination: BROKEN_DESTINATION }),
    );
    assert.doesNotThrow(() => observe(injectedWrite()));
    assert.equal(recorded, 1);
  });
});
