// Every fault, by whose it is: what docs/robustness.md lists, and what faults.test.ts provokes.
import type { Fault } from './fault.ts';
import { ofBackends } from './of-backends.ts';
import { ofClients } from './of-clients.ts';
import { ofConnections } from './of-connections.ts';

/** Tables by their title. */
export const FAULTS: Readonly<Record<string, readonly Fault[]>> = {
  'Faults of a backend': ofBackends,
  'Faults on the way to a backend': ofConnections,
  'Faults of a client': ofClients,
};
