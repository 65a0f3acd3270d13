import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { atTurnEnd } from './turn-end.ts';

test('atTurnEnd() calls back in order, after this turn and before the next one ends', async () => {
  const called: string[] = [];
  atTurnEnd(() => {
    called.push('first');
    atTurnEnd(() => called.push('next turn'));
  });
  atTurnEnd(() => called.push('second'));
  await Promise.resolve();
  process.nextTick(() => called.push('this turn'));
  assert.deepEqual(called, []);
  await nextTurn();
  assert.deepEqual(called, ['this turn', 'first', 'second']);
  await nextTurn();
  assert.deepEqual(called, ['this turn', 'first', 'second', 'next turn']);
});

test('atTurnEnd() goes on after many, and after few again', async () => {
  let called = 0;
  for (const size of [1, 1000, 3, 0, 2000]) {
    called = 0;
    for (let i = 0; i < size; i += 1) atTurnEnd(() => (called += 1));
    await nextTurn();
    assert.equal(called, size);
  }
});

test('a callback that throws is an uncaught exception, and takes no turn from those behind it, nor their order', async () => {
  const program = `
    const { atTurnEnd } = await import(${JSON.stringify(new URL('turn-end.ts', import.meta.url).href)});
    const { parentPort } = await import('node:worker_threads');
    process.on('uncaughtException', (error) => parentPort.postMessage(error.message));
    for (const name of ['a', 'b', 'c']) {
      atTurnEnd(() => {
        if (name === 'a') atTurnEnd(() => parentPort.postMessage('d'));
        if (name === 'b') throw new Error('b throws');
        parentPort.postMessage(name);
      });
    }
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  const heard: unknown[] = [];
  worker.on('message', (message) => heard.push(message));
  await once(worker, 'exit');
  assert.deepEqual(heard, ['a', 'b throws', 'c', 'd']);
});
