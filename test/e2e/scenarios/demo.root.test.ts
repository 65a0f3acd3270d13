import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '@ambit/mesh/testing';
import { NETNS_DIRECTORY } from '../world/network.ts';
import { requireSandbox, SANDBOX_VARIABLE } from '../world/sandbox.ts';

const PROGRAM = fileURLToPath(new URL('../demo/main.ts', import.meta.url));
const DEMO_MS = 60_000;

/** The demo as `npm run demo` starts it, in a process group and with a directory for temporary files of its own. */
class DemoRun implements Disposable {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly #temporary: string = mkdtempSync(join(tmpdir(), 'ambit-demo-test-'));
  output = '';

  constructor() {
    const { [SANDBOX_VARIABLE]: _, ...environment } = process.env;
    this.child = spawn(process.execPath, ['--conditions=source', PROGRAM], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...environment, TMPDIR: this.#temporary, NO_COLOR: '1' },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.output += chunk;
      });
    }
    this.ended = new Promise((resolve) => {
      this.child.once('error', () => resolve({ code: null, signal: null }));
      this.child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** As Ctrl-C in a terminal: every process of the foreground group is sent it. */
  interrupt(): void {
    process.kill(-this.group, 'SIGINT');
  }

  get group(): number {
    return this.child.pid ?? assert.fail('the demo did not start');
  }

  /** Processes of the demo that live, wherever they are. */
  processes(): number[] {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0 && groupOf(pid) === this.group);
  }

  temporaryFiles(): string[] {
    return readdirSync(this.#temporary);
  }

  [Symbol.dispose](): void {
    for (const pid of this.processes()) process.kill(pid, 'SIGKILL');
    rmSync(this.#temporary, { recursive: true, force: true });
  }
}

/** Process group of a living process, or null. */
function groupOf(pid: number): number | null {
  try {
    const [state, , group] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return state === 'Z' ? null : Number(group);
  } catch {
    return null;
  }
}

/** Network namespaces that a process lives in or a name stands for. */
function namespaces(): { readonly named: readonly string[]; readonly links: readonly string[] } {
  const links = readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .slice(2)
    .map((line) => line.split(':')[0] ?? '');
  return { named: readdirSync(NETNS_DIRECTORY), links: links.toSorted() };
}

async function leavesNothing(run: DemoRun, before: ReturnType<typeof namespaces>): Promise<void> {
  await until('no process of the demo is left', () => run.processes().length === 0);
  assert.deepEqual({ ...namespaces(), files: run.temporaryFiles() }, { ...before, files: [] });
}

describe('the demo', { skip: requireSandbox() }, () => {
  test('verifies every statement it makes and leaves nothing behind', { timeout: DEMO_MS + 5000 }, async (t) => {
    const before = namespaces();
    using run = new DemoRun();
    const began = performance.now();
    const { code } = await run.ended;
    const ms = performance.now() - began;
    assert.equal(code, 0, run.output);
    const [, statements] = /all (\d+) statements verified/.exec(run.output) ?? [];
    assert.ok(Number(statements) >= 10, run.output);
    assert.doesNotMatch(run.output, /NOT TRUE/);
    assert.ok(ms < DEMO_MS, `took ${ms} ms`);
    await leavesNothing(run, before);
    t.diagnostic(`${(ms / 1000).toFixed(1)} s, ${statements} statements`);
  });

  test('interrupted at any time early on leaves nothing behind', async (t) => {
    for (const _ of [1, 2]) {
      const before = namespaces();
      using run = new DemoRun();
      const afterMs = 200 + Math.floor(Math.random() * 4000);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      t.diagnostic(`interrupted after ${afterMs} ms`);
      run.interrupt();
      const { code, signal } = await run.ended;
      assert.ok(code === 130 || signal === 'SIGINT', `after ${afterMs} ms: ${code} ${signal}\n${run.output}`);
      await leavesNothing(run, before);
    }
  });

  test('killed in the middle leaves nothing behind', async () => {
    const before = namespaces();
    using run = new DemoRun();
    await until('its world is built', () => run.output.includes('applications'), 30_000);
    assert.ok(run.processes().length > 5);
    run.child.kill('SIGKILL');
    await run.ended;
    await leavesNothing(run, before);
  });
});
