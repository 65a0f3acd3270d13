import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { silentLogger } from './logger.ts';
import { WorkerError, WorkerPool } from './worker-pool.ts';

interface Calls {
  readonly metrics: { readonly args: Record<string, never>; readonly result: unknown };
}

/** A worker program from its body, in which `port` and `workerData` are known. */
function program(body: string): URL {
  const head = "import { parentPort as port, workerData } from 'node:worker_threads';";
  return new URL(`data:text/javascript,${encodeURIComponent(`${head}\n${body}`)}`);
}

function open(body: string, count = 1): { readonly pool: WorkerPool<Calls>; readonly lost: Promise<Error> } {
  const { promise, resolve } = Promise.withResolvers<Error>();
  return {
    pool: new WorkerPool({ program: program(body), count, config: {}, logger: silentLogger, onLost: resolve }),
    lost: promise,
  };
}

const ANSWER =
  "port.on('message', ({ id, call }) => port.postMessage({ id, kind: 'result', result: [call, workerData.index] }));";
const REFUSE =
  "port.on('message', ({ id }) => port.postMessage({ id, kind: 'error', error: { type: 'SyscallError', code: 'syscall-failed', message: 'no' } }));";

describe('WorkerPool', () => {
  test('asks every worker and gives all answers', async () => {
    const { pool } = open(ANSWER, 2);
    await using _ = pool;
    assert.deepEqual(await pool.callAll('metrics', {}), [
      ['metrics', 0],
      ['metrics', 1],
    ]);
  });

  test('rejects with what the worker refused for', async () => {
    const { pool } = open(REFUSE);
    await using _ = pool;
    await assert.rejects(pool.callAll('metrics', {}), (error) => {
      assert.ok(error instanceof WorkerError);
      assert.deepEqual(
        [error.code, error.data],
        ['worker-failed', { type: 'SyscallError', code: 'syscall-failed', reason: 'no' }],
      );
      return true;
    });
  });

  for (const [name, body] of [
    ['throws', "port.on('message', () => { throw new Error('bug'); });"],
    ['ends', "port.on('message', () => process.exit(3));"],
  ] as const) {
    test(`a worker that ${name} is reported, and whoever waits for it hears of it`, async () => {
      const { pool, lost } = open(body);
      await using _ = pool;
      const waiting = pool.callAll('metrics', {});
      await assert.rejects(waiting, { code: 'worker-lost' });
      assert.equal((await lost) instanceof WorkerError, true);
      await assert.rejects(pool.callAll('metrics', {}), { code: 'worker-lost' });
    });
  }

  test('that is disposed reports nothing lost', async () => {
    const { pool, lost } = open('port.ref();');
    const waiting = pool.callAll('metrics', {});
    const rejected = assert.rejects(waiting, { code: 'worker-lost' });
    await pool[Symbol.asyncDispose]();
    await rejected;
    assert.equal(await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, 20, 'nothing'))]), 'nothing');
  });
});
