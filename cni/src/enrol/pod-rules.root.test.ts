import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_EXCLUSIONS } from '@ambit/mesh/kinds';
import { NO_EGRESS, parsePort } from '@ambit/mesh/model';
import { rootTestOptions, until } from '@ambit/mesh/testing';
import { desire, stateOf, World } from '../../test/enroller-world.ts';
import { NETNS_CHECK_MS } from './pod-enrolment.ts';

const options = rootTestOptions();

test(
  'exclusions that change are put in force while the pod runs, and nothing else happens to it',
  options,
  async () => {
    await using world = new World();
    await world.addNetns('a', '10.0.0.1');
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    world.takeSteps();
    const exclusions = { ...NO_EXCLUSIONS, outboundPorts: [{ first: parsePort(80), last: parsePort(90) }] };
    const excluding = new Map([...desire(['a', '10.0.0.1'])].map(([uid, pod]) => [uid, { ...pod, exclusions }]));
    await world.enroller.setDesired(excluding);
    await until('the rules are replaced', () => world.steps.length > 0);
    assert.deepEqual([world.takeSteps(), world.exclusions], [['apply replaced'], exclusions]);
    await world.enroller.setDesired(structuredClone(excluding));
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    await until('the rules are replaced', () => world.steps.length > 0);
    assert.deepEqual([world.takeSteps(), world.exclusions], [['apply replaced'], NO_EXCLUSIONS]);
  },
);

test('egress that is locked or opened is put in force while the pod runs', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  world.takeSteps();
  for (const locked of [NO_EGRESS, null]) {
    world.locked = locked;
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    await until('the rules are replaced', () => world.steps.length > 0);
    const egress = locked === null ? null : { locked, meshRanges: [] };
    assert.deepEqual([world.takeSteps(), world.egress], [['apply replaced'], egress]);
  }
});

test('what the rules of a pod have to do without is told', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  world.lacks = ['this', 'that'];
  await world.enroller.setDesired(desire(['a', '10.0.0.1']));
  assert.equal(stateOf(world, 'a'), 'enrolled');
  assert.deepEqual(world.warnings, ['the kernel refused a part of the rules: this; that']);
});

test(
  'rules that somebody changed are replaced; had they been taken away, what was opened since is cut',
  options,
  async () => {
    await using world = new World();
    await world.addNetns('a', '10.0.0.1');
    await world.enroller.setDesired(desire(['a', '10.0.0.1']));
    world.takeSteps();
    await world.clock.advance(5 * NETNS_CHECK_MS);
    assert.deepEqual(world.takeSteps(), []);
    world.generation++;
    await world.clock.advance(NETNS_CHECK_MS);
    await until('the rules are replaced', () => world.steps.length > 0);
    assert.deepEqual(world.takeSteps(), ['apply replaced']);
    world.redirected.clear();
    world.generation++;
    await world.clock.advance(NETNS_CHECK_MS);
    await until('the rules are back', () => world.steps.length > 1);
    assert.deepEqual(world.takeSteps(), ['apply added', 'cut']);
    await world.clock.advance(5 * NETNS_CHECK_MS);
    assert.deepEqual([world.takeSteps(), stateOf(world, 'a')], [[], 'enrolled']);
    assert.equal(await world.counted('ambit_cni_rules_restored_total'), 1);
  },
);

test('DNS of a pod is captured while somebody serves it, and while the pod wants that', options, async () => {
  await using world = new World();
  await world.addNetns('a', '10.0.0.1');
  world.untaken.add('a');
  const pods = desire(['a', '10.0.0.1']);
  await world.enroller.setDesired(pods);
  assert.equal(world.dnsCapture, false);
  world.takeSteps();
  const becomes = async (dnsCapture: boolean, change: () => Promise<void> | void): Promise<void> => {
    await change();
    await until('the rules are replaced', () => world.steps.length > 0);
    assert.deepEqual([world.takeSteps(), world.dnsCapture], [['apply replaced'], dnsCapture]);
    await world.clock.advance(5 * NETNS_CHECK_MS);
    assert.deepEqual(world.takeSteps(), []);
  };
  // A node agent comes up, dies, and another one comes without a word.
  await becomes(true, () => {
    world.dnsServed = true;
    world.untaken.clear();
    world.enroller.notify();
  });
  await becomes(false, () => {
    world.dnsServed = false;
    world.untaken.add('a');
    world.enroller.notify();
  });
  await becomes(true, () => {
    world.dnsServed = true;
    return world.clock.advance(NETNS_CHECK_MS);
  });
  // What is not known stays as it is.
  world.dnsServed = null;
  await world.clock.advance(5 * NETNS_CHECK_MS);
  assert.deepEqual(world.takeSteps(), []);
  world.dnsServed = true;
  const without = new Map([...pods].map(([uid, pod]) => [uid, { ...pod, dnsCapture: false }]));
  await becomes(false, () => world.enroller.setDesired(without));
  await becomes(true, () => world.enroller.setDesired(pods));
});

test(
  'DNS of a pod that is just being made is captured from the start, unless whoever takes the pod does not serve it',
  options,
  async () => {
    await using world = new World();
    await world.addNetns('a', '10.0.0.1');
    world.untaken.add('a');
    const [[uid, pod] = assert.fail('no pod')] = desire(['a', '10.0.0.1']);
    await world.enroller.setDesired(new Map([[uid, { ...pod, starting: true }]]));
    await world.clock.advance(5 * NETNS_CHECK_MS);
    assert.deepEqual([world.takeSteps(), world.dnsCapture], [['apply added', 'announce a'], true]);
    world.untaken.clear();
    world.enroller.notify();
    await until('the rules are replaced', () => world.steps.length > 0);
    assert.deepEqual([world.takeSteps(), world.dnsCapture], [['apply replaced'], false]);
  },
);
