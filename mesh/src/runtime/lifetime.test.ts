import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { systemClock } from './clock.ts';
import { Lifetime, withinDeadline } from './lifetime.ts';

test('Lifetime closes what it owns once, in reverse order', async () => {
  const closed: string[] = [];
  const lifetime = new Lifetime({ clock: systemClock, stepDeadlineMs: 1000 });
  lifetime.own('first', { [Symbol.dispose]: () => void closed.push('first') });
  lifetime.own('second', {
    [Symbol.asyncDispose]: async () => {
      closed.push('second');
    },
  });
  lifetime.defer('third', () => void closed.push('third'));
  await Promise.all([lifetime[Symbol.asyncDispose](), lifetime[Symbol.asyncDispose]()]);
  assert.deepEqual(closed, ['third', 'second', 'first']);
  assert.throws(() => lifetime.defer('late', () => {}), /already ended/);
});

test('Lifetime goes on past a step that fails and one that hangs, and names both', async () => {
  const clock = new ManualClock();
  const closed: string[] = [];
  const lifetime = new Lifetime({ clock, stepDeadlineMs: 100 });
  lifetime.defer('kept', () => void closed.push('kept'));
  lifetime.defer('hanging', () => new Promise(() => {}));
  lifetime.defer('failing', () => {
    throw new Error('no');
  });
  const ended = lifetime[Symbol.asyncDispose]();
  const outcome = assert.rejects(ended, (error) => {
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(
      error.errors.map((part: Error) => part.message),
      ['closing failing failed', 'closing hanging failed'],
    );
    return true;
  });
  await clock.advance(100);
  await outcome;
  assert.deepEqual(closed, ['kept']);
});

test('withinDeadline passes results and failures on and rejects what is late', async () => {
  const clock = new ManualClock();
  assert.equal(await withinDeadline(clock, 10, async () => 5), 5);
  await assert.rejects(
    withinDeadline(clock, 10, async () => Promise.reject(new Error('own'))),
    /own/,
  );
  const late = assert.rejects(
    withinDeadline(clock, 10, () => new Promise(() => {})),
    { name: 'TimeoutError' },
  );
  await clock.advance(10);
  await late;
  assert.equal(clock.pending, 0);
});
