import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type IpAddress, parseIpAddress } from '@ambit/mesh/model';
import { ManualClock } from '@ambit/mesh/testing';
import { type LookUpName, NAME_LIMITS, type NamedAddress, ResolvedNames } from './resolved-names.ts';

const ip = (text: string, ttlMs = 30_000): NamedAddress => ({ ip: parseIpAddress(text), ttlMs });
const pod = {};
const one: readonly IpAddress[] = [parseIpAddress('192.0.2.1')];

class Names {
  readonly clock: ManualClock = new ManualClock();
  readonly asked: string[] = [];
  answer: LookUpName = async () => [ip('192.0.2.1')];
  readonly names: ResolvedNames = new ResolvedNames({
    clock: this.clock,
    lookUp: (hostname) => {
      this.asked.push(hostname);
      return this.answer(hostname);
    },
  });
}

describe('resolved names', () => {
  test('are asked for once and kept as long as they may be', async () => {
    const { clock, asked, names } = new Names();
    assert.deepEqual(await names.resolve('db.example', pod), one);
    await clock.advance(29_999);
    assert.deepEqual(await names.resolve('db.example', pod), one);
    assert.deepEqual([asked, names.lookupCount], [['db.example'], 1]);
    await clock.advance(1);
    assert.deepEqual(await names.resolve('db.example', pod), one);
    assert.equal(names.lookupCount, 2);
  });

  test('are asked for once by many who wait at a time', async () => {
    const { asked, names } = new Names();
    const all = await Promise.all([
      names.resolve('a.example', pod),
      names.resolve('a.example', pod),
      names.resolve('b.example', pod),
    ]);
    assert.deepEqual(
      [all, asked],
      [
        [one, one, one],
        ['a.example', 'b.example'],
      ],
    );
  });

  test('are kept neither shorter nor longer than the bounds', async () => {
    for (const [ttlMs, keptMs] of [
      [0, NAME_LIMITS.ttlMinMs],
      [86_400_000, NAME_LIMITS.ttlMaxMs],
    ] as const) {
      const world = new Names();
      world.answer = async () => [ip('192.0.2.1', ttlMs)];
      await world.names.resolve('db.example', pod);
      await world.clock.advance(keptMs - 1);
      await world.names.resolve('db.example', pod);
      assert.equal(world.names.lookupCount, 1);
      await world.clock.advance(1);
      await world.names.resolve('db.example', pod);
      assert.equal(world.names.lookupCount, 2);
    }
  });

  test('of which nobody could say, or that have no address, are none for a moment', async () => {
    const world = new Names();
    for (const answer of [async () => [], () => Promise.reject(new Error('SERVFAIL'))] as const) {
      world.answer = answer;
      assert.deepEqual(await world.names.resolve('db.example', pod), []);
      assert.deepEqual(await world.names.resolve('db.example', pod), []);
      await world.clock.advance(NAME_LIMITS.failureTtlMs);
    }
    assert.equal(world.names.lookupCount, 2);
    world.answer = async () => [ip('192.0.2.1')];
    assert.deepEqual(await world.names.resolve('db.example', pod), one);
  });

  test('that nobody answers are given up', async () => {
    const world = new Names();
    world.answer = () => new Promise(() => {});
    const asked = world.names.resolve('db.example', pod);
    await world.clock.advance(NAME_LIMITS.waitMs);
    assert.deepEqual(await asked, []);
  });

  test('are so many and no more, and so many are asked for at a time', async () => {
    const world = new Names();
    for (let i = 0; i <= NAME_LIMITS.namesMax; i++) await world.names.resolve(`n${i}.example`, pod);
    await world.names.resolve('n1.example', pod);
    assert.equal(world.names.lookupCount, NAME_LIMITS.namesMax + 1);
    await world.names.resolve('n0.example', pod);
    assert.equal(world.names.lookupCount, NAME_LIMITS.namesMax + 2);
    world.answer = () => new Promise(() => {});
    const pods = Array.from({ length: NAME_LIMITS.lookupsMax / NAME_LIMITS.lookupsPerPodMax }, () => ({}));
    for (const [index, each] of pods.entries()) {
      for (let i = 0; i < NAME_LIMITS.lookupsPerPodMax; i++)
        void world.names.resolve(`m${i}.of-${index}.example`, each);
      assert.deepEqual(await world.names.resolve('too-many.example', each), []);
    }
    assert.equal(world.names.lookupCount, NAME_LIMITS.namesMax + 2 + NAME_LIMITS.lookupsMax, 'a pod has its share');
    assert.deepEqual(await world.names.resolve('too-many.example', pod), []);
    await world.clock.advance(NAME_LIMITS.waitMs);
    world.answer = async () => [ip('192.0.2.1')];
    assert.deepEqual(await world.names.resolve('room-again.example', pods[0] ?? pod), one);
  });

  test('keep so many waiting, of one pod and in all, and no more, who are all answered', async () => {
    const world = new Names();
    const answered = Promise.withResolvers<readonly NamedAddress[]>();
    world.answer = () => answered.promise;
    const pods = Array.from({ length: NAME_LIMITS.waitingMax / NAME_LIMITS.waitingPerPodMax }, () => ({}));
    const waiting: Promise<readonly IpAddress[]>[] = [];
    for (const each of pods) {
      for (let i = 0; i < NAME_LIMITS.waitingPerPodMax; i++) waiting.push(world.names.resolve('db.example', each));
      assert.deepEqual(await world.names.resolve('db.example', each), []);
    }
    assert.deepEqual(await world.names.resolve('db.example', pod), []);
    answered.resolve([ip('192.0.2.1')]);
    assert.ok((await Promise.all(waiting)).every((addresses) => addresses.length === 1));
    assert.deepEqual(await world.names.resolve('other.example', pod), one);
  });

  test('that are addresses need no asking', async () => {
    const { asked, names } = new Names();
    assert.deepEqual(await names.resolve('192.0.2.1', pod), one);
    assert.deepEqual(asked, []);
  });
});
