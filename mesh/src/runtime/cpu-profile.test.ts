import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordCpuProfile } from './cpu-profile.ts';

function spinForTheProfile(): void {
  const end = process.cpuUsage().user + 40_000;
  while (process.cpuUsage().user < end) JSON.parse('[1, 2, 3]');
}

test('recordCpuProfile() shows what the thread was busy with meanwhile', async () => {
  const profile = await recordCpuProfile(1, async () => spinForTheProfile());
  const names = profile.nodes.map(({ callFrame }) => callFrame.functionName);
  assert.equal(names[0], '(root)');
  assert.ok(names.includes('spinForTheProfile'), names.join(' '));
  assert.equal(profile.samples?.length, profile.timeDeltas?.length);
  // Nothing of it is left: another one may follow.
  assert.ok((await recordCpuProfile(1, async () => {})).nodes.length > 0);
});
