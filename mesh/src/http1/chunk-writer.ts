import { CR, LF } from './characters.ts';

/** 14 digits of a length that a double holds exactly, CR LF. */
const HEAD_MAX_BYTES = 16;
const END_BYTES = 2;

/** A chunk adds at most this to what it carries. */
export const CHUNK_OVERHEAD_MAX_BYTES: number = HEAD_MAX_BYTES + END_BYTES;

/** After the data of every chunk. */
export const CHUNK_END: Buffer = Buffer.from('\r\n');

/** Ends a chunked body without trailers; with trailers `HeadWriter.beginTrailers` does. */
export const LAST_CHUNK: Buffer = Buffer.from('0\r\n\r\n');

const DIGITS: Buffer = Buffer.from('0123456789abcdef');

/**
 * Writes what stands before a chunk's data at `at`, for which there must be room, and says where the data begins. An empty
 * chunk would end the body: then nothing is written, and there must be no `CHUNK_END`.
 */
export function writeChunkHead(out: Buffer, at: number, dataBytes: number): number {
  if (dataBytes === 0) return at;
  let digits = 1;
  for (let rest = dataBytes; rest >= 16; rest = Math.floor(rest / 16)) digits += 1;
  let rest = dataBytes;
  for (let index = at + digits - 1; index >= at; index -= 1) {
    out[index] = DIGITS[rest % 16] ?? 0;
    rest = Math.floor(rest / 16);
  }
  out[at + digits] = CR;
  out[at + digits + 1] = LF;
  return at + digits + 2;
}

/** Writes `[start, end)` of `data` as one chunk at `at`, for which there must be room, and says where it ends. */
export function writeChunk(out: Buffer, at: number, data: Buffer, start: number, end: number): number {
  if (end === start) return at;
  const from = writeChunkHead(out, at, end - start);
  const to = from + data.copy(out, from, start, end);
  out[to] = CR;
  out[to + 1] = LF;
  return to + END_BYTES;
}
