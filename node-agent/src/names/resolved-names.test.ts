import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type IpAddress, parseIpAddress } from '@ambit/mesh/model';
import { ManualClock } from '@ambit/mesh/testing';
import { type LookUpName, NAME_LIMITS, type NamedAddress, ResolvedNames } from './resolved-names.ts';

const ip = (text: string, ttlMs = 30_000): NamedAddress => ({ ip: parseIpAddress(text), ttlMs });
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
    assert.deepEqual(await names.resolve('db.example'), one);
    await clock.advance(29_999);
    assert.deepEqual(await names.resolve('db.example'), one);
    assert.deepEqual([asked, names.lookupCount], [['db.example'], 1]);
    await clock.advance(1);
    assert.deepEqual(await names.resolve('db.example'), one);
    assert.equal(names.lookupCount, 2);
  });

  test('are asked for once by many who wait at a time', async () => {
    const { asked, names } = new Names();
    const all = await Promise.all([names.resolve('a.example'), names.resolve('a.example'), names.resolve('b.example')]);
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
      await world.names.resolve('db.example');
      await world.clock.advance(keptMs - 1);
      await world.names.resolve('db.example');
      assert.equal(world.names.lookupCount, 1);
      await world.clock.advance(1);
      await world.names.resolve('db.example');
      assert.equal(world.names.lookupCount, 2);
    }
  });

  test('of which nobody could say, or that have no address, are none for a moment', async () => {
    const world = new Names();
    for (const answer of [async () => [], () => Promise.reject(new Error('SERVFAIL'))] as const) {
      world.answer = answer;
      assert.deepEqual(await world.names.resolve('db.example'), []);
      assert.deepEqual(await world.names.resolve('db.example'), []);
      await world.clock.advance(NAME_LIMITS.failureTtlMs);
    }
    assert.equal(world.names.lookupCount, 2);
    world.answer = async () => [ip('192.0.2.1')];
    assert.deepEqual(await world.names.resolve('db.example'), one);
  });

  test('that nobody answers are given up', async () => {
    const world = new Names();
    world.answer = () => new Promise(() => {});
    const asked = world.names.resolve('db.example');
    await world.clock.advance(NAME_LIMITS.waitMs);
    assert.deepEqual(await asked, []);
  });

  test('are so many and no more, and so many are asked for at a time', async () => {
    const world = new Names();
    for (let i = 0; i <= NAME_LIMITS.namesMax; i++) await world.names.resolve(`n${i}.example`);
    await world.names.resolve('n1.example');
    assert.equal(world.names.lookupCount, NAME_LIMITS.namesMax + 1);
    await world.names.resolve('n0.example');
    assert.equal(world.names.lookupCount, NAME_LIMITS.namesMax + 2);
    world.answer = () => new Promise(() => {});
    for (let i = 0; i < NAME_LIMITS.lookupsMax; i++) void world.names.resolve(`m${i}.example`);
    assert.deepEqual(await world.names.resolve('too-many.example'), []);
  });

  test('keep so many waiting and no more, who are all answered', async () => {
    const world = new Names();
    const answered = Promise.withResolvers<readonly NamedAddress[]>();
    world.answer = () => answered.promise;
    const waiting = Array.from({ length: NAME_LIMITS.waitingMax }, () => world.names.resolve('db.example'));
    assert.deepEqual(await world.names.resolve('db.example'), []);
    answered.resolve([ip('192.0.2.1')]);
    assert.ok((await Promise.all(waiting)).every((addresses) => addresses.length === 1));
    assert.deepEqual(await world.names.resolve('other.example'), one);
  });

  test('that are addresses need no asking', async () => {
    const { asked, names } = new Names();
    assert.deepEqual(await names.resolve('192.0.2.1'), one);
    assert.deepEqual(asked, []);
  });
});
