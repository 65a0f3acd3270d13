import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

/** `GONE` is where Node was when it started. */
const PROGRAM = `
  import { collectAlone } from ${JSON.stringify(new URL('./collect-alone.ts', import.meta.url).href)};
  const { pid, argv, execArgv, env: { NAME, GONE } } = process;
  console.log(JSON.stringify({ pid, args: argv.slice(2), flags: execArgv, NAME }));
  if (GONE !== undefined) Object.defineProperty(process, 'execPath', { value: GONE });
  collectAlone(process);
  console.log('goes on');
`;

async function run(...command: readonly string[]): Promise<readonly string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'ambit-alone-'));
  try {
    const program = join(directory, 'program.mjs');
    await writeFile(program, PROGRAM);
    const args = [...command, process.execPath, '--conditions=source', program, 'one', 'two'];
    const { stdout, stderr } = await promisify(execFile)('env', args, { env: { ...process.env, NAME: 'value' } });
    assert.equal(stderr, '');
    return stdout.trim().split('\n');
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('a process with one core begins anew without helper threads, once, and is the same to others', async () => {
  const [before = '', after = '', ...rest] = await run('taskset', '-c', '0');
  const first: unknown = JSON.parse(before);
  const second: unknown = JSON.parse(after);
  assert.ok(typeof first === 'object' && first !== null && 'pid' in first);
  const same = { pid: first.pid, args: ['one', 'two'], NAME: 'value' };
  assert.deepEqual(first, { ...same, flags: ['--conditions=source'] });
  assert.deepEqual(second, { ...same, flags: ['--single-threaded-gc', '--conditions=source'] });
  assert.deepEqual(rest, ['goes on']);
});

test('a process with one core whose program is not there any more goes on as it is', async () => {
  const [, ...rest] = await run('GONE=/nowhere/node (deleted)', 'taskset', '-c', '0');
  assert.deepEqual(rest, ['goes on']);
});

test('a process with several cores goes on', {
  skip: availableParallelism() === 1 && 'this machine has one',
}, async () => {
  const [, ...rest] = await run();
  assert.deepEqual(rest, ['goes on']);
});
