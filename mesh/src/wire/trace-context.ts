import { WireError } from './errors.ts';

/** W3C trace context as HBONE carries it: lower-case hex, neither id all zeros. */
export interface TraceContext {
  /** 32 digits. */
  readonly traceId: string;
  /** 16 digits. */
  readonly spanId: string;
  /** 0-255; bit 0 says that somebody upstream recorded the trace. */
  readonly flags: number;
}

/** Bytes of randomness that a new context takes. */
export const TRACE_RANDOM_BYTES = 24;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Undefined for anything but the 55 characters of one valid context: then a new one is made. */
export function parseTraceparent(header: string): TraceContext | undefined {
  const match = TRACEPARENT.exec(header);
  if (match === null) return undefined;
  const [, version, traceId = '', spanId = '', flags = ''] = match;
  if (version === 'ff' || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

export function formatTraceparent({ traceId, spanId, flags }: TraceContext): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`;
}

/** A context of its own. @throws WireError `invalid-field` unless given exactly TRACE_RANDOM_BYTES. */
export function createTraceContext(random: Uint8Array): TraceContext {
  if (random.length !== TRACE_RANDOM_BYTES) {
    throw new WireError('invalid-field', { path: 'traceparent', reason: `not ${TRACE_RANDOM_BYTES} random bytes` });
  }
  const digits = [...random].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return { traceId: notZero(digits.slice(0, 32)), spanId: notZero(digits.slice(32)), flags: 0 };
}

/** All zeros means "no id"; one chance in 2^64, but a constant given by a test would hit it. */
function notZero(digits: string): string {
  return /^0+$/.test(digits) ? `${digits.slice(1)}1` : digits;
}
