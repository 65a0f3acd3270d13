import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'node:test';
import { requireSandbox } from '../world/sandbox.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DOCUMENT = 'docs/tasks/run-a-mesh-from-files.md';
const STEP_MS = 60_000;

/** A shell block of the document. `when` is the second word behind its fence. */
interface Block {
  readonly line: number;
  readonly when: string;
  readonly script: string;
}

/** Ambit itself needs no curl, people who follow the document do. */
const missing = spawnSync('curl', ['--version']).status === 0 ? false : 'curl is missing';

describe(DOCUMENT, { skip: requireSandbox() || missing }, () => {
  test('its commands, typed one after the other, do what it says', { timeout: 180_000 }, async () => {
    // The document writes below /var/lib; /run is private already.
    assert.equal(spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', '/var/lib']).status, 0);
    const outputs: string[] = [];
    const terminals: ChildProcess[] = [];
    const logs: string[] = [];
    try {
      for (const { line, when, script } of shellBlocks(readFileSync(`${ROOT}${DOCUMENT}`, 'utf8'))) {
        if (when === 'background') {
          const log = `/run/terminal-${terminals.length}.log`;
          logs.push(log);
          const fd = openSync(log, 'a');
          terminals.push(spawn('sh', ['-c', script], terminal(fd)));
          continue;
        }
        if (when === 'stopped') await Promise.all(terminals.map(interrupt));
        const done = spawnSync('sh', ['-ec', script], { cwd: ROOT, encoding: 'utf8', timeout: STEP_MS });
        assert.equal(done.status, 0, `line ${line}: ${done.stdout}${done.stderr}\n${script}`);
        outputs.push(done.stdout);
      }
      const output = outputs.join('');
      assert.match(output, /hello ::ffff:10\.10\.1\.10\n/);
      assert.match(output, /"podName": "web"[^]*"destination": "10\.10\.1\.11:15008"/);
      assert.match(output, /"workload": "db"[^]*"cpuMicroseconds"/);
      assert.match(output, /^istio_requests_total\{reporter="source",.*response_code="200"/m);
      assert.match(output, /policy\.yaml[^]*serviceAccount is not a known field/);
      assert.match(output, /\[\]\s*hello ::ffff:10\.10\.1\.13\nhello from version 2\nRBAC: access denied\s+\(403\)/);
      assert.match(output, /^db 10\.10\.1\.100$/m);
      assert.match(output, /^db\.shop\.svc\.cluster\.local 10\.10\.1\.100$/m);
      assert.match(output, /"HTTPRoute shop\/db"[^]*there is no Service shop\/dbb/);
      const said = logs.map((log) => readFileSync(log, 'utf8')).join('');
      assert.match(said, /src\.identity="spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web".*direction="inbound"/);
      assert.match(said, /error=.*ALLOW policies exist, but none allowed/);
      assert.match(said, /error="connection closed due to policy change"/);
      assert.match(said, /via="same-node"/);
      assert.match(said, /path=\/admin\/users .*status=403 .*policy=shop\/no-admin/);
    } catch (error) {
      for (const log of logs) console.error(`--- ${log}\n${readFileSync(log, 'utf8').slice(-2000)}`);
      throw error;
    } finally {
      await Promise.all(terminals.map(interrupt));
      spawnSync('umount', ['/var/lib']);
    }
  });
});

function terminal(fd: number): { cwd: string; detached: boolean; stdio: ['ignore', number, number] } {
  return { cwd: ROOT, detached: true, stdio: ['ignore', fd, fd] };
}

/** Ctrl-C: to the shell and what it runs. */
async function interrupt(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  process.kill(-child.pid, 'SIGINT');
  await ended;
}

function shellBlocks(markdown: string): readonly Block[] {
  return [...markdown.matchAll(/^```sh(?: (\w+))?\n([^]*?)^```$/gm)].map((match) => ({
    line: markdown.slice(0, match.index).split('\n').length,
    when: match[1] ?? '',
    script: match[2] ?? '',
  }));
}
