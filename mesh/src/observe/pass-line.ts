import { LF } from '../http1/characters.ts';

/** Up to here a loop is quicker than a call out of the engine. */
const LOOP_BYTES = 32;

/** Behind the next line feed, or `end`. Most bytes of heads are passed here. */
export function passLine(memory: Buffer, start: number, end: number): number {
  const loopEnd = Math.min(end, start + LOOP_BYTES);
  for (let at = start; at < loopEnd; at += 1) if (memory[at] === LF) return at + 1;
  if (loopEnd === end) return end;
  const found = memory.indexOf(LF, loopEnd);
  return found < 0 || found >= end ? end : found + 1;
}
