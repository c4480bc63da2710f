// Dates as the signatures write them. Takes every "now" as an argument.

/** ISO 8601 basic form with seconds, UTC: `20261123T173000Z`. */
export function formatAmzDate(date: Date): string {
  const iso = date.toISOString();
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`;
}

/** Reads `yyyymmddThhmmssZ`; `undefined` for any other form and for days that do not exist. */
export function parseAmzDate(text: string): Date | undefined {
  if (!/^\d{8}T\d{6}Z$/.test(text)) return undefined;
  const part = (start: number, end: number) => Number(text.slice(start, end));
  const month = part(4, 6);
  const day = part(6, 8);
  const hour = part(9, 11);
  const minute = part(11, 13);
  const second = part(13, 15);
  const date = new Date(0);
  date.setUTCFullYear(part(0, 4), month - 1, day);
  date.setUTCHours(hour, minute, second);
  // What a month or an hour does not have has run over into the next one.
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return exists && date.getUTCHours() === hour && minute < 60 && second < 60 ? date : undefined;
}

/** Reads the date of an HTTP `Date` header (RFC 9110 section 5.6.7); SDKs of the SigV2 age also write `+0000`. */
export function parseHttpDate(text: string): Date | undefined {
  if (!/^[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (GMT|UTC|\+0000|-0000)$/.test(text))
    return undefined;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
