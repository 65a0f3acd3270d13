import { equalsLower } from './characters.ts';

/** Fields that this codec itself has to understand; all others are `other`. */
export const FieldId = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 5,
  expect: 6,
  te: 7,
  keepAlive: 8,
  proxyConnection: 9,
  http2Settings: 10,
} as const;

export type FieldIdOf = (typeof FieldId)[keyof typeof FieldId];

const FIELD_IDS: readonly FieldIdOf[] = Object.values(FieldId).toSorted((a, b) => a - b);

/** The one of that number; `other` where there is none. */
export function fieldIdOfNumber(number: number): FieldIdOf {
  return FIELD_IDS[number] ?? FieldId.other;
}

/** Which of them a name is, in any case. */
export function fieldIdOf(bytes: Uint8Array, start: number, end: number): FieldIdOf {
  switch (end - start) {
    case 2:
      return equalsLower(bytes, start, end, 'te') ? FieldId.te : FieldId.other;
    case 4:
      return equalsLower(bytes, start, end, 'host') ? FieldId.host : FieldId.other;
    case 6:
      return equalsLower(bytes, start, end, 'expect') ? FieldId.expect : FieldId.other;
    case 7:
      return equalsLower(bytes, start, end, 'upgrade') ? FieldId.upgrade : FieldId.other;
    case 10:
      if (equalsLower(bytes, start, end, 'connection')) return FieldId.connection;
      return equalsLower(bytes, start, end, 'keep-alive') ? FieldId.keepAlive : FieldId.other;
    case 14:
      if (equalsLower(bytes, start, end, 'content-length')) return FieldId.contentLength;
      return equalsLower(bytes, start, end, 'http2-settings') ? FieldId.http2Settings : FieldId.other;
    case 16:
      return equalsLower(bytes, start, end, 'proxy-connection') ? FieldId.proxyConnection : FieldId.other;
    case 17:
      return equalsLower(bytes, start, end, 'transfer-encoding') ? FieldId.transferEncoding : FieldId.other;
    default:
      return FieldId.other;
  }
}

/** Whether a name is one of the two that say where a message ends, in any case. */
export function isFramingName(name: string): boolean {
  if (name.length !== 14 && name.length !== 17) return false;
  const lower = name.toLowerCase();
  return lower === 'content-length' || lower === 'transfer-encoding';
}

export function isHostName(name: string): boolean {
  return name.length === 4 && name.toLowerCase() === 'host';
}

/**
 * What may not come as a trailer (RFC 9110 6.5.1): framing, routing, modifiers, credentials, control and description of
 * the content. Whoever merges trailers into the head would otherwise be told something that nobody has checked.
 */
export const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  'age',
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expect',
  'expires',
  'forwarded',
  'host',
  'http2-settings',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'keep-alive',
  'location',
  'max-forwards',
  'pragma',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'retry-after',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vary',
  'via',
  'warning',
  'www-authenticate',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
]);
