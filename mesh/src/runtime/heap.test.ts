import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

const THREADS = 4;
const ROUNDS = 8;

/** Each round begins when every thread has come to it, so that they compact at the same moment. */
const PROGRAM = `
  const { workerData: { heapUrl, counters, threads, rounds } } = require('node:worker_threads');
  import(heapUrl).then(({ compactHeap }) => {
    for (let round = 0; round < rounds; round++) {
      Atomics.add(counters, round, 1);
      Atomics.notify(counters, round);
      for (let come; (come = Atomics.load(counters, round)) < threads; ) Atomics.wait(counters, round, come);
      compactHeap();
    }
  });
`;

test('threads give their memory back at the same moment', async () => {
  const counters = new Int32Array(new SharedArrayBuffer(ROUNDS * Int32Array.BYTES_PER_ELEMENT));
  const heapUrl = new URL('./heap.ts', import.meta.url).href;
  const ends = Array.from({ length: THREADS }, async () => {
    const workerData = { heapUrl, counters, threads: THREADS, rounds: ROUNDS };
    const worker = new Worker(PROGRAM, { eval: true, workerData });
    const [code] = await once(worker, 'exit');
    assert.equal(code, 0);
  });
  try {
    await Promise.all(ends);
  } finally {
    // Whoever waits for a thread that failed would wait for ever.
    counters.fill(THREADS);
    for (let round = 0; round < ROUNDS; round++) Atomics.notify(counters, round);
  }
});
