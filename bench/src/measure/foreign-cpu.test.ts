import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foreignCpuSeconds, takeCpuSnapshot, type CpuSnapshot } from './foreign-cpu.ts';

const snapshot = (...rows: readonly (readonly [pid: number, parentPid: number, ticks: number])[]): CpuSnapshot =>
  new Map(rows.map(([pid, parentPid, ticks]) => [pid, { parentPid, ticks }]));

test('foreignCpuSeconds() counts what others used, not the bench and its descendants', () => {
  const before = snapshot([1, 0, 500], [10, 1, 100], [20, 10, 0], [30, 1, 200]);
  const after = snapshot([1, 0, 500], [10, 1, 190], [20, 10, 80], [21, 20, 70], [30, 1, 250], [31, 30, 25]);
  assert.equal(foreignCpuSeconds(before, after, 10), 0.75);
});

test('foreignCpuSeconds() takes only the new part of a process that ended', () => {
  const before = snapshot([1, 0, 0], [30, 1, 100], [31, 30, 400]);
  // 31 ended with 430 ticks in all, which moved into its parent's account.
  const after = snapshot([1, 0, 0], [30, 1, 530]);
  assert.equal(foreignCpuSeconds(before, after, 10), 0.3);
});

test('foreignCpuSeconds() survives a loop of parents and never is negative', () => {
  const before = snapshot([5, 6, 100], [6, 5, 100]);
  assert.equal(foreignCpuSeconds(before, snapshot([5, 6, 100]), 10), 0);
});

test('takeCpuSnapshot() sees this process', () => {
  assert.ok(takeCpuSnapshot().has(process.pid));
});
