// What was done to the gateway and its backend, when, and which failures of requests that explains.
// Pure: the time is what it is told.

export type EventKind =
  | 'worker killed'
  | 'backend killed'
  | 'rule changed'
  | 'secret changed'
  | 'certificate changed'
  | 'SIGHUP'
  | 'faulty configuration'
  | 'faulty certificate';

/** From when it was done until everything was as it should be again, in milliseconds of one clock. */
export interface Disturbance {
  readonly kind: EventKind;
  readonly from: number;
  until: number;
}

/** What came of a request. */
export type Reply =
  | { readonly kind: 'answered'; readonly status: number; readonly code: string | undefined }
  /** No answer, or half of one. */
  | { readonly kind: 'broken'; readonly error: string };

/** A request that did not end as it would have if nothing had been done. */
export interface Failure {
  readonly request: string;
  readonly client: string;
  readonly from: number;
  readonly until: number;
  readonly reply: Reply;
}

/** The client whose secret is changed. */
export const ROTATING = 'rotating';

/** A connection that broke is noticed a moment after, and one that is kept may be used just then. */
const MOMENT_MS = 2_000;

const MISMATCH = 'SignatureDoesNotMatch';

/** A write that the backend took without encrypting it is never explained by a backend that was away. */
const NEVER = 'EncryptionNotConfirmed';

export class Journal {
  readonly events: Disturbance[] = [];

  /** Notes that something is being done; over when what it gives is called. */
  begin(kind: EventKind, now: number): (now: number) => void {
    const event: Disturbance = { kind, from: now, until: Number.POSITIVE_INFINITY };
    this.events.push(event);
    return (then) => {
      event.until = then;
    };
  }

  /** What explains a failure; undefined where nothing does. */
  explanation(failure: Failure): EventKind | undefined {
    const underWay = this.events.filter(
      ({ from, until }) => from <= failure.until && failure.from <= until + MOMENT_MS,
    );
    return underWay.find(({ kind }) => explains(kind, failure))?.kind;
  }
}

function explains(kind: EventKind, { client, reply }: Failure): boolean {
  switch (kind) {
    case 'worker killed':
      return reply.kind === 'broken';
    case 'backend killed':
      return reply.kind === 'broken' || (reply.status >= 500 && reply.code !== NEVER);
    case 'secret changed':
      // HEAD is answered without a code.
      return (
        client === ROTATING &&
        reply.kind === 'answered' &&
        reply.status === 403 &&
        (reply.code ?? MISMATCH) === MISMATCH
      );
    default:
      // Nobody may notice any of the others.
      return false;
  }
}
