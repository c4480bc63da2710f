// What a configuration file comes down to for the rest of the program: every default filled in, every file read.
// Types only; must not know the form of the file.
import type { Backend, Client, Policy } from '../core/policy/policy.ts';
import type { Position } from './document.ts';

/** A whole configuration, ready to run. */
export interface Configuration {
  readonly policy: Policy;
  readonly listeners: readonly ListenerConfiguration[];
  /** Those of the policy, in the order of the file. */
  readonly clients: readonly Client[];
  readonly admin: AdminConfiguration;
  /** The backends of the policy, in the same order, with what it takes to reach them. */
  readonly backends: readonly BackendConfiguration[];
  readonly timeouts: Timeouts;
  readonly drain: Drain;
  readonly limits: ProcessLimits;
  /** `auto`: one for each core. */
  readonly workers: number | 'auto';
  readonly log: { readonly level: LogLevel };
  /** Where each item of a list stands in the file, in the order of the list. */
  readonly positions: Readonly<Record<ListSection, readonly Position[]>>;
  /** The configuration file, as it was named. */
  readonly file: string;
  /** Absolute paths of all files that were read, the configuration file first: a change of any asks for a reload. */
  readonly files: readonly string[];
}

/** A list of the file whose items are told by their place. */
export type ListSection = 'listeners' | 'backends' | 'clients' | 'encryption';

/** Where to listen. The host carries no brackets, also for IPv6. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The admin listener. */
export interface AdminConfiguration extends Address {
  /** Hosts under which other machines may see its page, in lower case and without port. */
  readonly pageHosts: readonly string[];
}

/** One address at which clients are served. */
export interface ListenerConfiguration extends Address {
  readonly name: string;
  readonly tls: TlsMaterial | undefined;
  /** Whether a connection is a secure transport: by TLS, or on a loopback address declared so. */
  readonly secure: boolean;
  /** CIDR ranges, each with its prefix length. */
  readonly trustedProxies: readonly string[];
  /** `certificate`: clients need not sign, and are told by their certificates. */
  readonly authentication: 'signature' | 'certificate' | 'none';
  /** `preserve`: requests go on as they came, under the client's own signature. */
  readonly signing: 'replace' | 'preserve';
}

/** Certificates and keys of a listener, as PEM text. */
export interface TlsMaterial {
  readonly certificate: string;
  readonly key: string;
  /** Present when clients are asked for certificates. */
  readonly clientCa: string | undefined;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** When the certificate expires, in milliseconds since 1970. */
  readonly notAfter: number;
}

/** One S3 server, and what it takes to reach and to sign for it. */
export interface BackendConfiguration extends Backend {
  /** PEM text of the authorities to trust in place of the usual ones. */
  readonly ca: string | undefined;
  readonly credentials: CredentialsSpec;
  /** Present where its KMS is asked about the keys of the rules. */
  readonly kms: KmsConfiguration | undefined;
}

/** The KMS of a backend. */
export interface KmsConfiguration {
  /** Absent: AWS's own for the region. */
  readonly endpoint: string | undefined;
  /** PEM text of the authorities to trust in place of the usual ones. */
  readonly ca: string | undefined;
  /** Between two checks of its keys, in milliseconds. */
  readonly interval: number;
}

/** Where the credentials for a backend come from. */
export type CredentialsSpec =
  | { readonly provider: 'default' }
  | { readonly provider: 'none' }
  | {
      readonly provider: 'static';
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken: string | undefined;
    }
  | {
      readonly provider: 'assume-role';
      readonly roleArn: string;
      readonly sessionName: string;
      readonly externalId: string | undefined;
      /** Absent: AWS's own for the region. */
      readonly stsEndpoint: string | undefined;
    };

/** Bounds on waiting, in milliseconds. */
export interface Timeouts {
  readonly tlsHandshake: number;
  readonly requestHeader: number;
  readonly bodyIdle: number;
  readonly backendConnect: number;
  readonly backendFirstByte: number;
  readonly backendIdle: number;
}

/** How the gateway ends, in milliseconds. */
export interface Drain {
  /** From SIGTERM until no more connections are taken. */
  readonly delay: number;
  /** After that, for what is in flight to end. */
  readonly deadline: number;
}

/** Bounds on what one process holds at a time. */
export interface ProcessLimits {
  /** Connections of clients, for each listener. */
  readonly connections: number;
  readonly requestsInFlight: number;
  readonly requestsInFlightPerClient?: number | undefined;
  /** Signed chunks that wait for their proof, and then for the backend. */
  readonly bufferedBytes: number;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
