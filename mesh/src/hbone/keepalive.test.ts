import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { Keepalive } from './keepalive.ts';

function start(): { clock: ManualClock; log: string[]; keepalive: Keepalive } {
  const clock = new ManualClock();
  const log: string[] = [];
  const keepalive = new Keepalive({
    clock,
    intervalMs: 10_000,
    timeoutMs: 20_000,
    ping: () => log.push(`ping ${clock.monotonic()}`),
    onDead: () => log.push(`dead ${clock.monotonic()}`),
    onTick: () => {},
  });
  return { clock, log, keepalive };
}

test('keepalive asks every interval and gives up on silence after the timeout, once', async () => {
  const { clock, log } = start();
  await clock.advance(100_000);
  assert.deepEqual(log, ['ping 10000', 'ping 20000', 'dead 30000']);
  assert.equal(clock.pending, 0);
});

test('keepalive goes on as long as anything arrives', async () => {
  const { clock, log, keepalive } = start();
  for (let i = 0; i < 10; i += 1) {
    await clock.advance(10_000);
    keepalive.alive();
  }
  assert.equal(log.length, 10);
  assert.ok(log.every((line) => line.startsWith('ping')));
});

test('keepalive stops when disposed of', async () => {
  const { clock, log, keepalive } = start();
  keepalive[Symbol.dispose]();
  await clock.advance(100_000);
  assert.deepEqual(log, []);
});
