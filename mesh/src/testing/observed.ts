import { ConnectionObserver } from '../observe/connection-observer.ts';
import type { ExchangeSink, StopReason } from '../observe/contract.ts';

/** A piece of what two sides said to each other, in the order in which it passed by. */
export interface Said {
  readonly by: 'client' | 'server';
  readonly bytes: Buffer;
}

/** What an observer told of one connection. */
export interface Observed {
  /** `status`, or `status grpc-status` of a call of gRPC, in the order of their ends. */
  readonly exchanges: readonly string[];
  readonly durations: readonly number[];
  readonly stopped: StopReason | null;
}

/**
 * Has a conversation read along. Each piece lies somewhere within memory that is overwritten afterwards, as a read buffer is, and is
 * compared with what it was: an observer that keeps memory, or writes to it, is found out. A millisecond passes with each piece.
 */
export function observe(conversation: readonly Said[], isOver = true): Observed {
  const exchanges: string[] = [];
  const durations: number[] = [];
  let stopped: StopReason | null = null;
  const sink: ExchangeSink = {
    onExchange(status, isGrpc, grpcStatus, durationMs) {
      exchanges.push(isGrpc ? `${status} ${grpcStatus}` : String(status));
      durations.push(durationMs);
    },
    onStopped(reason) {
      if (stopped !== null) throw new Error('stopped twice');
      stopped = reason;
    },
  };
  let nowMs = 1000;
  const observer = new ConnectionObserver(sink, () => nowMs);
  const largest = conversation.reduce((max, { bytes }) => Math.max(max, bytes.length), 0);
  const memory = Buffer.alloc(largest + 2 * MARGIN_BYTES);
  for (const { by, bytes } of conversation) {
    const end = MARGIN_BYTES + bytes.length;
    bytes.copy(memory, MARGIN_BYTES);
    if (by === 'client') observer.request(memory, MARGIN_BYTES, end);
    else observer.response(memory, MARGIN_BYTES, end);
    if (memory.compare(bytes, 0, bytes.length, MARGIN_BYTES, end) !== 0)
      throw new Error('an observer has written to what it reads');
    memory.fill(FILLER, 0, end + MARGIN_BYTES);
    nowMs += 1;
  }
  if (isOver) observer.end();
  return { exchanges, durations, stopped };
}

const MARGIN_BYTES = 7;
const FILLER = 0x5a;

/** The same in other pieces, mostly small ones; what one side said stays in its place among what the other did. */
export function recut(conversation: readonly Said[], random: () => number): Said[] {
  return conversation.flatMap(({ by, bytes }) => {
    const pieces: Said[] = [];
    const mean = 1 + random() ** 3 * bytes.length;
    for (let at = 0; at < bytes.length; ) {
      // Of what is long mostly the beginning is of interest.
      const end = Math.min(bytes.length, at + 1 + Math.floor(2 * random() * Math.max(mean, at / 8)));
      pieces.push({ by, bytes: bytes.subarray(at, end) });
      at = end;
    }
    return pieces;
  });
}
