// Who may see the page. There is no login: whoever is on this machine may, and whoever the configuration lets in by naming
// the host that they call it by. Knows addresses and headers of the request only.
import type { IncomingMessage } from 'node:http';

/**
 * The names that this machine has for itself. A page of somebody else's whose own name is led to this machine
 * (DNS rebinding) comes with that name in `Host`, and a browser does not let it write another.
 */
const OWN_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

/** Why a request may not see the page; nothing where it may. */
export function refusalOf(request: IncomingMessage, pageHosts: readonly string[]): string | undefined {
  const { host = '', 'sec-fetch-site': site = 'none' } = request.headers;
  if (!mayLook(hostNameOf(host), request.socket.remoteAddress ?? '', pageHosts)) {
    return 'The page is shown on this machine, as localhost, and under the hosts of admin.pageHosts.';
  }
  // A link may lead to the page, but no other page may use what is behind it.
  const isVisit = request.headers['sec-fetch-mode'] === 'navigate' && request.method === 'GET';
  if (site !== 'same-origin' && site !== 'none' && !isVisit) return 'This is for the page itself.';
  const { origin } = request.headers;
  if (origin !== undefined && !isSameOrigin(origin, host)) return 'This is for the page itself.';
  return undefined;
}

function mayLook(name: string, peer: string, pageHosts: readonly string[]): boolean {
  if (pageHosts.includes(name.replace(/^\[|\]$/g, ''))) return true;
  return LOOPBACK.test(peer) && OWN_NAME.test(name);
}

/** The name alone, in lower case. */
function hostNameOf(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}

/** A page served over TLS by a proxy in front of this listener has the same host and another scheme. */
function isSameOrigin(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}
