// What the tests ask of a real S3 client, whatever program it is.
// Must not know which programs there are, or what stands behind the endpoint.

/** Where a client goes and as whom. */
export interface S3Access {
  readonly endpoint: string;
  /** The certificate to trust, and nothing else. */
  readonly caFile: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly region: string;
  readonly bucket: string;
}

/** A real client. */
export interface S3Cli {
  readonly name: string;
  /** Why it cannot be used on this machine; undefined when it can. */
  unavailable(): string | undefined;
  /** Makes it ready; `scratch` is an empty directory of its own, which the caller removes after `close`. */
  open(access: S3Access, scratch: string): Promise<S3Session>;
}

/** A client at work in one bucket. An operation that the program does not have is absent. */
export interface S3Session {
  put(key: string, content: Buffer): Promise<void>;
  /** Uploads in several parts; `content` is at least 20 MB. */
  putInParts(key: string, content: Buffer): Promise<void>;
  get(key: string): Promise<Buffer>;
  /** Both ends inclusive, as in the Range header. */
  getRange?(key: string, first: number, last: number): Promise<Buffer>;
  size(key: string): Promise<number>;
  /** A copy made by the server. */
  copy?(from: string, to: string): Promise<void>;
  /** All keys under a prefix that ends in `/`. */
  list(prefix: string): Promise<string[]>;
  delete(key: string): Promise<void>;
  close(): Promise<void>;
}
