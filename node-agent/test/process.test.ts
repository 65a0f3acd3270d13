import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { formatJoinToken } from '@ambit/mesh/tls';

const options = { timeout: 60_000 };
const main = new URL('../src/main.ts', import.meta.url).pathname;

/** The program itself, with nothing of this process's environment. */
class Program implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  output = '';

  constructor(environment: Readonly<Record<string, string>>, ...args: readonly string[]) {
    this.child = spawn(process.execPath, ['--conditions=source', main, ...args], {
      env: { ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.exited = once(this.child, 'close').then(() => this.child.exitCode);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }
}

test('--help names every variable, and nothing else is needed for it', options, async () => {
  await using program = new Program({}, '--help');
  assert.equal(await program.exited, 0);
  assert.match(program.output, /AMBIT_NODE_NAME.*\n.*AMBIT_CONTROLLER_ADDRESS/);
});

test('a variable that cannot be used is named, with an exit code of its own', options, async () => {
  await using program = new Program({ AMBIT_NODE_NAME: 'n', AMBIT_CONTROLLER_ADDRESS: 'c:1', AMBIT_WORKERS: 'many' });
  assert.equal(await program.exited, 2);
  assert.match(program.output, /AMBIT_WORKERS/);
});

test('an argument is refused, and so is a token file that is missing or holds something else', options, async () => {
  await using extra = new Program({}, '--workers=2');
  assert.equal(await extra.exited, 2);
  assert.match(extra.output, /^unexpected argument "--workers=2"\n/);
  const directory = mkdtempSync(join(tmpdir(), 'ambit-process-'));
  try {
    const tokenFile = join(directory, 'token');
    const variables = {
      AMBIT_NODE_NAME: 'n',
      AMBIT_CONTROLLER_ADDRESS: '127.0.0.1:1',
      AMBIT_JOIN_TOKEN_FILE: tokenFile,
      AMBIT_STATE_DIR: join(directory, 'state'),
    };
    await using missing = new Program(variables);
    assert.equal(await missing.exited, 1);
    assert.match(missing.output, /join token cannot be read.*path="[^"]*\/token".*ENOENT/);
    writeFileSync(tokenFile, 'something else');
    await using other = new Program(variables);
    assert.equal(await other.exited, 1);
    assert.match(other.output, /join token cannot be used.*path="[^"]*\/token"/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('an agent that cannot join yet keeps trying, and stops in order when asked to', options, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-process-'));
  try {
    const tokenFile = join(directory, 'token');
    const token = { rootSha256: 'a'.repeat(64), secret: 'b'.repeat(64), expiresAtMs: Date.now() + 60_000, node: 'n' };
    writeFileSync(tokenFile, formatJoinToken(token));
    await using program = new Program({
      AMBIT_NODE_NAME: 'n',
      // The port of tcpmux: nobody serves it.
      AMBIT_CONTROLLER_ADDRESS: '127.0.0.1:1',
      AMBIT_JOIN_TOKEN_FILE: tokenFile,
      AMBIT_STATE_DIR: join(directory, 'state'),
      AMBIT_ZDS_SOCKET: join(directory, 'zds.sock'),
    });
    await until('a second attempt', () => program.output.split('node could not join yet').length > 2, 30_000);
    assert.doesNotMatch(program.output, /bbbb/);
    program.child.kill('SIGTERM');
    assert.equal(await program.exited, 0);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
