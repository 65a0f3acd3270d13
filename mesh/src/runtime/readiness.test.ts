import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Readiness } from './readiness.ts';

test('Readiness is ready when every named task is done, and not again after one is undone', async () => {
  const readiness = new Readiness();
  const xds = readiness.task('xds');
  const cert = readiness.task('certificate');
  assert.deepEqual(readiness.pending(), ['xds', 'certificate']);
  let woke = false;
  const waiting = readiness.whenReady(AbortSignal.timeout(5000)).then(() => {
    woke = true;
  });
  xds.done();
  xds.done();
  await Promise.resolve();
  assert.equal(woke, false);
  cert.done();
  await waiting;
  assert.deepEqual(readiness.pending(), []);
  await readiness.whenReady(AbortSignal.timeout(5000));
  xds.undo();
  assert.deepEqual(readiness.pending(), ['xds']);
});

test('Readiness lets a waiter give up and refuses a name registered twice', async () => {
  const readiness = new Readiness();
  readiness.task('a');
  assert.throws(() => readiness.task('a'), /registered twice/);
  const stop = new AbortController();
  const waiting = readiness.whenReady(stop.signal);
  stop.abort(new Error('stopped'));
  await assert.rejects(waiting, /stopped/);
});
