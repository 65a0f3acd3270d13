import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPrivateDirectory, type PrivateDirectory } from '@ambit/mesh/tls';
import { checkJoinToken, createJoinToken } from './join-tokens.ts';
import { TOKENS_MAX } from './limits.ts';
import { NodeRegister } from './node-register.ts';

const rootSha256 = 'a'.repeat(64);

async function withState(work: (state: PrivateDirectory) => void | Promise<void>): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'ambit-register-'));
  try {
    await work(openPrivateDirectory(join(path, 'state')));
  } finally {
    rmSync(path, { recursive: true });
  }
}

test('a revocation withdraws what was admitted before it, by any process, and nothing admitted later', () =>
  withState((state) => {
    const [ours, theirs] = [new NodeRegister(state), new NodeRegister(state)];
    ours.recordIssued('a1', { node: 'n1', notAfterMs: 1000, admittedAtMs: 10 }, 10);
    ours.recordIssued('a2', { node: 'n2', notAfterMs: 1000, admittedAtMs: 10 }, 10);
    assert.deepEqual(theirs.revoke('n1', 50), { certificates: 1, tokens: 0 });
    // Issued at the same moment by a controller that had not heard of it: renewals keep the time of admission.
    ours.recordIssued('a3', { node: 'n1', notAfterMs: 1000, admittedAtMs: ours.admittedAtMs('a1', 0) }, 50);
    ours.recordIssued('a4', { node: 'n1', notAfterMs: 1000, admittedAtMs: 51 }, 60);
    const serials = { a1: 'n1', a2: 'n2', a3: 'n1', a4: 'n1', unknown: 'n1' };
    assert.deepEqual(
      Object.fromEntries(Object.entries(serials).map(([serial, node]) => [serial, ours.isRevoked(node, serial)])),
      { a1: true, a2: false, a3: true, a4: false, unknown: true },
    );
    assert.deepEqual([...ours.revokedNodes()], [['n1', 50]]);
    assert.deepEqual(theirs.revoke('n1', 70), { certificates: 1, tokens: 0 });
    assert.deepEqual(theirs.revoke('n1', 80), { certificates: 0, tokens: 0 });
  }));

test('records of expired certificates do not pile up', () =>
  withState((state) => {
    const register = new NodeRegister(state);
    for (let i = 0; i < 70; i++) {
      register.recordIssued(`${1000 + i}`, { node: 'n1', notAfterMs: i + 10, admittedAtMs: 0 }, i);
    }
    assert.ok(state.subdirectory('node-certificates').list().length <= 33);
  }));

test('a damaged register refuses to answer', () =>
  withState((state) => {
    const register = new NodeRegister(state);
    register.revoke('n1', 1);
    for (const text of ['{', '[]', 'null', '{"atMs":"1"}']) {
      writeFileSync(join(state.path, 'revoked-nodes', 'n1'), text, { mode: 0o600 });
      assert.throws(() => register.isRevoked('n1', 'a1'), { code: 'state-damaged' });
    }
  }));

test('checkJoinToken() refuses with the reason and spends nothing', () =>
  withState((state) => {
    const make = (node: string): string =>
      createJoinToken(state, { node, rootSha256, validityMs: 60_000, nowMs: 1000, createdAtMs: 1000 });
    const token = make('n1');
    const check = (text: string, root = rootSha256, nowMs = 2000): unknown => {
      const result = checkJoinToken(state, text, root, nowMs);
      return result.kind === 'valid' ? `valid for ${result.node}` : result.reason;
    };
    assert.deepEqual(
      [check(token), check('x'), check(token, 'b'.repeat(64)), check(token, rootSha256, 61_000), check(token)],
      ['valid for n1', 'not-a-token', 'token-for-other-controller', 'token-expired', 'valid for n1'],
    );
    const valid = checkJoinToken(state, token, rootSha256, 2000);
    assert.equal(valid.kind, 'valid');
    assert.deepEqual([valid.claim(), valid.claim(), check(token)], [true, false, 'token-used']);
  }));

test('tokens that wait are bounded, and expired ones make room', () =>
  withState((state) => {
    const directory = state.subdirectory('tokens');
    for (let i = 0; i < TOKENS_MAX; i++) {
      writeFileSync(join(directory.path, `t${i}`), '{"node":"n1","createdAtMs":1,"expiresAtMs":1000}', { mode: 0o600 });
    }
    const make = (nowMs: number): string =>
      createJoinToken(state, { node: 'n1', rootSha256, validityMs: 60_000, nowMs, createdAtMs: nowMs });
    assert.throws(() => make(2000), { code: 'too-many-tokens' });
    make(4_000_000);
    assert.equal(directory.list().length, 1);
  }));
