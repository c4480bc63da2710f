// The form of the configuration file: every key, its type, its default and what it is for. Unknown keys are faults.
// Knows one value at a time; what two places must agree on is checked where they are built (listeners, backends…).
import { isIP } from 'node:net';
import { z } from 'zod';
import type { Access, CertificateName, Egress, EncryptionRule, Limits } from '../core/policy/policy.ts';
import { MAX_SIGNED_CHUNK } from '../core/s3/aws-chunked.ts';
import { HOST_FORMS } from '../core/s3/aws-host.ts';
import { OPERATIONS } from '../core/s3/operation-table.ts';
import type { Address, Drain, LogLevel, ProcessLimits, Timeouts } from './configuration.ts';
import { problem } from './issue.ts';

/** The file as written, defaults filled in. */
export interface FileSection {
  readonly listeners: readonly ListenerSection[];
  readonly domains: readonly string[];
  readonly egress?: EgressSection | undefined;
  readonly admin: AdminSection;
  readonly backends: readonly BackendSection[];
  readonly clients: readonly ClientSection[];
  readonly encryption: readonly EncryptionSection[];
  readonly signatureV2: 'refuse-kms' | 'refuse';
  readonly limits: LimitsSection;
  readonly timeouts: Timeouts;
  readonly drain: Drain;
  readonly workers: number | 'auto';
  readonly log: { readonly level: LogLevel };
}

/** What a request may bring, and what a process may hold. */
export type LimitsSection = Limits & ProcessLimits;

export interface ListenerSection {
  readonly name?: string | undefined;
  readonly address: Address;
  readonly tls?: TlsSection | undefined;
  readonly secure: boolean;
  readonly trustedProxies: readonly string[];
  readonly authentication: 'signature' | 'certificate' | 'none';
  readonly signing: 'replace' | 'preserve';
}

export type EgressSection = Pick<Egress, 'hosts'> & {
  readonly globalRegion?: Egress['globalRegion'] | undefined;
};

export interface TlsSection {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly clientCaFile?: string | undefined;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

export interface AdminSection {
  readonly address: Address;
  readonly pageHosts: readonly string[];
}

export interface BackendSection {
  readonly name: string;
  readonly endpoint: EndpointSection;
  readonly region: string;
  readonly partition: string;
  readonly addressing: 'path' | 'virtual-hosted';
  readonly buckets: readonly string[];
  readonly caFile?: string | undefined;
  readonly credentials: CredentialsSection;
  readonly trailers: boolean;
  readonly keyAliases: Readonly<Record<string, string>>;
  readonly rareOperations?: readonly string[] | undefined;
  readonly kms?: KmsSection | undefined;
}

export interface KmsSection {
  readonly endpoint?: string | undefined;
  readonly caFile?: string | undefined;
  readonly interval: number;
}

export interface EndpointSection {
  readonly protocol: 'http' | 'https';
  readonly hostname: string;
  readonly port: number;
}

export type CredentialsSection =
  | { readonly provider: 'default' }
  | { readonly provider: 'none' }
  | ({ readonly provider: 'static'; readonly accessKeyId: string } & SecretsSection)
  | {
      readonly provider: 'assume-role';
      readonly roleArn: string;
      readonly sessionName: string;
      readonly externalId?: string | undefined;
      readonly stsEndpoint?: string | undefined;
    };

/** Each secret stands in the file or is read from one of its own. */
export interface SecretsSection {
  readonly secretAccessKey?: string | undefined;
  readonly secretAccessKeyFile?: string | undefined;
  readonly sessionToken?: string | undefined;
  readonly sessionTokenFile?: string | undefined;
}

export interface ClientSection extends SecretsSection {
  readonly name: string;
  readonly accessKeyId?: string | undefined;
  readonly certificate?: CertificateSection | undefined;
  readonly buckets: readonly string[];
  readonly access: Access;
}

/** One of the three: the name that a certificate must have. */
export type CertificateSection = Partial<Readonly<Record<CertificateName['kind'], string | undefined>>>;

export type EncryptionSection = Omit<EncryptionRule, 'keyId'> & { readonly keyId?: string | undefined };

function name(description: string): z.ZodString {
  return z
    .string()
    .refine(
      (value) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value),
      problem(
        'is not a usable name',
        'Use up to 63 letters, digits, dots, hyphens and underscores, a letter or digit first.',
      ),
    )
    .describe(description);
}

const filePath = (description: string): z.ZodString =>
  z.string().min(1).describe(`${description}; relative paths start from the configuration file`);

const bucketPattern: z.ZodString = z
  .string()
  .refine(
    (value) => /^[A-Za-z0-9._*-]{1,63}$/.test(value),
    problem(
      'is not a bucket name or a pattern of one',
      'Use letters, digits, dots and hyphens, and * for any run of characters.',
    ),
  )
  .describe('Bucket name, in which * stands for any run of characters');

const address = (description: string): z.ZodType<Address, string> =>
  z
    .string()
    .describe(description)
    .transform((text, context) => {
      const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
      const [, ipv6, plain, digits] = match ?? [];
      const host = ipv6 ?? plain;
      const port = Number(digits);
      if (host === undefined || port > 65535 || (ipv6 !== undefined && isIP(ipv6) !== 6)) {
        const remedy = 'Write host:port, like 0.0.0.0:8443, or [::1]:8443 for IPv6.';
        context.addIssue({ code: 'custom', message: problem('is not an address to listen on', remedy) });
        return z.NEVER;
      }
      return { host, port };
    });

const cidr: z.ZodType<string, string> = z
  .string()
  .describe('Range of IP addresses like 10.0.0.0/8, or a single address')
  .transform((text, context) => {
    const [ip = '', length, ...rest] = text.split('/');
    const bits = { 0: -1, 4: 32, 6: 128 }[isIP(ip)] ?? -1;
    const valid = rest.length === 0 && (length === undefined || /^\d{1,3}$/.test(length));
    if (!valid || Number(length ?? 0) > bits) {
      const remedy = 'Write a range like 10.0.0.0/8 or fd00::/8, or a single address.';
      context.addIssue({ code: 'custom', message: problem('is not a range of IP addresses', remedy) });
      return z.NEVER;
    }
    return `${ip}/${length ?? bits}`;
  });

/** Letters, digits and hyphens, as host names have them. */
function isHostName(value: string): boolean {
  return isIP(value) === 0 && /^(?!.{254})(?:(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.|$))+(?<!\.)$/.test(value);
}

const domain: z.ZodType<string, string> = z
  .string()
  .refine(
    isHostName,
    problem('is not a host name', 'Write the name alone, like s3.gateway.example: no port, scheme or *.'),
  )
  .describe('Host name under which BUCKET.name is virtual-hosted style')
  .transform((value) => value.toLowerCase());

const egress: z.ZodType<EgressSection> = z
  .strictObject({
    hosts: z
      .array(z.enum(HOST_FORMS).describe('Form of host names: standard, dualstack, fips or global'))
      .min(1)
      .describe('Forms of the host names that are answered'),
    globalRegion: z
      .enum(['signed', 'us-east-1'])
      .describe(
        'Region of the hosts that name none (global): signed, the default, is the one that the client signs for',
      )
      .optional(),
  })
  .describe(
    "AWS's own host names, where they lead to the gateway: for clients that believe they talk to AWS",
  );

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const DAY = 86_400_000;

/** `least`: in milliseconds. */
const duration = (preset: string, description: string, least = 1): z.ZodType<number, string | undefined> =>
  z
    .string()
    .describe(`${description}; a number with ms, s, m or h`)
    .transform((text, context) => {
      const [, digits, unit = ''] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? [];
      const milliseconds = Number(digits) * (UNITS[unit] ?? Number.NaN);
      if (!(milliseconds >= least && milliseconds <= DAY)) {
        const range = least > 0 ? 'more than nothing, up to 24h' : 'up to 24h';
        const remedy = `Write a number with ms, s, m or h, like 500ms or 30s: ${range}.`;
        context.addIssue({ code: 'custom', message: problem('is not a duration', remedy) });
        return z.NEVER;
      }
      return milliseconds;
    })
    .prefault(preset);

const serverUrl = (server: string, description: string): z.ZodType<URL, string> =>
  z
    .string()
    .describe(description)
    .transform((text, context) => {
      const url = URL.parse(text);
      const bare =
        url !== null && `${url.pathname}${url.search}${url.hash}${url.username}${url.password}` === '/';
      if (bare && /^https?:$/.test(url.protocol)) return url;
      const remedy = 'Write http:// or https://, a host and perhaps a port: no path, query or credentials.';
      context.addIssue({ code: 'custom', message: problem(`is not the URL of ${server}`, remedy) });
      return z.NEVER;
    });

const endpoint: z.ZodType<EndpointSection, string> = serverUrl(
  'an S3 server',
  'URL of the S3 server, like https://s3.eu-central-1.amazonaws.com',
).transform((url) => {
  const protocol = url.protocol === 'https:' ? 'https' : 'http';
  return { protocol, hostname: url.hostname, port: Number(url.port) || (protocol === 'https' ? 443 : 80) };
});

const origin = (server: string, description: string): z.ZodType<string, string> =>
  serverUrl(server, description).transform((url) => url.origin);

const accessKeyId: z.ZodString = z
  .string()
  .refine(
    (value) => /^[A-Za-z0-9._-]{3,128}$/.test(value),
    problem('is not an access key ID', 'Use 3 to 128 letters, digits, dots, hyphens and underscores.'),
  )
  .describe('Access key ID');

const secrets = {
  secretAccessKey: z
    .string()
    .min(1)
    .describe(`Secret access key, like \${NAME} from the environment`)
    .optional(),
  secretAccessKeyFile: filePath('File that holds the secret access key').optional(),
  sessionToken: z
    .string()
    .min(1)
    .describe('Session token, where the access key is a temporary one')
    .optional(),
  sessionTokenFile: filePath('File that holds the session token').optional(),
};

const contextKey: z.ZodString = z
  .string()
  .refine(
    (value) => value !== '' && value.isWellFormed(),
    problem('an encryption context key is empty or not valid Unicode', 'Name the key.'),
  )
  .refine(
    (value) => !value.startsWith('aws:'),
    problem('the prefix aws: is reserved', 'Choose another key: aws:s3:arn is added to each context anyway.'),
  )
  .describe('Key of an encryption context pair');

const contextValue: z.ZodString = z
  .string()
  .refine(
    (value) => value !== '' && value.isWellFormed(),
    problem('an encryption context value is empty or not valid Unicode', 'Give it a value.'),
  )
  .describe('Value of an encryption context pair');

const kmsKeyId = (description: string): z.ZodString =>
  z
    .string()
    .refine(
      (value) => /^[!-~]{1,2048}$/.test(value),
      problem(
        'is not a KMS key',
        'Write a key ARN, or the key name of a backend that is not AWS: no spaces.',
      ),
    )
    .describe(description);

const RARE_OPERATIONS = OPERATIONS.filter(({ rare }) => rare).map(({ name }) => name);

const rareOperation: z.ZodString = z
  .string()
  .refine(
    (value) => value === '*' || RARE_OPERATIONS.includes(value),
    problem(
      'is not one of the operations that need to be named',
      `Known here: ${RARE_OPERATIONS.join(', ')}.`,
    ),
  )
  .describe("Name of an operation as in S3's API, like PutBucketEncryption");

const keyAlias: z.ZodString = z
  .string()
  .refine(
    (value) =>
      /^(?:arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:)?alias\/[\w/-]{1,250}$|^(?!arn:)[\w-]{1,256}$/.test(value),
    problem('is not an alias or a bare key ID', 'Write it as clients do: alias/ledger, or 1234abcd-12ab-….'),
  )
  .describe('Alias, alias ARN or bare ID of a KMS key');

const listener: z.ZodType<ListenerSection> = z.strictObject({
  name: name('Name in logs and metrics; the address where there is none').optional(),
  address: address('Address to listen on: host:port, like 0.0.0.0:8443 or [::1]:8443'),
  tls: z
    .strictObject({
      certificateFile: filePath('PEM file of the certificate, its chain after it'),
      keyFile: filePath('PEM file of the private key'),
      clientCaFile: filePath(
        'PEM file of the authorities whose client certificates are accepted; asks for them',
      ).optional(),
      minVersion: z
        .enum(['TLSv1.2', 'TLSv1.3'])
        .describe('Oldest TLS version that is spoken')
        .default('TLSv1.2'),
    })
    .describe('Certificate of a TLS listener; without it the listener is plaintext')
    .optional(),
  secure: z
    .boolean()
    .describe(
      "Counts a plaintext listener as a secure transport: loopback addresses only (a pod's own network)",
    )
    .default(false),
  trustedProxies: z
    .array(cidr)
    .describe('Peers whose X-Forwarded-Proto and Forwarded headers are believed')
    .default([]),
  authentication: z
    .enum(['signature', 'certificate', 'none'])
    .describe(
      'How clients are told: by signature, by their certificate alone, or not at all; none is for a sidecar, whose only client is trusted',
    )
    .default('signature'),
  signing: z
    .enum(['replace', 'preserve'])
    .describe(
      "Whether requests are signed anew; preserve sends them on as they came, under the client's own signature, and only enforces",
    )
    .default('replace'),
});

const pageHost: z.ZodType<string, string> = z
  .string()
  .refine(
    (value) => isIP(value) !== 0 || isHostName(value),
    problem(
      'is not a host name or an address',
      'Write it alone, like admin.gateway.example: no port or scheme.',
    ),
  )
  .describe('Host name or address that a browser calls the page by')
  .transform((value) => value.toLowerCase());

const admin: z.ZodType<AdminSection> = z
  .strictObject({
    address: address('Address of /metrics, /livez, /readyz and the page').prefault('127.0.0.1:9090'),
    pageHosts: z
      .array(pageHost)
      .describe(
        'Hosts under which other machines may see the page; by default only this one may, as localhost',
      )
      .default([]),
  })
  .describe('Admin listener: metrics, health and a page');

const credentials: z.ZodType<CredentialsSection> = z
  .discriminatedUnion('provider', [
    z.strictObject({
      provider: z
        .literal('default')
        .describe('The AWS SDK chain: environment, profile, web identity, Pod Identity, instance'),
    }),
    z.strictObject({
      provider: z.literal('none').describe('None: all listeners preserve signatures'),
    }),
    z.strictObject({
      provider: z.literal('static').describe('A fixed access key'),
      accessKeyId,
      ...secrets,
    }),
    z.strictObject({
      provider: z.literal('assume-role').describe('A role assumed through STS under the default credentials'),
      roleArn: z
        .string()
        .refine(
          (value) => /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/.test(value),
          problem('is not the ARN of a role', 'Write it like arn:aws:iam::111122223333:role/gateway.'),
        )
        .describe('ARN of the role'),
      sessionName: z
        .string()
        .refine(
          (value) => /^[\w+=,.@-]{2,64}$/.test(value),
          problem('is not a role session name', 'Use 2 to 64 letters, digits and _+=,.@- characters.'),
        )
        .describe("Name of the session in AWS's logs")
        .default('s3-kms-gateway'),
      externalId: z.string().min(2).describe("External ID that the role's trust policy asks for").optional(),
      stsEndpoint: origin(
        'an STS',
        "URL of the STS, like that of a private endpoint; the region's own where it is absent",
      ).optional(),
    }),
  ])
  .describe('Where the credentials come from: provider default, static, assume-role or none');

const SHORTEST_KMS_INTERVAL = 1000;

const kms: z.ZodType<KmsSection> = z
  .strictObject({
    endpoint: origin(
      'a KMS',
      "URL of the KMS, like that of a private endpoint; the region's own where it is absent",
    ).optional(),
    caFile: filePath('PEM file of the authorities to trust there in place of the usual ones').optional(),
    interval: duration('15m', 'Between two checks of the keys').refine(
      (milliseconds) => milliseconds >= SHORTEST_KMS_INTERVAL,
      problem('is shorter than 1s', 'Ask KMS less often, like every 15m.'),
    ),
  })
  .describe('The KMS whose keys the rules name, when it is to be asked about them');

const backend: z.ZodType<BackendSection> = z.strictObject({
  name: name('Name in logs and metrics'),
  endpoint,
  region: z
    .string()
    .refine(
      (value) => /^[a-z0-9-]{1,63}$/.test(value),
      problem('is not a region', 'Use lower-case letters, digits and hyphens, like eu-central-1.'),
    )
    .describe('Region that requests are signed for, like eu-central-1'),
  partition: z
    .string()
    .refine(
      (value) => /^aws[a-z-]*$/.test(value),
      problem('is not a partition', 'Use aws, aws-cn, aws-us-gov or another AWS partition.'),
    )
    .describe('First field of ARNs: aws, aws-cn, aws-us-gov…')
    .default('aws'),
  addressing: z
    .enum(['path', 'virtual-hosted'])
    .describe('Where the bucket stands in requests to the backend: in the path or in the host name')
    .default('path'),
  buckets: z.array(bucketPattern).min(1).describe('Buckets that it serves').default(['*']),
  caFile: filePath('PEM file of the authorities to trust in place of the usual ones').optional(),
  credentials: credentials.prefault({ provider: 'default' }),
  trailers: z
    .boolean()
    .describe(
      'Whether it accepts checksum trailers; if not, aws-chunked uploads are decoded and verified here',
    )
    .default(true),
  rareOperations: z
    .array(rareOperation)
    .describe(
      'Operations that makers other than AWS may lack and this backend has; * for all, the default for AWS',
    )
    .optional(),
  keyAliases: z
    .record(keyAlias, kmsKeyId('KMS key that is sent in its place: the full key ARN for AWS'))
    .describe('Aliases and bare IDs of KMS keys that clients may write, each with the key it stands for')
    .default({}),
  kms: kms.optional(),
});

const certificate: z.ZodType<CertificateSection> = z
  .strictObject({
    uri: z
      .string()
      .refine(
        // Without what Node.js has to quote in the text form of a certificate's names.
        (value) => /^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$/.test(value) && !/["',\\]/.test(value),
        problem('is not a URI', 'Write it as it stands in the certificate, like spiffe://cluster/ns/a/sa/b.'),
      )
      .describe('URI in the certificate, like a SPIFFE ID: spiffe://cluster/ns/billing/sa/app')
      .optional(),
    dnsName: z
      .string()
      .refine(
        (value) => /^(?!.{254})[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/.test(value),
        problem('is not a DNS name', 'Write it in full, like billing.apps.example: no *, no port.'),
      )
      .describe('DNS name in the certificate')
      .optional(),
    email: z
      .string()
      .refine(
        (value) => /^[A-Za-z0-9.!#$%&*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}$/.test(value),
        problem('is not a mail address', 'Write it as it stands in the certificate, like app@example.com.'),
      )
      .describe('Mail address in the certificate')
      .optional(),
  })
  .refine(
    (names) => Object.values(names).filter((value) => value !== undefined).length === 1,
    problem('must have one name', 'Write one of uri, dnsName and email.'),
  )
  .describe('The client certificate it comes with, by a name in its subjectAltName: uri, dnsName or email');

const client: z.ZodType<ClientSection> = z.strictObject({
  name: name('Name in logs'),
  accessKeyId: accessKeyId.optional(),
  certificate: certificate.optional(),
  ...secrets,
  buckets: z.array(bucketPattern).min(1).describe('Buckets that it may use; nothing outside these'),
  access: z
    .enum(['read-only', 'read-write', 'admin'])
    .describe('What it may do: read, also write, or also configure buckets')
    .default('read-only'),
});

const encryptionRule: z.ZodType<EncryptionSection> = z.strictObject({
  name: name('Name in logs'),
  buckets: z.array(bucketPattern).min(1).describe('Buckets that it is for').default(['*']),
  prefixes: z
    .array(z.string().min(1).describe('Beginning of object keys'))
    .describe('Object key prefixes that it is for; none means every key')
    .default([]),
  mode: z
    .enum(['inject', 'require', 'observe', 'off'])
    .describe(
      'inject adds what is missing; require refuses it; observe only counts; off leaves encryption alone',
    )
    .default('inject'),
  algorithm: z
    .enum(['aws:kms', 'aws:kms:dsse'])
    .describe('SSE-KMS, or DSSE-KMS: two layers')
    .default('aws:kms'),
  keyId: kmsKeyId(
    "Default KMS key: the full key ARN for AWS, the maker's key name for other backends",
  ).optional(),
  allowedKeyIds: z
    .array(kmsKeyId('KMS key, in which * stands for any run of characters'))
    .describe('Keys that clients may name themselves, besides the default key')
    .default([]),
  context: z.record(contextKey, contextValue).describe('Pairs added to every encryption context').default({}),
  requiredContext: z.array(contextKey).describe('Keys that an encryption context must hold').default([]),
  bucketKey: z.boolean().describe('Whether S3 Bucket Keys are used').default(false),
  otherEncryption: z
    .enum(['refuse', 'upgrade', 'allow'])
    .describe("What becomes of a client's own AES256 or SSE-C; upgrade is for AES256 only")
    .default('refuse'),
});

const limits: z.ZodType<LimitsSection> = z
  .strictObject({
    headerBytes: z
      .int()
      .min(1024)
      .max(65536)
      .describe('All request header lines together, in bytes; S3 itself takes 8192')
      .default(8192),
    contextBytes: z
      .int()
      .min(64)
      .max(8192)
      .describe('The encryption context after decoding, in bytes')
      .default(4096),
    connections: z
      .int()
      .min(1)
      .max(1_000_000)
      .describe('Connections of clients at a time, for each listener and process; more are closed at once')
      .default(2048),
    requestsInFlight: z
      .int()
      .min(1)
      .max(1_000_000)
      .describe('Requests at a time, for each process; more are answered 503 SlowDown')
      .default(512),
    requestsInFlightPerClient: z
      .int()
      .min(1)
      .max(1_000_000)
      .describe('The same for each client of its own; as many as all may have where it is not set')
      .optional(),
    bufferedBytes: z
      .int()
      .min(MAX_SIGNED_CHUNK)
      .max(2 ** 40)
      .describe('Signed chunks that wait in memory, in bytes, for each process; more have to wait for room')
      .default(64 * 1024 ** 2),
  })
  .describe('Bounds on what a request may bring, and on what is held at a time');

const timeouts: z.ZodType<Timeouts> = z
  .strictObject({
    tlsHandshake: duration('10s', 'For a client to finish the TLS handshake'),
    requestHeader: duration('30s', 'For a client to send the whole request head'),
    bodyIdle: duration('60s', 'For the next bytes of a body, in either direction'),
    backendConnect: duration('5s', 'For a connection to the backend, TLS included'),
    backendFirstByte: duration('120s', "For the backend's answer to begin once the request is sent"),
    backendIdle: duration('4s', 'For which an unused connection to the backend is kept'),
  })
  .describe('Bounds on waiting');

const drain: z.ZodType<Drain> = z
  .strictObject({
    delay: duration('5s', 'From SIGTERM until no more connections are taken; 0s for none', 0),
    deadline: duration('20s', 'After that, for what is in flight to end; what is left is cut'),
  })
  .describe('How the gateway ends');

const workers: z.ZodType<number | 'auto'> = z
  .union([z.int().min(1).max(256), z.literal('auto')])
  .describe('Number of processes that serve clients, or auto for one for each core');

const log: z.ZodType<{ readonly level: LogLevel }> = z
  .strictObject({
    level: z
      .enum(['debug', 'info', 'warn', 'error'])
      .describe('Least level of messages; audit lines are always written')
      .default('info'),
  })
  .describe('Log on standard output, JSON lines');

/** The schema of each part, for checking them one by one. */
export const sections: {
  readonly listener: z.ZodType<ListenerSection>;
  readonly domain: z.ZodType<string>;
  readonly egress: z.ZodType<EgressSection>;
  readonly admin: z.ZodType<AdminSection>;
  readonly backend: z.ZodType<BackendSection>;
  readonly client: z.ZodType<ClientSection>;
  readonly encryptionRule: z.ZodType<EncryptionSection>;
  readonly limits: z.ZodType<LimitsSection>;
} = { listener, domain, egress, admin, backend, client, encryptionRule, limits };

/** The schema of the whole file. */
export const fileSchema: z.ZodType<FileSection> = z.strictObject({
  listeners: z.array(listener).min(1).describe('Addresses at which clients are served'),
  domains: z
    .array(domain)
    .describe('Host names under which BUCKET.name is virtual-hosted style; all else is path style')
    .default([]),
  egress: egress.optional(),
  admin: admin.prefault({}),
  backends: z.array(backend).min(1).describe('S3 servers; the first whose buckets match takes a request'),
  clients: z.array(client).describe('Identities that may sign requests').default([]),
  encryption: z
    .array(encryptionRule)
    .describe('Encryption rules; the first whose buckets and prefixes match decides, no match refuses writes')
    .default([]),
  signatureV2: z
    .enum(['refuse-kms', 'refuse'])
    .describe('Signature Version 2: refused, or re-signed with Version 4 where nothing under KMS is touched')
    .default('refuse-kms'),
  limits: limits.prefault({}),
  timeouts: timeouts.prefault({}),
  drain: drain.prefault({}),
  workers: workers.default(1),
  log: log.prefault({}),
});
