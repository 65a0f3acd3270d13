import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NetnsHandle, type NetnsIdentity, sameNetns } from '@ambit/mesh/linux';
import { rootTestOptions, type TestNetns, until } from '@ambit/mesh/testing';
import { desire, stateOf, World } from '../../test/enroller-world.ts';
import { NETNS_CHECK_MS } from './pod-enrolment.ts';

const options = rootTestOptions();

test(
  'a pod is redirected, older connections are cut, then it is announced; release goes the other way',
  options,
  async () => {
    await using world = new World();
    const netns = await world.addNetns('a', '10.0.0.1');
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    assert.deepEqual(world.takeSteps(), ['apply added', 'cut', 'announce a']);
    using handle = NetnsHandle.open(netns.path);
    assert.ok(sameNetns(world.announced.get('a')?.netns.identity ?? assert.fail('not announced'), handle.identity));
    assert.deepEqual([stateOf(world, 'a'), [...world.records.keys()]], ['enrolled', ['a']]);
    await world.enroller.setDesired(new Map());
    await until('the pod is forgotten', () => world.enroller.statuses().length === 0);
    assert.deepEqual([world.takeSteps(), world.records.size], [['withdraw a', 'remove'], 0]);
  },
);

test('a pod whose namespace comes later is enrolled then', options, async () => {
  await using world = new World();
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  assert.deepEqual([world.takeSteps(), stateOf(world, 'a')], [[], 'enrolling']);
  await world.addNetns('a', '10.0.0.1');
  await world.clock.advance(6000);
  await until('the pod is enrolled', () => stateOf(world, 'a') === 'enrolled');
});

test('a namespace that holds none of the addresses is left alone', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.9');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  await world.clock.advance(6000);
  assert.deepEqual([world.takeSteps(), stateOf(world, 'a'), world.records.size], [[], 'enrolling', 0]);
});

test('rules that fail are tried again without end; the pod is not announced before they stand', options, async () => {
  await using world = new World();
  world.failApply = true;
  await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  await world.clock.advance(60_000);
  assert.deepEqual([world.takeSteps(), stateOf(world, 'a')], [[], 'enrolling']);
  world.failApply = false;
  await world.clock.advance(6000);
  await until('the pod is enrolled', () => stateOf(world, 'a') === 'enrolled');
  world.failRemove = true;
  await world.enroller.setDesired(new Map());
  await world.clock.advance(60_000);
  assert.equal(stateOf(world, 'a'), 'releasing');
  world.failRemove = false;
  await world.clock.advance(6000);
  await until('the pod is forgotten', () => world.enroller.statuses().length === 0);
});

test('a pod made anew under its name is withdrawn and enrolled in its new namespace', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  world.takeSteps();
  await world.addNetns('a', '10.0.0.1');
  await world.clock.advance(NETNS_CHECK_MS);
  await until('the pod is enrolled again', () => world.announced.has('a') && world.steps.length === 4);
  assert.deepEqual(world.takeSteps(), ['withdraw a', 'apply added', 'cut', 'announce a']);
});

test('a pod whose service account changes is announced anew, and its rules stay', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  const desired = desire(['a', '10.0.0.1']);
  await world.enroller.setDesired(desired);
  world.takeSteps();
  const pod = desired.get('a') ?? assert.fail('not desired');
  for (const serviceAccount of ['web', 'default']) {
    await world.enroller.setDesired(new Map([['a', { ...pod, serviceAccount }]]));
    await until('it is announced', () => world.announced.get('a')?.names.serviceAccount === serviceAccount);
    assert.deepEqual([world.takeSteps(), stateOf(world, 'a')], [['announce a'], 'enrolled']);
  }
});

test('stopping leaves the rules; the next run takes them over without cutting anything', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  await world.addNetns('b', '10.0.0.2');
  await world.addNetns('c', '10.0.0.3');
  await world.enroller.setDesired(desire(['a', '10.0.0.1'], ['b', '10.0.0.2'], ['c', '10.0.0.3']));
  await world.enroller[Symbol.asyncDispose]();
  world.takeSteps();
  world.announced.clear();
  assert.equal(world.redirected.size, 3);
  // Meanwhile b is no longer wanted, and c was made anew and is no longer wanted either.
  await world.addNetns('c', '10.0.0.3');
  await using next = world.createEnroller();
  await next.setDesired(desire(['a', '10.0.0.1']));
  await until('b and c are forgotten', () => next.statuses().length === 1);
  assert.deepEqual([...world.takeSteps()].sort(), ['announce a', 'apply replaced', 'remove']);
  assert.deepEqual([...world.records.keys()], ['a']);
});

test('releaseAll() releases what this and an earlier run enrolled', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  await world.enroller[Symbol.asyncDispose]();
  await using next = world.createEnroller();
  await next.releaseAll();
  assert.deepEqual([world.redirected.size, world.records.size, next.statuses()], [0, 0, []]);
});

test('after releaseAll() no pod is enrolled any more', options, async () => {
  await using world = new World();
  const netns = await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  const released = world.enroller.releaseAll();
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  await released;
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  assert.deepEqual([world.redirected.size, world.records.size, world.enroller.statuses()], [0, 0, []]);
  const never = new AbortController().signal;
  await assert.rejects(world.enroller.whenEnrolled('a', identityOf(netns), never), { message: /released/ });
});

test('within the grace older connections go on; then those that still exist are cut and counted', options, async () => {
  await using world = new World(60_000);
  await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  assert.deepEqual([world.takeSteps(), world.predating], [['apply added', 'announce a'], 'spare']);
  await world.clock.advance(59_000);
  assert.deepEqual(world.takeSteps(), []);
  // One of the two has ended, and another one was opened, through the node agent.
  world.connections = ['10.0.0.1:2 10.0.0.9:80', '10.0.0.1:3 10.0.0.9:80'];
  await world.clock.advance(2000);
  await until('the grace ends', () => world.steps.length > 0);
  assert.deepEqual([world.takeSteps(), world.predating], [['apply replaced'], 'reset']);
  assert.equal(await world.counted('ambit_cni_connections_cut_total'), 1);
});

test('in the namespace of a pod that is just being made there is nothing to cut', options, async () => {
  await using world = new World(60_000);
  world.dnsServed = true;
  await world.addNetns('a', '10.0.0.1');
  const [[uid, pod] = assert.fail('no pod')] = desire(['a', '10.0.0.1']);
  await world.enroller.setDesired(new Map([[uid, { ...pod, starting: true }]]));
  assert.deepEqual([world.takeSteps(), world.predating], [['apply added', 'announce a'], 'reset']);
});

test('whenEnrolled() resolves when the pod is, and rejects when its time is over', options, async () => {
  await using world = new World();
  const netns = identityOf(await world.addNetns('a', '10.0.0.1'));
  await assert.rejects(world.enroller.whenEnrolled('a', netns, AbortSignal.timeout(5)), { name: 'TimeoutError' });
  const enrolled = world.enroller.whenEnrolled('a', netns, AbortSignal.timeout(10_000));
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  await enrolled;
});

test(
  'whenEnrolled() does not take the namespace of an earlier sandbox for the one that was asked about',
  options,
  async () => {
    await using world = new World();
    await world.addNetns('a', '10.0.0.1');
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    const netns = identityOf(await world.addNetns('a', '10.0.0.1'));
    const enrolled = world.enroller.whenEnrolled('a', netns, AbortSignal.timeout(10_000));
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    await enrolled;
    assert.equal(world.announced.get('a')?.netns.identity.inode, netns.inode);
  },
);

test('a pod that is wanted again while it is released ends up enrolled', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  for (let i = 0; i < 20; i++) {
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    const releasing = world.enroller.setDesired(new Map());
    for (let turns = 0; turns < i; turns++) await Promise.resolve();
    await Promise.all([releasing, world.enroller.setDesired(desire(['a', '10.0.0.1']))]);
    await until('the pod is enrolled', () => stateOf(world, 'a') === 'enrolled');
  }
});

function identityOf({ path }: TestNetns): NetnsIdentity {
  using handle = NetnsHandle.open(path);
  return handle.identity;
}
