// What becomes of requests when their backend is killed: rows of docs/robustness.md, and the titles of their tests.

/** A row that needs a real backend. */
export interface Kill {
  readonly id: string;
  readonly fault: string;
  readonly sees: string;
  readonly holds: string;
}

export const KILLS: Readonly<Record<'upload' | 'down' | 'back' | 'download', Kill>> = {
  upload: {
    id: 'S01',
    fault: 'the backend is killed in the middle of an upload',
    sees: '502 BadGateway, closed',
    holds: 'nothing of it when it is back',
  },
  down: {
    id: 'S02',
    fault: 'a request while the backend is down',
    sees: '503 ServiceUnavailable, goes on',
    holds: 'nothing',
  },
  back: {
    id: 'S03',
    fault: 'the backend is back: the gateway goes on with it, without a restart',
    sees: '200, goes on',
    holds: 'the object, whole and encrypted',
  },
  download: {
    id: 'S04',
    fault: 'the backend is killed in the middle of a download',
    sees: '200 cut off, closed',
    holds: 'what it held',
  },
};
