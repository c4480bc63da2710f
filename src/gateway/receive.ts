// From Node's request object to the core's. Knows sockets and listeners; judges nothing.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv6, type Socket } from 'node:net';
import type { ListenerConfiguration } from '../config/configuration.ts';
import { ReceivedHeaders } from '../core/http/headers.ts';
import type { Channel, ReceivedRequest } from '../core/request.ts';
import { certificateNames } from './peer-certificate.ts';

/** A listener as requests see it. */
export interface ListenerContext {
  readonly name: string;
  readonly encrypted: boolean;
  readonly declaredSecure: boolean;
  readonly authentication: Channel['authentication'];
  /** Clients are asked for certificates, and have shown one of the right authority. */
  readonly certificates: boolean;
  readonly signing: 'replace' | 'preserve';
  readonly trustedProxies: BlockList;
}

/** Compiles the trusted ranges of a listener once. */
export function listenerContext(listener: ListenerConfiguration): ListenerContext {
  const trustedProxies = new BlockList();
  for (const range of listener.trustedProxies) {
    const [network = '', prefix = ''] = range.split('/');
    trustedProxies.addSubnet(network, Number(prefix), isIPv6(network) ? 'ipv6' : 'ipv4');
  }
  return {
    name: listener.name,
    encrypted: listener.tls !== undefined,
    declaredSecure: listener.tls === undefined && listener.secure,
    authentication: listener.authentication,
    certificates: listener.tls?.clientCa !== undefined,
    signing: listener.signing,
    trustedProxies,
  };
}

/** Reads a request as it stood on the wire. */
export function receive(message: IncomingMessage, listener: ListenerContext): ReceivedRequest {
  return {
    method: message.method ?? '',
    target: message.url ?? '',
    headers: ReceivedHeaders.fromRaw(message.rawHeaders),
    channel: channelOf(listener, message.socket.remoteAddress, peerNames(listener, message.socket)),
  };
}

function peerNames({ certificates }: ListenerContext, socket: Socket): Channel['certificateNames'] {
  return certificates ? certificateNames(socket) : undefined;
}

/** The connection of a peer with this address, and with these names in its certificate where it has shown one. */
export function channelOf(
  listener: ListenerContext,
  peerAddress: string | undefined,
  certificateNames?: Channel['certificateNames'],
): Channel {
  const { encrypted, declaredSecure, authentication, signing, trustedProxies } = listener;
  const peerTrusted = isTrusted(trustedProxies, peerAddress);
  return { encrypted, declaredSecure, peerTrusted, authentication, signing, certificateNames };
}

function isTrusted(trusted: BlockList, address: string | undefined): boolean {
  if (address === undefined || trusted.rules.length === 0) return false;
  return trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** 16 upper-case hex digits, as S3's own: the random ones of a UUID, for which Node has random bytes in store. */
export function newRequestId(): string {
  const uuid = randomUUID();
  return (uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(-4)).toUpperCase();
}
