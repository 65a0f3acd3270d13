import { readdirSync, readFileSync } from 'node:fs';
import { parseStat } from './process-usage.ts';

/** CPU ticks of every process of the machine at one moment: its own and those of children it has reaped. */
export type CpuSnapshot = ReadonlyMap<number, { readonly parentPid: number; readonly ticks: number }>;

const TICKS_PER_SECOND = 100;

export function takeCpuSnapshot(): CpuSnapshot {
  const snapshot = new Map<number, { parentPid: number; ticks: number }>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    try {
      const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
      snapshot.set(pid, { parentPid: stat.parentPid, ticks: stat.ownTicks + stat.childTicks });
    } catch {
      // The process ended between the listing and the read; its time shows up in its parent's reaped children.
    }
  }
  return snapshot;
}

/**
 * CPU seconds used between two snapshots by processes that are neither `ownPid` nor its descendants. A process that came
 * and went in between is seen through the parent that reaped it; one that was adopted away is missed.
 */
export function foreignCpuSeconds(before: CpuSnapshot, after: CpuSnapshot, ownPid: number): number {
  const isOwn = (pid: number): boolean => {
    for (let at = pid, steps = 0; at > 1 && steps < 64; steps++) {
      if (at === ownPid) return true;
      at = after.get(at)?.parentPid ?? before.get(at)?.parentPid ?? 0;
    }
    return false;
  };
  let ticks = 0;
  for (const [pid, now] of after) {
    if (!isOwn(pid)) ticks += now.ticks - (before.get(pid)?.ticks ?? 0);
  }
  // What a vanished process had used before moved into its parent's account as a whole: it is not part of this interval.
  for (const [pid, then] of before) {
    if (!after.has(pid) && !isOwn(pid)) ticks -= then.ticks;
  }
  return Math.max(0, ticks) / TICKS_PER_SECOND;
}
