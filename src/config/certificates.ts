// Client certificates: what listeners and clients must agree on for one to say who somebody is.
// Knows the configuration only; reads no certificate.
import type { ListenerConfiguration } from './configuration.ts';
import type { Entry } from './entries.ts';
import type { Report } from './fault.ts';
import type { ClientSection, ListenerSection } from './schema.ts';

/** Whether a client is known by a certificate, alone or beside its access key. */
export function statesCertificate({ value }: Entry<ClientSection>): boolean {
  return value.certificate !== undefined;
}

/**
 * How a listener tells its clients. Where nobody need sign, but certificates are asked for and some client states one, they
 * are what tells clients there too: nobody who states a certificate means to be anybody.
 */
export function authenticationOf(
  { authentication, tls }: ListenerSection,
  certificatesStated: boolean,
): ListenerConfiguration['authentication'] {
  const told = authentication === 'none' && tls?.clientCaFile !== undefined && certificatesStated;
  return told ? 'certificate' : authentication;
}

/** Reports clients that no listener can know, and listeners that can know no client. */
export function checkCertificates(
  listeners: readonly Entry<ListenerSection>[],
  clients: readonly Entry<ClientSection>[],
  report: Report,
): void {
  const stated = clients.some(statesCertificate);
  for (const { path, value } of listeners) {
    if (value.authentication !== 'certificate') continue;
    if (value.tls?.clientCaFile === undefined) {
      const message = 'is certificate, but the listener asks for none';
      report.fault([...path, 'authentication'], message, 'Give it tls with clientCaFile.');
    } else if (!stated) {
      const message = 'is certificate, but no client states one: every request is refused here';
      report.warning([...path, 'authentication'], message, 'Give a client its certificate.');
    }
  }
  const asking = listeners.some(({ value }) => value.tls?.clientCaFile !== undefined);
  const telling = listeners.some(({ value }) => authenticationOf(value, stated) === 'certificate');
  for (const { path, value } of clients.filter(statesCertificate)) {
    if (!asking) {
      const remedy = 'Give a listener tls.clientCaFile, or take it out.';
      report.fault([...path, 'certificate'], 'is a certificate that no listener asks for', remedy);
    } else if (!telling && value.accessKeyId === undefined) {
      const message = 'is all that this client has, but every listener asks for a signature';
      report.fault(
        [...path, 'certificate'],
        message,
        'Set authentication: certificate on a listener, or add accessKeyId.',
      );
    }
  }
}
