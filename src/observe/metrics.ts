// The Prometheus metrics: the one place where an Observation turns into counts.
// Knows metric names and closed label sets; must not know sockets, configuration files or log lines.

import { type Aggregator, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { OPERATIONS } from '../core/s3/operation-table.ts';
import type { Snapshot } from './aggregate.ts';
import type { Injection, Observation } from './observation.ts';

/** How the reading of a changed configuration ended (label of `config_reloads_total`). */
export type ReloadResult = 'success' | 'failure';

/** A scrape's answer. */
export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

export interface MetricsOptions {
  /** Version of the gateway and of its runtime, for `build_info`. */
  readonly version: string;
  readonly nodeVersion: string;
}

export interface Metrics {
  /** Counts one finished request. */
  record(observation: Observation): void;
  requestStarted(): void;
  requestFinished(): void;
  /** States when a listener's certificate expires; `undefined` withdraws it, as when the listener is gone. */
  certificateExpiry(listener: string, expires: Date | undefined): void;
  /** A key that will be asked about: its series begins. */
  kmsKeyWatched(backend: string, keyId: string): void;
  /** A key that nobody asks about any more: its series end. */
  kmsKeyForgotten(backend: string, keyId: string): void;
  /** What KMS has said of a key, now. */
  kmsKeyChecked(backend: string, keyId: string, usable: boolean): void;
  configurationReloaded(result: ReloadResult): void;
  /** Counts log lines that could not be written. */
  logLinesLost(count: number): void;
  connectionOpened(listener: string): void;
  connectionClosed(listener: string): void;
  /** There is no listener of this name any more, and no connection. */
  listenerGone(listener: string): void;
  /** Counts a connection that was closed at once because its listener had as many as it may. */
  connectionRefused(listener: string): void;
  /** States the limits of this process, and that it serves clients. */
  serving(limits: Readonly<Record<string, number | undefined>>): void;
  /** Where the bytes that requests hold in memory are asked for. */
  measureBufferedBytes(read: () => number): void;
  /** Counts a worker that ended without being told to. */
  workerLost(): void;
  exposition(): Promise<Exposition>;
  /** Every sample, to be put together with those of other processes. */
  snapshot(): Promise<Snapshot>;
}

const PREFIX = 's3_kms_gateway_';

/** From an answer out of memory on the same machine to the last part of a 5 GiB copy. */
const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const INJECTIONS: readonly Injection[] = ['algorithm', 'key_id', 'context', 'bucket_key'];

type Families = ReturnType<typeof createFamilies>;
type Family = (observation: Observation, families: Families) => void;

/** Makes a registry of its own, so that two gateways in one process, as in tests, do not share counts. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const families = createFamilies(registry);
  collectDefaultMetrics({ register: registry });
  for (const [name, aggregator] of Object.entries(DEFAULT_AGGREGATORS)) {
    Object.assign(registry.getSingleMetric(name) ?? {}, { aggregator });
  }
  startAtZero(families);
  let bufferedBytes = () => 0;
  const measure = () => families.bufferedBytes.set(bufferedBytes());
  families.buildInfo.set({ version: options.version, node_version: options.nodeVersion }, 1);
  return {
    record: (observation) => {
      for (const family of REQUEST_FAMILIES) family(observation, families);
    },
    requestStarted: () => families.requestsInFlight.inc(),
    requestFinished: () => families.requestsInFlight.dec(),
    certificateExpiry: (listener, expires) => {
      if (expires === undefined) families.certificateExpiry.remove({ listener });
      else families.certificateExpiry.set({ listener }, expires.getTime() / 1000);
    },
    kmsKeyWatched: (backend, keyId) => families.kmsKeyCheck.set({ backend, key_id: keyId }, 0),
    kmsKeyForgotten: (backend, keyId) => {
      families.kmsKeyUsable.remove({ backend, key_id: keyId });
      families.kmsKeyCheck.remove({ backend, key_id: keyId });
    },
    kmsKeyChecked: (backend, keyId, usable) => {
      families.kmsKeyUsable.set({ backend, key_id: keyId }, usable ? 1 : 0);
      families.kmsKeyCheck.setToCurrentTime({ backend, key_id: keyId });
    },
    configurationReloaded: (result) => {
      families.configReloads.inc({ result });
      families.configLastReloadSuccessful.set(result === 'success' ? 1 : 0);
    },
    logLinesLost: (count) => families.logLinesLost.inc(count),
    connectionOpened: (listener) => families.connections.inc({ listener }),
    connectionClosed: (listener) => families.connections.dec({ listener }),
    listenerGone: (listener) => families.connections.remove({ listener }),
    connectionRefused: (listener) => families.connectionsRefused.inc({ listener }),
    serving: (limits) => {
      families.workers.set(1);
      for (const [name, value] of Object.entries(limits)) {
        if (value === undefined) families.limits.remove({ limit: name });
        else families.limits.set({ limit: name }, value);
      }
    },
    measureBufferedBytes: (read) => {
      bufferedBytes = read;
    },
    workerLost: () => families.workersLost.inc(),
    exposition: async () => {
      measure();
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
    snapshot: async () => {
      measure();
      return registry.getMetricsAsJSON();
    },
  };
}

/** How the library's own metrics of several processes become one, where its choice does not tell the worst of them. */
const DEFAULT_AGGREGATORS: Readonly<Record<string, Aggregator>> = {
  process_start_time_seconds: 'min',
  nodejs_eventloop_lag_seconds: 'max',
  nodejs_eventloop_lag_mean_seconds: 'max',
  nodejs_eventloop_lag_stddev_seconds: 'max',
  nodejs_eventloop_lag_p50_seconds: 'max',
  nodejs_eventloop_lag_p90_seconds: 'max',
  nodejs_eventloop_lag_p99_seconds: 'max',
};

/** Every metric of the gateway: its name, its meaning and its labels. */
function createFamilies(registry: Registry) {
  const named = <Label extends string>(name: string, help: string, labelNames: Label[]) => {
    return { name: PREFIX + name, help, labelNames, registers: [registry] };
  };
  const counter = <Label extends string>(name: string, help: string, labels: Label[]) =>
    new Counter(named(name, help, labels));
  /** `aggregator`: how the values of several processes become one. */
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labels: Label[],
    aggregator: Aggregator = 'sum',
  ) => new Gauge({ ...named(name, help, labels), aggregator });
  const seconds = <Label extends string>(name: string, help: string, labels: Label[]) =>
    new Histogram({ ...named(name, help, labels), buckets: SECONDS_BUCKETS });
  return {
    requests: counter(
      'requests_total',
      'Requests that are over, by S3 operation, outcome and the HTTP status sent to the client (0: the client left before one).',
      ['operation', 'outcome', 'status'],
    ),
    refusals: counter('refusals_total', 'Requests that the gateway refused, by reason.', [
      'operation',
      'reason',
    ]),
    observedRefusals: counter(
      'observed_refusals_total',
      'Requests that a rule in mode observe let through and that enforcement would have refused, by reason.',
      ['operation', 'reason'],
    ),
    injections: counter('injections_total', 'Encryption settings that the gateway added to writes.', [
      'what',
    ]),
    observedInjections: counter(
      'observed_injections_total',
      'Encryption settings that a rule in mode observe would have added to writes.',
      ['what'],
    ),
    signatureVerifications: counter(
      'signature_verifications_total',
      'Verifications of client signatures, by the form of the signature and result (verified, or the reason it failed).',
      ['scheme', 'result'],
    ),
    requestDuration: seconds(
      'request_duration_seconds',
      'Seconds from the head of the request to the end of the response.',
      ['operation', 'outcome'],
    ),
    backendFirstByte: seconds(
      'backend_first_byte_seconds',
      'Seconds from sending a request to a backend to the first byte of its response.',
      ['backend', 'operation'],
    ),
    bodyBytes: counter('body_bytes_total', 'Bytes of bodies: received from clients and sent to clients.', [
      'direction',
    ]),
    requestsInFlight: gauge('requests_in_flight', 'Requests that have begun and are not over.', []),
    connections: gauge('connections', 'Connections of clients that are open.', ['listener']),
    connectionsRefused: counter(
      'connections_refused_total',
      'Connections closed at once because their listener had as many as it may.',
      ['listener'],
    ),
    bufferedBytes: gauge('buffered_bytes', 'Bytes of signed chunks that are held until they are proven.', []),
    limits: gauge('limits', 'Limits in force: of all processes together, connections for each listener.', [
      'limit',
    ]),
    workers: gauge('workers', 'Processes that serve clients.', []),
    workersLost: counter('workers_lost_total', 'Worker processes that ended without being told to.', []),
    unconfirmedEncryption: counter(
      'unconfirmed_encryption_total',
      'Writes that a backend accepted without confirming the encryption asked of it.',
      ['backend', 'operation'],
    ),
    configReloads: counter('config_reloads_total', 'Times a changed configuration was read, by result.', [
      'result',
    ]),
    configLastReloadSuccessful: gauge(
      'config_last_reload_successful',
      'Whether the newest configuration is in force (1) or was faulty and an older one still is (0).',
      [],
      'min',
    ),
    certificateExpiry: gauge(
      'certificate_expiry_timestamp_seconds',
      'When the certificate of a listener expires, in seconds since 1970-01-01 UTC.',
      ['listener'],
      'min',
    ),
    kmsKeyUsable: gauge(
      'kms_key_usable',
      'Whether KMS last said that a key of the configuration can be used by S3 (1) or cannot (0).',
      ['backend', 'key_id'],
    ),
    kmsKeyCheck: gauge(
      'kms_key_check_timestamp_seconds',
      'When KMS last said something of a key of the configuration, in seconds since 1970-01-01 UTC; 0 for never.',
      ['backend', 'key_id'],
    ),
    logLinesLost: counter(
      'log_lines_lost_total',
      'Log lines that could not be written because the destination failed or was too slow.',
      [],
    ),
    buildInfo: gauge(
      'build_info',
      'Always 1; the versions of the gateway and of Node.js are its labels.',
      ['version', 'node_version'],
      'first',
    ),
  };
}

/** Series that exist from the start: a counter that appears at 1 shows no increase, and an alert on it stays silent. */
function startAtZero(families: Families): void {
  for (const what of INJECTIONS) {
    families.injections.inc({ what }, 0);
    families.observedInjections.inc({ what }, 0);
  }
  for (const direction of ['received', 'sent']) families.bodyBytes.inc({ direction }, 0);
  for (const result of ['success', 'failure']) families.configReloads.inc({ result }, 0);
  families.configLastReloadSuccessful.set(1);
}

const OPERATION_NAMES: ReadonlySet<string> = new Set(OPERATIONS.map(({ name }) => name));

/** Keeps the label set closed, whatever a client asks for. Reasons are closed by the catalogue of refusals. */
function operationLabel(name: string): string {
  return OPERATION_NAMES.has(name) ? name : 'Unknown';
}

// Labels are passed as objects. Children of `labels()` are not kept: in prom-client 15 they hash their labels
// again at every call, so that keeping them costs half as much again as doing without.
const REQUEST_FAMILIES: readonly Family[] = [
  countRequest,
  countRefusal,
  countObservedRefusal,
  countInjections,
  countVerification,
  countUnconfirmedEncryption,
  countBodyBytes,
  observeDuration,
  observeBackendFirstByte,
];

function countRequest({ operation, outcome, status }: Observation, families: Families): void {
  families.requests.inc({ operation: operationLabel(operation), outcome, status });
}

/** A client may leave while it is being refused: the reason counts, not only the outcome. */
function countRefusal({ operation, outcome, reason }: Observation, families: Families): void {
  if (outcome !== 'refused' && reason === undefined) return;
  families.refusals.inc({ operation: operationLabel(operation), reason: reason ?? 'unknown' });
}

function countObservedRefusal(observation: Observation, families: Families): void {
  const { operation, observedReason } = observation;
  if (observedReason === undefined) return;
  families.observedRefusals.inc({
    operation: operationLabel(operation),
    reason: observedReason,
  });
}

function countInjections({ injected, observedInjected }: Observation, families: Families): void {
  for (const what of injected) families.injections.inc({ what });
  for (const what of observedInjected) families.observedInjections.inc({ what });
}

function countVerification({ scheme, verification }: Observation, families: Families): void {
  if (scheme === undefined || verification === undefined) return;
  families.signatureVerifications.inc({ scheme, result: verification });
}

/** Adds 0 for a confirmed write, so that the series stands before the first fault. */
function countUnconfirmedEncryption(observation: Observation, families: Families): void {
  const { backend = 'none', operation, requestedEncryption, unconfirmed } = observation;
  if (requestedEncryption === undefined && !unconfirmed) return;
  families.unconfirmedEncryption.inc({ backend, operation: operationLabel(operation) }, unconfirmed ? 1 : 0);
}

function countBodyBytes({ bytesReceived, bytesSent }: Observation, families: Families): void {
  if (bytesReceived > 0) families.bodyBytes.inc({ direction: 'received' }, bytesReceived);
  if (bytesSent > 0) families.bodyBytes.inc({ direction: 'sent' }, bytesSent);
}

function observeDuration(observation: Observation, families: Families): void {
  const { operation, outcome, durationSeconds } = observation;
  families.requestDuration.observe({ operation: operationLabel(operation), outcome }, durationSeconds);
}

function observeBackendFirstByte(observation: Observation, families: Families): void {
  const { backend, operation, backendFirstByteSeconds } = observation;
  if (backend === undefined || backendFirstByteSeconds === undefined) return;
  families.backendFirstByte.observe(
    { backend, operation: operationLabel(operation) },
    backendFirstByteSeconds,
  );
}
