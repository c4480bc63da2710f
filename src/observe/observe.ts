// What happens when a request is over: it is counted, gets its audit line, and is told to those who watch.
// One call for each request. Knows metrics and log; must not know sockets, and must not fail a request.
import type { DecisionRecorder } from './decisions.ts';
import { auditLine, auditLogger, describeFault, type Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Observation } from './observation.ts';

export type Observer = (observation: Observation) => void;

/** The observer never throws: a fault in counting does not cost the audit line, and neither costs the client its response. */
export function createObserver(
  metrics: Pick<Metrics, 'record'>,
  logger: Logger,
  decisions?: Pick<DecisionRecorder, 'record'>,
): Observer {
  const audit = auditLogger(logger);
  return (observation) => {
    try {
      metrics.record(observation);
    } catch (error) {
      report(logger, error, observation.requestId, 'This request is missing from the metrics');
    }
    try {
      auditLine(audit, observation);
    } catch (error) {
      report(logger, error, observation.requestId, 'This request has no audit line');
    }
    try {
      decisions?.record(observation);
    } catch (error) {
      report(logger, error, observation.requestId, 'This request is not told to those who watch');
    }
  };
}

function report(logger: Logger, error: unknown, requestId: string, message: string): void {
  try {
    logger.error({ fault: describeFault(error), requestId }, message);
  } catch {
    // The log itself is broken: there is nobody left to tell.
  }
}
