// The verdict on a request, and what it depends on: types alone. Nothing of it changes once it is given.
import type { Facts, Injection } from './facts.ts';
import type { BodyPlan, ProvenBodyPlan } from './policy/body-plan.ts';
import type { EncryptionDemand } from './policy/encryption.ts';
import type { Backend, BucketPattern, KeyUsage, Policy, SigningCredentials } from './policy/policy.ts';
import type { Refusal } from './refusal.ts';
import type { Form } from './s3/form-data.ts';
import type { XmlElement } from './s3/xml-element.ts';
import type { SigningKeys } from './sigv4/signing-key.ts';

/** What the judgement depends on besides the request. */
export interface DecisionContext {
  readonly policy: Policy;
  /** Credentials for a backend as of now; `undefined` while there are none. */
  readonly credentials: (backend: Backend) => SigningCredentials | undefined;
  /** Keys that the KMS of a backend says can never encrypt objects, by ID; absent where none is asked. */
  readonly unusableKeys?: (backend: Backend) => ReadonlyMap<string, KeyUsage> | undefined;
  readonly now: Date;
  readonly keys: SigningKeys;
}

/** A request to the backend, signed. Header values are latin1. */
export interface OutgoingRequest {
  readonly origin: string;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Send it. */
export interface ForwardVerdict {
  readonly kind: 'forward';
  readonly facts: Readonly<Facts>;
  readonly backend: Backend;
  readonly outgoing: OutgoingRequest;
  readonly body: BodyPlan;
  /** Algorithm and key that are asked of the backend. */
  readonly encryption: { readonly algorithm: string; readonly keyId: string } | undefined;
  /** What the answer must state. */
  readonly demand: EncryptionDemand | undefined;
  readonly injected: readonly Injection[];
  /** The refusal that takes the place of an answer which says `aws:kms`: it must not pass over this channel. */
  readonly ifAnswerUnderKms: Refusal | undefined;
  /** What becomes of the body of a successful answer; `undefined`: it is passed on. */
  readonly answer: AnswerEdit | undefined;
  /** Asks for the encryption of what was written, where its own answer says nothing of it. */
  readonly confirmation: OutgoingRequest | undefined;
  /** The form this write stands for, which says how its answer looks. */
  readonly form: JudgedForm | undefined;
}

/** What becomes of the body of a successful answer. */
export type AnswerEdit =
  | { readonly kind: 'document'; readonly text: string }
  /** A list of buckets, of which only these are named. */
  | { readonly kind: 'bucket-list'; readonly buckets: readonly BucketPattern[] };

/** A form that was judged: what its answer is made of, besides the ETag. */
export interface JudgedForm {
  readonly fields: ReadonlyMap<string, string>;
  readonly bucketUrl: string;
  readonly bucket: string;
  readonly key: string;
}

/** The judgement on a request. */
export type Verdict =
  | ForwardVerdict
  | { readonly kind: 'refused'; readonly facts: Readonly<Facts>; readonly refusal: Refusal }
  /** A form: read it up to its file, then ask again. */
  | {
      readonly kind: 'read-form';
      readonly facts: Readonly<Facts>;
      readonly boundary: string;
      readonly length: number;
    }
  /** A document that decides: read the body as planned, all of it, then ask again. */
  | {
      readonly kind: 'read-document';
      readonly facts: Readonly<Facts>;
      readonly body: Extract<ProvenBodyPlan, { kind: 'plain' }>;
    }
  /** Nothing wrong with the request, but the gateway has no credentials for its backend. */
  | { readonly kind: 'no-credentials'; readonly facts: Readonly<Facts>; readonly backend: Backend };

/** What had to be read of a request before it could be judged. */
export type ReadBody =
  | { readonly kind: 'form'; readonly form: Form }
  /** `root` is absent where the document is not well-formed. */
  | { readonly kind: 'document'; readonly root: XmlElement | undefined };
