import type { FieldBlock } from '@ambit/mesh/http1';
import { grpcStatusOf } from '@ambit/mesh/http2';
import type { FailureReason } from './failures.ts';

/** Of a call that got no status. */
export const NO_GRPC_STATUS: number = -1;

/** What a block says of the status of a call, which is in its trailers or in the head of an answer that is nothing else; `before` when nothing. */
export function grpcStatusIn(block: FieldBlock, before: number): number {
  const index = block.find('grpc-status');
  if (index < 0) return before;
  const text = block.value(index);
  // Bounded, since it becomes the label of a metric.
  return /^(?:[0-9]|1[0-6])$/.test(text) ? Number(text) : NO_GRPC_STATUS;
}

/** Something that there is only so much of has been used up. */
const RESOURCE_EXHAUSTED = 8;

/** What a call that fails for this reason, with this status of HTTP, is told. Short of memory is no fault that another attempt at once would heal. */
export function grpcStatusFor(reason: FailureReason, status: number): number {
  return reason === 'no-memory' ? RESOURCE_EXHAUSTED : grpcStatusOf(status);
}
