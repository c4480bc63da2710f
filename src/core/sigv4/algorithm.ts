// The two algorithms of Signature Version 4 by their names in requests.

/** Opens an `Authorization` header and a string to sign. */
export const ALGORITHM = 'AWS4-HMAC-SHA256';
/** The same in SigV4A: one signature for several regions. */
export const ASYMMETRIC_ALGORITHM = 'AWS4-ECDSA-P256-SHA256';

/** What a request can be signed with. */
export type SigningAlgorithm = typeof ALGORITHM | typeof ASYMMETRIC_ALGORITHM;
