// Keys of the session tickets of TLS, by which each worker can resume a session that another has begun. Node.js hands the
// keys of the first worker on to the others by itself, but renews them never.
import { randomBytes } from 'node:crypto';
import type { ListenerConfiguration } from '../config/configuration.ts';
import type { TicketKeys } from './messages.ts';

/** How long keys serve. A session that is older begins anew; a key that leaks opens no more than this. */
export const TICKET_KEYS_MS: number = 24 * 3_600_000;
/** A name, an HMAC key and an AES key: https://nodejs.org/api/tls.html#serversetticketkeyskeys */
const TICKET_KEYS_LENGTH = 48;

/**
 * Each listener has its own. With shared ones OpenSSL would resume, where a client certificate is asked for, a session that
 * was begun where none is; only that Node.js then looks for the certificate would stand in the way.
 */
export function makeTicketKeys(
  listeners: readonly Pick<ListenerConfiguration, 'name' | 'tls'>[],
): TicketKeys {
  const encrypted = listeners.filter(({ tls }) => tls !== undefined);
  return new Map(encrypted.map(({ name }) => [name, randomBytes(TICKET_KEYS_LENGTH)]));
}
