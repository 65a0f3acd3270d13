import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { buildService } from '../testing/service-builder.ts';
import {
  addresses,
  policies,
  resource,
  type RunningPushClient,
  type ScriptedStream,
  startClient,
  UID,
  web,
} from '../testing/push-world.ts';
import { ADDRESS_TYPE_URL, AMBIT_CONTROL_PLANE } from '../wire/discovery-messages.ts';
import { Demand, DEMAND_LIMITS, type NameAnswer } from './demand.ts';

interface World {
  readonly run: RunningPushClient;
  readonly demand: Demand;
  readonly clock: ManualClock;
  readonly answers: string[];
  /** A stream whose policies are there. */
  stream(index?: number): Promise<ScriptedStream>;
  [Symbol.asyncDispose](): Promise<void>;
}

function start(namesMax?: number): World {
  const answers: string[] = [];
  const clock = new ManualClock();
  const demand: Demand = new Demand({
    clock,
    isThere: (name) => (name === UID || name === 'n/10.0.0.1') && run.view.workload(UID) !== undefined,
    onAnswers: (all: readonly NameAnswer[]) =>
      answers.push(
        ...all.map(
          ({ name, kind, forMs = Number.POSITIVE_INFINITY }) =>
            `${name} ${kind}${Number.isFinite(forMs) ? ` ${forMs}` : ''}`,
        ),
      ),
    ...(namesMax === undefined ? {} : { namesMax }),
  });
  const run = startClient(undefined, 0, false, { demand });
  return {
    run,
    demand,
    clock,
    answers,
    async stream(index = 0) {
      await run.settle();
      run.transport.stream(index).push(policies());
      await run.settle();
      return run.transport.stream(index);
    },
    [Symbol.asyncDispose]: () => run.stop(),
  };
}

/** What a stream was asked for of addresses: what is wanted, what no more, what is held. */
function asked(stream: ScriptedStream): string[] {
  return stream.sent
    .filter(({ typeUrl, responseNonce }) => typeUrl === ADDRESS_TYPE_URL && responseNonce === '')
    .map(({ subscribe, unsubscribe, initialResourceVersions }) =>
      [
        ...subscribe.map((name) => `+${name}`),
        ...unsubscribe.map((name) => `-${name}`),
        ...[...initialResourceVersions].map(([name, version]) => `${name}@${version}`),
      ].join(' '),
    );
}

describe('Demand', () => {
  test('begins with nothing, is ready once the server has said so, and asks for each name once', async () => {
    await using world = start();
    const stream = await world.stream();
    assert.deepEqual(asked(stream), ['+* -*']);
    stream.push(addresses());
    await world.run.settle();
    assert.equal(world.run.readyCount(), 1);
    world.demand.want(['/10.0.0.1', '/10.0.0.2']);
    world.demand.want(['/10.0.0.1']);
    await world.run.settle();
    assert.deepEqual([asked(stream).slice(1), world.answers], [['+/10.0.0.1 +/10.0.0.2'], []]);
  });

  test('answers by name and by alias once it is in force, and says what nobody has', async () => {
    await using world = start();
    const stream = await world.stream();
    world.demand.want(['n/10.0.0.1', 'n/10.0.0.2', UID]);
    await world.run.settle();
    const found = { ...web('1'), aliases: ['n/10.0.0.1'] };
    stream.push(addresses({ resources: [found], removedResources: ['n/10.0.0.2'] }));
    await world.run.settle();
    assert.deepEqual(world.answers, [`${UID} there`, 'n/10.0.0.1 there', 'n/10.0.0.2 absent']);
    assert.ok(world.run.view.workload(UID));
    world.demand.want(['n/10.0.0.1', 'n/10.0.0.2']);
    await world.run.settle();
    assert.deepEqual(world.answers.slice(3), ['n/10.0.0.1 there', 'n/10.0.0.2 absent 30000']);
    assert.equal(asked(stream).length, 2);
  });

  test('asks a new stream for all names, with what is held of them, and takes silence about that for the answer', async () => {
    await using world = start();
    const first = await world.stream();
    world.demand.want(['n/10.0.0.2', 'n/10.0.0.3']);
    await world.run.settle();
    first.push(addresses({ resources: [web('7')], removedResources: ['n/10.0.0.2'] }));
    await world.run.settle();
    world.demand.want([UID]);
    first.end(new Error('gone'));
    await world.run.settle();
    world.demand.want(['n/10.0.0.4']);
    await world.run.clock.advance(10);
    const second = await world.stream(1);
    assert.deepEqual(asked(second), [`+* +n/10.0.0.2 +n/10.0.0.3 +${UID} +n/10.0.0.4 -* ${UID}@7`]);
    second.push(addresses({ removedResources: ['n/10.0.0.2', 'n/10.0.0.3'] }));
    await world.run.settle();
    assert.deepEqual(world.answers.slice(1), ['n/10.0.0.3 absent', `${UID} there`]);
    world.demand.want(['n/10.0.0.5']);
    await world.run.settle();
    assert.deepEqual(asked(second).slice(1), ['+n/10.0.0.5']);
  });

  test('asks again for what nobody had a while ago, in a way that every server answers', async () => {
    await using world = start();
    const stream = await world.stream();
    world.demand.want(['n/10.0.0.2']);
    await world.run.settle();
    stream.push(addresses({ removedResources: ['n/10.0.0.2'] }));
    await world.run.settle();
    await world.clock.advance(DEMAND_LIMITS.absentMs - 1);
    world.demand.want(['n/10.0.0.2']);
    assert.equal(world.answers.at(-1), 'n/10.0.0.2 absent 1');
    await world.clock.advance(1);
    world.demand.want(['n/10.0.0.2']);
    await world.run.settle();
    assert.deepEqual(asked(stream).slice(1), ['+n/10.0.0.2', '-n/10.0.0.2', '+n/10.0.0.2']);
    assert.equal(world.answers.length, 2);
  });

  test('asks again for an address whose workload is gone, where the server has not said that of the address', async () => {
    await using world = start();
    const stream = await world.stream();
    world.demand.want(['n/10.0.0.1']);
    await world.run.settle();
    stream.push(addresses({ resources: [{ ...web('1'), aliases: ['n/10.0.0.1'] }] }));
    await world.run.settle();
    stream.push(addresses({ nonce: 'a2', removedResources: [UID] }));
    await world.run.settle();
    world.demand.want(['n/10.0.0.1']);
    await world.run.settle();
    assert.deepEqual(asked(stream).slice(2), ['-n/10.0.0.1', '+n/10.0.0.1']);
    stream.push(addresses({ nonce: 'a3', removedResources: ['n/10.0.0.1'] }));
    await world.run.settle();
    assert.deepEqual(world.answers, ['n/10.0.0.1 there', 'n/10.0.0.1 absent']);
  });

  test('asks a server that tells of everything no name twice, and one that does not for its services now and then', async () => {
    const service = buildService();
    for (const [controlPlane, expected] of [
      [AMBIT_CONTROL_PLANE, []],
      ['istiod', [`-${service.key}`, `+${service.key}`]],
    ] as const) {
      await using world = start();
      const stream = await world.stream();
      world.demand.want([service.key, 'n/10.0.0.2']);
      await world.run.settle();
      const resources = [resource({ kind: 'service', service }, '1')];
      stream.push({ ...addresses({ resources, removedResources: ['n/10.0.0.2'] }), controlPlane });
      await world.run.settle();
      await world.clock.advance(DEMAND_LIMITS.servicesMs);
      if (controlPlane === AMBIT_CONTROL_PLANE) world.demand.want(['n/10.0.0.2']);
      await world.run.settle();
      assert.deepEqual(asked(stream).slice(2), expected);
      stream.push({ ...addresses({ nonce: 'a2', removedResources: [service.key] }), controlPlane });
      await world.run.settle();
      await world.clock.advance(DEMAND_LIMITS.servicesMs);
      assert.deepEqual(asked(stream).slice(2), expected);
      stream.end();
      await world.run.settle();
      assert.equal(world.clock.pending, 0);
    }
  });

  test("follows no more names than its bound: one that is nobody's gives way", async () => {
    await using world = start(2);
    const stream = await world.stream();
    world.demand.want(['a', 'b', 'c']);
    await world.run.settle();
    assert.deepEqual(world.answers, ['c too-many']);
    stream.push(addresses({ removedResources: ['a'] }));
    await world.run.settle();
    world.demand.want(['c']);
    await world.run.settle();
    assert.deepEqual(asked(stream).slice(1), ['+a +b', '-a', '+c']);
    assert.deepEqual([world.answers.slice(1), world.demand.size], [['a absent', 'a forgotten'], 2]);
  });

  test('gives up names of what it holds for others, with a server that takes that back, and asks anew when it is wanted', async () => {
    await using world = start(1);
    const stream = await world.stream();
    world.demand.want(['n/10.0.0.1']);
    await world.run.settle();
    const resources = [{ ...web('1'), aliases: ['n/10.0.0.1'] }];
    stream.push({ ...addresses({ resources }), controlPlane: AMBIT_CONTROL_PLANE });
    await world.run.settle();
    world.demand.want(['b']);
    await world.run.settle();
    stream.push({ ...addresses({ nonce: 'a2', removedResources: [UID, 'b'] }), controlPlane: AMBIT_CONTROL_PLANE });
    await world.run.settle();
    assert.equal(world.run.view.workload(UID), undefined);
    world.demand.want(['n/10.0.0.1']);
    await world.run.settle();
    assert.deepEqual(asked(stream).slice(2), ['-n/10.0.0.1', '+b', '-b', '+n/10.0.0.1']);
    assert.deepEqual(world.answers, ['n/10.0.0.1 there', 'n/10.0.0.1 forgotten', 'b absent', 'b forgotten']);
  });
});
