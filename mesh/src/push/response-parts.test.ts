import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addresses, policies, startClient, summary, web } from '../testing/push-world.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import type { DiscoveryResponse } from '../wire/discovery-messages.ts';
import type { HeldResource } from './changes.ts';
import { HeldTable } from './held-table.ts';
import { PART_RESOURCES_MAX, partsOf } from './response-parts.ts';

function pods(count: number, version = '1'): DiscoveryResponse['resources'][number][] {
  return Array.from({ length: count }, (_, index) =>
    web(version, buildWorkload({ name: `pod-${index}`, addresses: [`10.0.${index >> 8}.${index & 255}`] })),
  );
}

const sizes = (response: DiscoveryResponse): readonly (readonly [number, readonly string[]])[] =>
  Array.from(partsOf(response), ({ resources, removedResources }) => [resources.length, removedResources]);

test('partsOf() leaves small responses whole, and policies', () => {
  const few = addresses({ resources: pods(PART_RESOURCES_MAX), removedResources: ['x'] });
  assert.deepEqual([...partsOf(few)], [few]);
  const many = policies({ resources: pods(PART_RESOURCES_MAX + 1) });
  assert.deepEqual([...partsOf(many)], [many]);
});

test('partsOf() has removals come last, but for what is put', () => {
  const resources = pods(2 * PART_RESOURCES_MAX + 1);
  const removedResources = ['gone', resources[3]?.name ?? ''];
  assert.deepEqual(sizes(addresses({ resources, removedResources })), [
    [PART_RESOURCES_MAX, []],
    [PART_RESOURCES_MAX, []],
    [1, ['gone']],
  ]);
  assert.deepEqual(sizes(addresses({ resources: pods(2 * PART_RESOURCES_MAX) })), [
    [PART_RESOURCES_MAX, []],
    [PART_RESOURCES_MAX, []],
    [0, []],
  ]);
});

test('PushClient puts a large response in force part by part, and answers once: with everything that it refuses', async () => {
  const world = startClient();
  await world.settle();
  world.transport.stream(0).push(policies());
  await world.settle();
  const resources = pods(PART_RESOURCES_MAX + 20);
  const bad = { ...web('1'), value: Uint8Array.of(255) };
  world.transport.stream(0).push(addresses({ resources: [bad, ...resources, { ...bad, name: 'also' }] }));
  await world.settle();
  assert.deepEqual(
    world.updates.map(({ workloads }) => workloads?.length),
    [PART_RESOURCES_MAX - 1, 21],
  );
  assert.deepEqual(summary(world.transport.stream(0)).at(-1), 'addresses nack a1');
  const { errorDetail } = world.transport.stream(0).sent.at(-1) ?? {};
  assert.match(errorDetail?.message ?? '', /^cluster-1\/\/Pod\/shop\/web: .*; also: /);
  assert.deepEqual(errorDetail?.refusedNames, [bad.name, 'also']);
  assert.equal(world.client.status().types[1]?.resources, resources.length);
  const event = world.events.at(-1);
  assert.equal(event?.kind === 'response' ? event.refused : undefined, 2);
  await world.stop();
});

test('PushClient keeps the parts of a response that were in force when a later one failed, and does not ask for them again', async () => {
  let calls = 0;
  const world = startClient(() => (++calls === 2 ? Promise.reject(new Error('no')) : Promise.resolve()));
  await world.settle();
  world.transport.stream(0).push(policies());
  await world.settle();
  world.transport.stream(0).push(addresses({ resources: pods(PART_RESOURCES_MAX * 3) }));
  await world.settle();
  assert.equal(world.readyCount(), 0);
  await world.clock.advance(20);
  const again = world.transport.stream(1);
  const asked = again.sent.find(({ initialResourceVersions }) => initialResourceVersions.size > 0);
  assert.equal(asked?.initialResourceVersions.size, PART_RESOURCES_MAX);
  again.push(policies());
  await world.settle();
  assert.equal(world.readyCount(), 0, 'only a part is there');
  await world.stop();
});

test('HeldTable gives what it holds by name, and takes no more room for what comes again', () => {
  const table = new HeldTable(1);
  const expected = new Map<string, HeldResource>();
  for (let step = 0; step < 5000; step++) {
    const name = `größe-${step % 700}`;
    if (step % 11 === 0) {
      table.delete(name);
      expected.delete(name);
      continue;
    }
    const plain: HeldResource = { name, version: String(step), kind: 'policy' };
    const held: HeldResource = step % 5 === 0 ? { ...plain, standsIn: true } : plain;
    table.set(held);
    expected.set(name, held);
  }
  const standIns = [...expected.values()].filter(({ standsIn }) => standsIn === true).length;
  assert.deepEqual([table.size, table.standIns], [expected.size, standIns]);
  assert.deepEqual(new Map(Array.from(table.values(), (held) => [held.name, held])), expected);
  for (const [name, held] of expected) assert.deepEqual(table.get(name), held);
  assert.equal(table.get('absent'), undefined);
  table.delete('absent');
});
