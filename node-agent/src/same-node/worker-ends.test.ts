import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSocketAddress } from '@ambit/mesh/model';
import { ManualClock, until } from '@ambit/mesh/testing';
import type { ServerEnd } from './server-ends.ts';
import { WorkerEnds } from './worker-ends.ts';

const address = parseSocketAddress('10.0.0.1:15008');

function openEnds(name: string, worker: number, clock: ManualClock, known: ReadonlyMap<string, ServerEnd>): WorkerEnds {
  return new WorkerEnds({
    clock,
    own: { find: (binding) => known.get(binding) },
    channel: { name, workers: 2 },
    worker,
  });
}

test('several connections that ask for one session at once all find its end in another worker', async () => {
  const clock = new ManualClock();
  const name = `worker-ends-${process.pid}`;
  const end = { instance: 7, source: address, destination: address } as ServerEnd;
  using here = openEnds(name, 0, clock, new Map());
  using _other = openEnds(name, 1, clock, new Map([['b', end]]));
  const asked = [here.find('b'), here.find('b'), here.find('b')];
  let found: readonly unknown[] = [];
  void Promise.all(asked).then((all) => (found = all));
  // Time stands still: who is not answered waits for ever.
  await until('all to be answered', () => found.length === 3);
  assert.deepEqual(found, [end, end, end]);
});

test('an end that no worker has is known not to be there once all have said so', async () => {
  const clock = new ManualClock();
  const name = `worker-ends-nobody-${process.pid}`;
  using here = openEnds(name, 0, clock, new Map());
  using _other = openEnds(name, 1, clock, new Map());
  let found: unknown = 'not yet';
  void here.find('b').then((end) => (found = end));
  await until('the answer', () => found !== 'not yet');
  assert.deepEqual([found, clock.pending], [undefined, 0]);
});

test('a worker that is silent is not waited for once time is up', async () => {
  const clock = new ManualClock();
  using here = openEnds(`worker-ends-none-${process.pid}`, 0, clock, new Map());
  const asked = [here.find('b'), here.find('b')];
  await clock.advance(1000);
  assert.deepEqual(await Promise.all(asked), [undefined, undefined]);
});
