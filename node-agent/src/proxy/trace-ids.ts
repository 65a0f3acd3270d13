import { randomFillSync } from 'node:crypto';
import type { TraceContext } from '@ambit/mesh/wire';

// Random bytes are drawn for many connections at once.
const TRACE_BYTES = 24;
const pool = Buffer.alloc(TRACE_BYTES * 256);
let used: number = pool.length;

/** A trace and a part of it that nobody has, not recorded by anybody. */
export function drawTraceContext(): TraceContext {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const digits = pool.toString('hex', used, used + TRACE_BYTES);
  used += TRACE_BYTES;
  return { traceId: digits.slice(0, 32), spanId: digits.slice(32), flags: 0 };
}
