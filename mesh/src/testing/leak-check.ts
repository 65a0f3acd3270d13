import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { after, before } from 'node:test';
import { until } from './until.ts';

/** Kinds of active resources that a finished test may not leave behind. */
const WATCHED = [
  'TCPSocketWrap',
  'TCPServerWrap',
  'PipeWrap',
  'PipeServerWrap',
  'TLSWrap',
  'Timeout',
  'FSEventWrap',
  'MessagePort',
];

/** What is open now, by kind; descriptors only where /proc has them. */
export function openResources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (WATCHED.includes(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sockets = openDescriptors().filter((target) => target.startsWith('socket:')).length;
  counts.set('socket descriptors', sockets);
  return counts;
}

/** Targets of this process's open descriptors; empty off Linux. */
export function openDescriptors(): readonly string[] {
  let names: string[];
  try {
    names = readdirSync('/proc/self/fd');
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      return [readlinkSync(`/proc/self/fd/${name}`)];
    } catch {
      return []; // Closed since the listing, the listing's own descriptor among them.
    }
  });
}

/**
 * Call once at the top of a test file: after its tests no socket, server, watcher or timer may be left beyond those open
 * before. Closing takes turns of the event loop, so it waits a little.
 */
export function checkLeaks(options: { readonly deadlineMs?: number } = {}): void {
  let atStart: ReadonlyMap<string, number> = new Map();
  before(() => {
    atStart = openResources();
  });
  after(async () => {
    const leaked = (): string[] =>
      [...openResources()]
        .filter(([kind, count]) => count > (atStart.get(kind) ?? 0))
        .map(([kind, count]) => `${kind}: ${count}`);
    try {
      await until('all resources closed', () => leaked().length === 0, options.deadlineMs ?? 2000);
    } catch {
      assert.deepEqual(leaked(), [], 'resources left open by the tests of this file');
    }
  });
}
