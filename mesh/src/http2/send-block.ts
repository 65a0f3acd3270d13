import { bug } from '../runtime/errors.ts';
import type { ConnectionWriter } from '../hbone/connection-writer.ts';
import {
  DEFAULT_FRAME_MAX_BYTES,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  writeFrameHeader,
} from '../hbone/frame-codec.ts';
import type { HeadEncoder } from './head-encoder.ts';

/** Sends what `encoder` holds as HEADERS, and CONTINUATION when it is long; with all else of this loop turn. */
export function sendBlock(writer: ConnectionWriter, streamId: number, encoder: HeadEncoder, endStream: boolean): void {
  if (!encoder.take()) bug('a head was sent that is not complete');
  const { out, blockEnd } = encoder;
  const endsStream = endStream ? FrameFlag.endStream : FrameFlag.none;
  for (let start = FRAME_HEADER_BYTES; ; ) {
    const first = start === FRAME_HEADER_BYTES;
    const end = Math.min(blockEnd, start + DEFAULT_FRAME_MAX_BYTES);
    const flags = (end === blockEnd ? FrameFlag.endHeaders : FrameFlag.none) | (first ? endsStream : FrameFlag.none);
    // The header goes before the payload: over room kept for it, later over what has been sent.
    const at = start - FRAME_HEADER_BYTES;
    writeFrameHeader(out, at, end - start, first ? FrameType.headers : FrameType.continuation, flags, streamId);
    writer.frame(out.subarray(at, end));
    if (end === blockEnd) return;
    start = end;
  }
}
