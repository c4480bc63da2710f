// What a configuration comes down to for the core: values only, every default filled in, every secret read.
// Made by src/config; read by everything below decide.
import type { CertificateName } from '../certificate.ts';
import type { HostForm } from '../s3/aws-host.ts';

export type { CertificateName } from '../certificate.ts';
export type { SigningCredentials } from '../sigv4/sign.ts';

/** A bucket name pattern: `*` stands for any run of characters, everything else for itself. */
export type BucketPattern = string;

/** What a client may do: `read-only` reads objects and lists, `read-write` also writes them, `admin` also configures buckets. */
export type Access = 'read-only' | 'read-write' | 'admin';

/** One identity that may use the gateway: by an access key, by a certificate, or only by both together. */
export interface Client {
  readonly name: string;
  readonly buckets: readonly BucketPattern[];
  readonly access: Access;
  /** The name that its certificate must have, where it is bound to one. */
  readonly certificate?: CertificateName | undefined;
}

/** One that has an access key to sign with. */
export interface SigningClient extends Client {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** The algorithms a rule can ask for: the values of `x-amz-server-side-encryption` that use KMS. */
export type KmsAlgorithm = 'aws:kms' | 'aws:kms:dsse';

/** `inject` adds what is missing; `require` only adds the ARN to the context; `observe` changes and refuses nothing; `off` leaves encryption alone. */
export type RuleMode = 'inject' | 'require' | 'observe' | 'off';

/** What becomes of a client's own AES256 or SSE-C: refused, raised to the rule (AES256 only), or let through. */
export type OtherEncryption = 'refuse' | 'upgrade' | 'allow';

/** One encryption rule; the first whose buckets and prefixes match a write decides it. */
export interface EncryptionRule {
  readonly name: string;
  readonly buckets: readonly BucketPattern[];
  /** Object key prefixes; empty means every key. */
  readonly prefixes: readonly string[];
  readonly mode: RuleMode;
  readonly algorithm: KmsAlgorithm;
  /** The default KMS key: a full key ARN for AWS, the maker's key name elsewhere. Absent only with `off`. */
  readonly keyId: string | undefined;
  /** Keys a client may name itself; the default key is always allowed. `*` stands for any run of characters. */
  readonly allowedKeyIds: readonly string[];
  /** Pairs added to every encryption context. */
  readonly context: Readonly<Record<string, string>>;
  /** Keys that an encryption context must hold. */
  readonly requiredContext: readonly string[];
  readonly bucketKey: boolean;
  readonly otherEncryption: OtherEncryption;
}

/** What KMS says that a key is for. Neither changes in a key's life. */
export interface KeyUsage {
  readonly keySpec: string;
  readonly keyUsage: string;
}

/** One S3 server behind the gateway. */
export interface Backend {
  readonly name: string;
  readonly protocol: 'http' | 'https';
  /** Host name of the endpoint, without port. */
  readonly hostname: string;
  readonly port: number;
  readonly region: string;
  /** The first field of ARNs: `aws`, `aws-cn`, `aws-us-gov`… */
  readonly partition: string;
  readonly addressing: 'path' | 'virtual-hosted';
  readonly buckets: readonly BucketPattern[];
  /** Whether it understands `STREAMING-UNSIGNED-PAYLOAD-TRAILER`; if not, such bodies are decoded here. */
  readonly trailers: boolean;
  /** Names of the operations that makers other than AWS may lack and this backend has. */
  readonly rareOperations: 'all' | ReadonlySet<string>;
  /** Aliases and bare IDs of KMS keys that clients may write, each with the full ARN that is sent in their place. */
  readonly keyAliases: ReadonlyMap<string, string>;
}

/** AWS's own host names, where they lead to the gateway. */
export interface Egress {
  /** The forms that are answered. */
  readonly hosts: readonly HostForm[];
  /** The region of hosts that name none: `signed` is the one that the client signs for. */
  readonly globalRegion: 'signed' | 'us-east-1';
}

/** Everything the judgement on a request depends on besides the request itself. */
export interface Policy {
  /** Host names under which `BUCKET.domain` is virtual-hosted style. */
  readonly domains: readonly string[];
  /** Absent: no host name of AWS's is answered. */
  readonly egress: Egress | undefined;
  /** By access key ID. */
  readonly clients: ReadonlyMap<string, SigningClient>;
  /** By the key that `certificateKey` makes of the name in their certificate. */
  readonly certificateClients: ReadonlyMap<string, Client>;
  readonly rules: readonly EncryptionRule[];
  readonly backends: readonly Backend[];
  readonly signatureV2: 'refuse-kms' | 'refuse';
  readonly limits: Limits;
}

/** Bounds on what a request may bring. Sizes in bytes. */
export interface Limits {
  /** All request header lines together, as S3 counts them. */
  readonly headerBytes: number;
  /** The encryption context after decoding. */
  readonly contextBytes: number;
}
