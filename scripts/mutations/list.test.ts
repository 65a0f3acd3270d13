import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MUTATIONS } from './list.ts';
import { applyMutation, type Mutation, type MutationArea } from './mutation.ts';
import { Sandbox } from './sandbox.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('every mutation applies to the code as it is, and its tests exist', () => {
  const problems = MUTATIONS.flatMap((mutation) => {
    const applied = applyMutation(readFileSync(join(ROOT, mutation.file), 'utf8'), mutation);
    const missing = mutation.tests.filter((path) => !existsSync(join(ROOT, path))).map((path) => `${path} is missing`);
    const problem = 'problem' in applied ? [applied.problem] : [];
    return [...problem, ...missing].map((text) => `${mutation.file}: ${mutation.find}: ${text}`);
  });
  assert.deepEqual(problems, []);
});

test('there are 60 different mutations or more, ten or more in each area', () => {
  const different = new Set(MUTATIONS.map(({ file, find, replace }) => JSON.stringify([file, find, replace])));
  assert.equal(different.size, MUTATIONS.length);
  assert.ok(MUTATIONS.length >= 60, `only ${MUTATIONS.length}`);
  const areas: readonly MutationArea[] = [
    'authorization',
    'admission',
    'flow control',
    'framing',
    'hpack',
    'http1',
    'http2',
    'routes',
    'fields',
  ];
  const few = areas.filter((area) => MUTATIONS.filter((mutation) => mutation.area === area).length < 10);
  assert.deepEqual(few, []);
});

const planted = (find: string, replace: string): Mutation => ({
  area: 'framing',
  file: 'a.ts',
  find,
  replace,
  tests: [],
});

test('applyMutation() changes one line and refuses what it cannot do exactly', () => {
  assert.deepEqual(applyMutation('let a = 1;\nlet b = 1;\n', planted('b = 1', 'b = 2')), {
    text: 'let a = 1;\nlet b = 2;\n',
  });
  const problems = [
    planted('c = 1', 'c = 2'),
    planted('= 1', '= 2'),
    planted('a = 1', 'a = 1'),
    planted('1;\nlet', '2;\nlet'),
  ];
  assert.deepEqual(
    problems.map((mutation) => applyMutation('let a = 1;\nlet b = 1;\n', mutation)),
    [
      { problem: 'its text is not in the file' },
      { problem: 'its text is in the file more than once' },
      { problem: 'it changes nothing' },
      { problem: 'a mutation changes one line' },
    ],
  );
});

test('a sandbox runs the tests of its own copy: broken code there fails them, and the repository is untouched', async () => {
  await using sandbox = await Sandbox.create(ROOT);
  const file = 'mesh/src/model/name.ts';
  const tests = ['mesh/src/model/key.test.ts'];
  const original = await sandbox.read(file);
  assert.equal(await sandbox.runTests(tests), 'passed');
  await sandbox.write(file, 'throw new Error("broken");\n');
  assert.equal(await sandbox.runTests(tests), 'failed');
  // Also through the package's name: node-agent's tests see the copy's mesh, not the repository's.
  assert.equal(await sandbox.runTests(['node-agent/src/proxy/inbound-admission.test.ts']), 'failed');
  assert.equal(readFileSync(join(ROOT, file), 'utf8'), original);
});
