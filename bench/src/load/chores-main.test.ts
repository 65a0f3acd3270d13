import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHORE_MS } from './chores.ts';

const WATCHED_MS = 600;

test('does something every few milliseconds, at little CPU, until its input ends', {
  skip: platform() !== 'linux',
}, async () => {
  const child = spawn(process.execPath, ['--conditions=source', join(import.meta.dirname, 'chores-main.ts')]);
  try {
    const exited = once(child, 'exit');
    const [said] = await once(child.stdout, 'data');
    assert.equal(String(said), 'ready\n');
    const before = usageOf(child.pid);
    await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
    const after = usageOf(child.pid);
    const sleeps = after.sleeps - before.sleeps;
    assert.ok(sleeps > (0.3 * WATCHED_MS) / CHORE_MS && sleeps < (1.5 * WATCHED_MS) / CHORE_MS, `${sleeps} sleeps`);
    const cpuMs = after.cpuMs - before.cpuMs;
    assert.ok(cpuMs < 0.2 * WATCHED_MS, `${cpuMs} ms of CPU`);
    child.stdin.write('\n');
    const [done] = await once(child.stdout, 'data');
    assert.ok(Number(done) >= sleeps / 2, `${String(done)} done in ${sleeps} sleeps`);
    child.stdin.end();
    assert.deepEqual(await exited, [0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});

/** Of the main thread. */
function usageOf(pid: number | undefined): { readonly sleeps: number; readonly cpuMs: number } {
  const status = readFileSync(`/proc/${pid}/task/${pid}/status`, 'utf8');
  const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  const sleeps = /^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1];
  // Ticks of 10 ms.
  return { sleeps: Number(sleeps), cpuMs: ((user ?? Number.NaN) + (system ?? Number.NaN)) * 10 };
}
