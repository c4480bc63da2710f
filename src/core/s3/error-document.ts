// Error documents of backends, which clients act on: what S3 always writes and others leave out.

/** Error documents are small; what is larger is passed on as it is. In bytes. */
export const MAX_ERROR_DOCUMENT: number = 16 * 1024;

/** Whether an answer is an error document that may need {@link withMessage}. */
export function isErrorDocument(
  status: number,
  headers: readonly (readonly [name: string, value: string])[],
): boolean {
  if (status < 400) return false;
  const get = (name: string) => headers.find(([header]) => header === name)?.[1];
  const length = Number(get('content-length') ?? Number.NaN);
  return (
    /^(application|text)\/xml\b/i.test(get('content-type') ?? '') &&
    length > 0 &&
    length <= MAX_ERROR_DOCUMENT
  );
}

/** Ceph leaves Message empty, on which botocore 1.43 crashes; then the code stands there, as it is all there is to say. */
export function withMessage(document: string): string {
  const code = /<Code>([^<]+)<\/Code>/.exec(document)?.[1];
  if (code === undefined || !document.includes('<Error>')) return document;
  return document.replace(/<Message\s*\/>|<Message><\/Message>/, () => `<Message>${code}</Message>`);
}
