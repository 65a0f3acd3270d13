import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { newDataWorker } from './data-worker.ts';

/** Tells its arguments, and whether it follows async contexts by frames, as Node does unless told otherwise. */
const PROGRAM = `
  import { parentPort, workerData } from 'node:worker_threads';
  import { AsyncLocalStorage } from 'node:async_hooks';
  const hasFrames = !Reflect.ownKeys(AsyncLocalStorage.prototype).includes('_enable');
  parentPort.postMessage({ execArgv: process.execArgv, hasFrames, workerData });`;
const program = new URL(`data:text/javascript,${encodeURIComponent(PROGRAM)}`);

async function told(execArgv: readonly string[]): Promise<unknown> {
  const worker = newDataWorker(program, { workerData: 7 }, execArgv);
  const [message]: unknown[] = await once(worker, 'message');
  await worker.terminate();
  return message;
}

test('newDataWorker() starts a worker without async contexts, with the arguments of this process', async () => {
  assert.deepEqual(await told(['--single-threaded-gc', '--conditions=source']), {
    execArgv: ['--conditions=source', '--no-async-context-frame'],
    hasFrames: false,
    workerData: 7,
  });
});

test('newDataWorker() leaves out what is of the whole process, with its value beside it or not', async () => {
  for (const process of [['--perf-basic-prof'], ['--max-old-space-size=200', '--expose-gc'], ['--title', 'agent']]) {
    assert.deepEqual(
      await told([...process, '--conditions=source']),
      { execArgv: ['--conditions=source', '--no-async-context-frame'], hasFrames: false, workerData: 7 },
      process.join(' '),
    );
  }
});

test('newDataWorker() keeps what only looks like a part of what it leaves out', async () => {
  const message = await told(['-r', 'node:fs', '--report-on-fatalerror']);
  const execArgv = ['-r', 'node:fs', '--no-async-context-frame'];
  assert.deepEqual(message, { execArgv, hasFrames: false, workerData: 7 });
});

test('newDataWorker() leaves everything as it is when Node takes none of that', async () => {
  const message = await told(['--unknown-of-any-node', '--conditions=source', '--conditions']);
  assert.deepEqual(message, { execArgv: process.execArgv, hasFrames: true, workerData: 7 });
});
