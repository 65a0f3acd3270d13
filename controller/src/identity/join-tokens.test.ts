import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '@ambit/mesh/runtime';
import { failureOf } from '@ambit/mesh/testing';
import { formatJoinToken, parseJoinToken } from '@ambit/mesh/tls';
import { startWorld } from '../../test/identity-world.ts';
import { issueJoinToken } from './operator-commands.ts';

test('a join token works once, within its time, for its node, at its controller', async () => {
  await using world = await startWorld();
  const used = await world.token('n1');
  await world.join(used);
  const short = await world.token('n1', 1000);
  const forOther = await world.token('n2');
  const parsed = parseJoinToken(await world.token('n1'));
  assert.ok(parsed);
  await using elsewhere = await startWorld();
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const failures = {
    reused: await failureOf(world.join(used)),
    expired: await failureOf(world.join(short)),
    'node goes by another name': await failureOf(world.join(forOther, 'n3')),
    'name changed in the token': await failureOf(world.join(formatJoinToken({ ...parsed, node: 'n9' }))),
    'secret invented': await failureOf(world.join(formatJoinToken({ ...parsed, secret: '0'.repeat(64) }))),
    'other controller': await failureOf(world.join(await elsewhere.token('n1'))),
    'not a token': await failureOf(world.join('ambit-join-1.x')),
    // None of these attempts has spent it.
    'right name': await failureOf(world.join(forOther, 'n2')),
  };
  assert.deepEqual(failures, {
    reused: 'permission-denied',
    expired: 'permission-denied',
    'node goes by another name': 'permission-denied',
    'name changed in the token': 'permission-denied',
    'secret invented': 'permission-denied',
    'other controller': 'untrusted-controller',
    'not a token': 'invalid-argument',
    'right name': 'none',
  });
  assert.deepEqual(world.reasons, [
    'token-used',
    'token-expired',
    'token-for-other-node',
    'token-for-other-node',
    'unknown-token',
  ]);
});

test('of many nodes with one token a single one joins', async () => {
  await using world = await startWorld();
  const token = await world.token('n1');
  const outcomes = await Promise.all(Array.from({ length: 8 }, () => failureOf(world.join(token))));
  assert.deepEqual(outcomes.toSorted(), ['none', ...Array.from({ length: 7 }, () => 'permission-denied')]);
});

test('the state directory is private, survives a restart, and holds no token in the clear', async () => {
  const path = mkdtempSync(join(tmpdir(), 'ambit-state-'));
  try {
    const stateDirectory = join(path, 'state');
    const options = { stateDirectory, clock: systemClock };
    const [first, second] = await Promise.all([
      issueJoinToken({ ...options, node: 'n1' }),
      issueJoinToken({ ...options, node: 'n1' }),
    ]);
    const tokens = [parseJoinToken(first), parseJoinToken(second)];
    assert.equal(tokens[0]?.rootSha256, tokens[1]?.rootSha256);
    const files = readdirSync(stateDirectory, { recursive: true, withFileTypes: true });
    const modes = new Set<string>();
    for (const file of files) {
      const full = join(file.parentPath, file.name);
      modes.add(`${file.isDirectory() ? 'directory' : 'file'} ${(statSync(full).mode & 0o777).toString(8)}`);
      if (file.isFile()) {
        const text = file.name + readFileSync(full, 'utf8');
        for (const token of tokens) assert.equal(text.includes(token?.secret ?? 'missing'), false);
      }
    }
    assert.deepEqual([...modes].toSorted(), ['directory 700', 'file 600']);
    assert.equal(statSync(stateDirectory).mode & 0o777, 0o700);
    for (const [what, mode] of [
      ['root.secret.pem', 0o640],
      ['.', 0o750],
    ] as const) {
      chmodSync(join(stateDirectory, what), mode);
      await assert.rejects(issueJoinToken({ ...options, node: 'n1' }), { code: 'insecure-state' });
      chmodSync(join(stateDirectory, what), what === '.' ? 0o700 : 0o600);
    }
    const reason = { code: 'token-lifetime' };
    await assert.rejects(issueJoinToken({ ...options, node: 'n1', validityMs: 3_600_001 }), reason);
    await assert.rejects(issueJoinToken({ ...options, node: 'N 1' }), { code: 'bad-node-name' });
  } finally {
    rmSync(path, { recursive: true });
  }
});
