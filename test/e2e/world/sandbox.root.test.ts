import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { insideSandbox, probeSandbox, runInSandbox, SANDBOX_VARIABLE } from './sandbox.ts';

const support = probeSandbox();
const sandboxModule = JSON.stringify(new URL('./sandbox.ts', import.meta.url).href);

/** Writes a program that the test runs, away from the repository. */
function program(t: TestContext, text: string): { readonly path: string; readonly file: (name: string) => string } {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-sandbox-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'program.mts');
  writeFileSync(path, text);
  return { path, file: (name) => join(directory, name) };
}

const skip = support.kind === 'unsupported' && process.env['REQUIRE_ROOT_TESTS'] !== '1' ? support.reason : false;

test('runInSandbox() gives own network and processes and passes the exit code on', { skip }, async (t) => {
  assert.equal(insideSandbox(), process.env[SANDBOX_VARIABLE] !== undefined);
  assert.notEqual(support.kind, 'unsupported');
  if (support.kind === 'unsupported') return;
  const { path, file } = program(
    t,
    `import { writeFileSync, readlinkSync } from 'node:fs';
     import { insideSandbox, preparePrivateRun } from ${sandboxModule};
     preparePrivateRun();
     writeFileSync(process.argv[2], JSON.stringify({ pid: process.pid, inside: insideSandbox(), net: readlinkSync('/proc/self/ns/net') }));
     process.exit(7);`,
  );
  assert.equal(await runInSandbox(support.kind, [path, file('out')]), 7);
  const out: { pid: number; inside: boolean; net: string } = JSON.parse(readFileSync(file('out'), 'utf8'));
  assert.deepEqual({ pid: out.pid, inside: out.inside }, { pid: 1, inside: true });
  const own = spawnSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }).stdout.trim();
  assert.notEqual(out.net, own);
});

test('killing the outer program leaves nothing of the inner one', { skip }, async (t) => {
  if (support.kind === 'unsupported') return;
  const { path, file } = program(
    t,
    `import { writeFileSync } from 'node:fs';
     import { insideSandbox, runInSandbox } from ${sandboxModule};
     if (insideSandbox()) setInterval(() => writeFileSync(process.argv[2], String(Date.now())), 20);
     else process.exit(await runInSandbox(${JSON.stringify(support.kind)}, process.argv.slice(1)));`,
  );
  const outer = spawn(process.execPath, [path, file('beat')], {
    stdio: 'ignore',
    // The program asks whether it is inside; the test itself may be.
    env: { ...process.env, [SANDBOX_VARIABLE]: undefined },
  });
  const read = (): string => {
    try {
      return readFileSync(file('beat'), 'utf8');
    } catch {
      return '';
    }
  };
  for (let i = 0; i < 200 && read() === ''; i++) await sleep(25);
  assert.notEqual(read(), '', 'the inner program runs');
  outer.kill('SIGKILL');
  let last = '';
  for (let i = 0; i < 40 && last !== read(); i++) {
    last = read();
    await sleep(100);
  }
  assert.equal(read(), last, 'its heart beats no more');
});

test('a second Ctrl-C ends an inner program that does not listen', { skip }, async (t) => {
  if (support.kind === 'unsupported') return;
  const { path, file } = program(
    t,
    `import { writeFileSync } from 'node:fs';
     import { insideSandbox, runInSandbox } from ${sandboxModule};
     if (insideSandbox()) setInterval(() => writeFileSync(process.argv[2], 'runs'), 20);
     else process.exit(await runInSandbox(${JSON.stringify(support.kind)}, process.argv.slice(1)));`,
  );
  const outer = spawn(process.execPath, [path, file('beat')], {
    stdio: 'ignore',
    env: { ...process.env, [SANDBOX_VARIABLE]: undefined },
  });
  const ended = new Promise((resolve) => outer.once('exit', resolve));
  await until('the inner program runs', () => existsSync(file('beat')));
  outer.kill('SIGINT');
  await sleep(50);
  outer.kill('SIGINT');
  assert.equal(await ended, 130);
});

test('one Ctrl-C reaches an inner program that does not listen yet', { skip }, async (t) => {
  if (support.kind === 'unsupported') return;
  const { path, file } = program(
    t,
    `import { writeFileSync } from 'node:fs';
     import { insideSandbox, runInSandbox } from ${sandboxModule};
     if (insideSandbox()) {
       writeFileSync(process.argv[2], 'runs');
       setTimeout(() => process.on('SIGINT', () => process.exit(9)), 300);
       setInterval(() => {}, 1000);
     } else process.exit(await runInSandbox(${JSON.stringify(support.kind)}, process.argv.slice(1)));`,
  );
  const outer = spawn(process.execPath, [path, file('beat')], {
    stdio: 'ignore',
    env: { ...process.env, [SANDBOX_VARIABLE]: undefined },
  });
  const ended = new Promise((resolve) => outer.once('exit', resolve));
  await until('the inner program runs', () => existsSync(file('beat')));
  outer.kill('SIGINT');
  assert.equal(await ended, 9);
});
