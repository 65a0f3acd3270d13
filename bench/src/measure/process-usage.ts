import { readFileSync, writeFileSync } from 'node:fs';
import { BenchError } from '../errors.ts';

/** Clock ticks per second of /proc on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const KIB_BYTES = 1024;

export interface Memory {
  readonly rssBytes: number;
  /** The part that no other process can share: what one more agent on the node really costs. */
  readonly anonymousBytes: number;
}

/** CPU ticks (user, system) of one process from the text of /proc/PID/stat, and of its reaped children. */
export function parseStat(text: string): {
  readonly ownTicks: number;
  readonly childTicks: number;
  readonly parentPid: number;
} {
  // The command name may hold spaces and parentheses: fields start after the last closing one, at field 3.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3]);
  const own = field(14) + field(15);
  const children = field(16) + field(17);
  const parentPid = field(4);
  if (!Number.isFinite(own + children + parentPid)) {
    throw new BenchError('unreadable-output', 'a process status could not be read', {
      data: { text: text.slice(0, 120) },
    });
  }
  return { ownTicks: own, childTicks: children, parentPid };
}

/** Value in bytes of one `Name:  123 kB` line of a /proc file. Throws `unreadable-output` when the line is missing. */
export function parseKilobyteLine(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
  if (match?.[1] === undefined) {
    throw new BenchError('unreadable-output', 'a memory figure is missing in /proc', { data: { name } });
  }
  return Number(match[1]) * KIB_BYTES;
}

/** Sum of the CPU time of the processes so far. */
export function readCpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) ticks += parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8')).ownTicks;
  return ticks / TICKS_PER_SECOND;
}

/** Sum of the memory of the processes now. */
export function readMemory(pids: readonly number[]): Memory {
  let rssBytes = 0;
  let anonymousBytes = 0;
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    rssBytes += parseKilobyteLine(text, 'Rss');
    anonymousBytes += parseKilobyteLine(text, 'Anonymous');
  }
  return { rssBytes, anonymousBytes };
}

/** Forgets the peak memory of the processes so that {@link readPeakRssBytes} speaks of what comes next. */
export function resetPeakRss(pids: readonly number[]): void {
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Highest resident size since the last reset, summed over the processes. */
export function readPeakRssBytes(pids: readonly number[]): number {
  let bytes = 0;
  for (const pid of pids) bytes += parseKilobyteLine(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmHWM');
  return bytes;
}
