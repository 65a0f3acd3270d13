import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMeshViewStore, parseIpAddress } from '@ambit/mesh/model';
import { buildWorkload, ManualClock } from '@ambit/mesh/testing';
import { NAME_DEMAND_LIMITS, NameDemand } from './name-demand.ts';

const pod = {};

interface World {
  readonly clock: ManualClock;
  readonly demand: NameDemand;
  readonly asked: (readonly string[])[];
  readonly apply: ReturnType<typeof createMeshViewStore>['apply'];
}

function start(): World {
  const clock = new ManualClock();
  const asked: (readonly string[])[] = [];
  const { view, apply } = createMeshViewStore();
  const ask = (names: readonly string[]): void => void asked.push(names);
  return { clock, asked, apply, demand: new NameDemand({ clock, view, clusterDomain: 'cluster.local', ask }) };
}

test('NameDemand asks once for a name, in one message what is wanted at once, and remembers the answer for a while', async () => {
  const { clock, demand, asked } = start();
  const waits = [demand.wait(['a', 'b'], 5000, pod), demand.wait(['b'], 5000, pod)];
  await clock.advance(0);
  assert.deepEqual(asked, [['a', 'b']]);
  demand.answer([{ name: 'b', kind: 'absent' }]);
  assert.equal(await waits[1], 'answered');
  demand.answer([{ name: 'a', kind: 'there' }]);
  assert.equal(await waits[0], 'answered');
  demand.want(['a', 'b']);
  await clock.advance(NAME_DEMAND_LIMITS.answerMs);
  assert.deepEqual(asked.length, 1);
  demand.want(['b']);
  await clock.advance(0);
  assert.deepEqual(asked.slice(1), [['b']]);
  assert.equal(clock.pending, 0);
});

test('NameDemand ends a wait at its deadline, and asks anew what nobody has answered for a while', async () => {
  const { clock, demand, asked } = start();
  const wait = demand.wait(['a'], 100, pod);
  await clock.advance(100);
  assert.equal(await wait, 'timeout');
  assert.equal(await demand.wait(['a'], 100, pod), 'timeout');
  demand.want(['a']);
  await clock.advance(NAME_DEMAND_LIMITS.unansweredMs);
  demand.want(['a']);
  await clock.advance(0);
  assert.deepEqual(asked, [['a'], ['a']]);
});

test('NameDemand lets no more wait than its bounds, of one pod less, and frees the places', async () => {
  const { demand } = start();
  const { waitingMax, waitingPerPodMax } = NAME_DEMAND_LIMITS;
  const pods = Array.from({ length: waitingMax / waitingPerPodMax }, () => ({}));
  const waiting = pods.flatMap((each) =>
    Array.from({ length: waitingPerPodMax }, () => demand.wait(['a'], 5000, each)),
  );
  assert.equal(await demand.wait(['a'], 5000, pods[0] ?? pod), 'too-many');
  assert.equal(await demand.wait(['a'], 5000, pod), 'too-many');
  demand.answer([{ name: 'a', kind: 'there' }]);
  assert.equal(
    (await Promise.all(waiting)).every((outcome) => outcome === 'answered'),
    true,
  );
  const next = demand.wait(['b'], 5000, pod);
  demand.answer([{ name: 'b', kind: 'too-many' }]);
  assert.equal(await next, 'too-many');
});

test('NameDemand asks for no more names than its bound', async () => {
  const { demand } = start();
  demand.want(Array.from({ length: NAME_DEMAND_LIMITS.askedMax }, (_, index) => `n${index}`));
  assert.equal(await demand.wait(['one more'], 5000, pod), 'too-many');
});

test('NameDemand.settle() goes on until a decision misses nothing', async () => {
  const { clock, demand, asked, apply } = start();
  const ip = parseIpAddress('10.0.0.1');
  const workload = buildWorkload({ addresses: ['10.0.0.1'] });
  const settled = demand.settle(
    'shop',
    (view) => view.workloadByAddress('', ip) !== undefined && view.workloadByAddress('far', ip),
    5000,
    pod,
  );
  await clock.advance(0);
  apply({ workloads: [workload] });
  demand.answer([{ name: '/10.0.0.1', kind: 'there' }]);
  await clock.advance(0);
  demand.answer([{ name: 'far/10.0.0.1', kind: 'absent' }]);
  assert.equal(await settled, 'settled');
  assert.deepEqual(asked, [['/10.0.0.1'], ['far/10.0.0.1']]);
});

test('NameDemand asks anew for a name that the main thread follows no more, at once', async () => {
  const { clock, demand, asked } = start();
  demand.want(['a']);
  await clock.advance(0);
  demand.answer([{ name: 'a', kind: 'absent' }]);
  demand.answer([{ name: 'a', kind: 'forgotten' }]);
  demand.want(['a']);
  // Of before it was asked for again: the answer is still to come.
  demand.answer([{ name: 'a', kind: 'forgotten' }]);
  await clock.advance(0);
  assert.deepEqual(asked, [['a'], ['a']]);
  const wait = demand.wait(['a'], 5000, pod);
  demand.answer([{ name: 'a', kind: 'there' }]);
  assert.equal(await wait, 'answered');
});

test('NameDemand keeps an answer no longer than it counts', async () => {
  const { clock, demand, asked } = start();
  demand.want(['a', 'b']);
  await clock.advance(0);
  demand.answer([
    { name: 'a', kind: 'absent', forMs: 100 },
    { name: 'b', kind: 'absent', forMs: Number.POSITIVE_INFINITY },
  ]);
  await clock.advance(100);
  demand.want(['a', 'b']);
  await clock.advance(NAME_DEMAND_LIMITS.answerMs - 100);
  demand.want(['b']);
  await clock.advance(0);
  assert.deepEqual(asked, [['a', 'b'], ['a'], ['b']]);
});
