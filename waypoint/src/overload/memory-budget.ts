import type { MemoryUse } from '@ambit/mesh/runtime';

const MIB = 1024 * 1024;
/** For the main thread, code, and what no heap knows of: buffers of the kernel, of TLS, pages that are not given back. */
const RESERVED_BYTES: number = 96 * MIB;
/**
 * Of the rest: what was freed and is kept by the allocator and the young heap comes on top of what is in use. With thousands of readers
 * that are slow a process held a quarter more than it needed.
 */
const NEEDED_SHARE = 0.8;
const BUDGET_MIN_BYTES: number = 32 * MIB;
/** State of one TLS connection, with the certificates of both sides, that no heap knows of: measured, 60 KiB. */
export const TLS_CONNECTION_BYTES: number = 64 * 1024;

/** What heap and buffers of one data worker may take of the memory of the process; infinite without a limit. */
export function memoryBudget(limitBytes: number, workerCount: number): number {
  if (limitBytes <= 0 || !Number.isFinite(limitBytes)) return Number.POSITIVE_INFINITY;
  return Math.max(BUDGET_MIN_BYTES, ((limitBytes - RESERVED_BYTES) * NEEDED_SHARE) / workerCount);
}

/** What is in use, with so many TLS connections beside what the heap knows of. */
export function withConnections(use: MemoryUse, tlsConnectionCount: number): MemoryUse {
  return { ...use, externalBytes: use.externalBytes + tlsConnectionCount * TLS_CONNECTION_BYTES };
}

/** The larger share: of the heap's own bound, or of the budget. */
export function memoryShare({ heapBytes, heapMaxBytes, externalBytes }: MemoryUse, budgetBytes: number): number {
  return Math.max(heapBytes / heapMaxBytes, (heapBytes + externalBytes) / budgetBytes);
}
