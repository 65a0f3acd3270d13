import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { coverageByLayer, coverageTable, lineRanges } from './coverage-gate.ts';
import { aloneOf, lanesOf, planTests, planTier, type TestGroup } from './plan.ts';

test('planTests() puts every test file into one group, and nothing else nor one of another tier', () => {
  const paths = [
    'mesh/src/model/address.test.ts',
    'mesh/src/model/address.ts',
    'mesh/src/hbone/tunnel.soak.test.ts',
    'mesh/src/linux/netns.root.test.ts',
    'mesh/src/tls/svid.test.ts',
    'mesh/src/kube/watch.kube.test.ts',
    'test/e2e/interop/envoy.interop.test.ts',
    'test/e2e/scenarios/mtls.test.ts',
    'test/e2e/interop/echo.interop.test.ts',
    'test/e2e/cluster/reboot.cluster.test.ts',
    'README.md',
  ];
  assert.deepEqual(planTests(paths, []), [
    { name: 'covered', files: ['mesh/src/model/address.test.ts'], concurrency: 2 },
    { name: 'plain', files: ['mesh/src/hbone/tunnel.soak.test.ts', 'mesh/src/tls/svid.test.ts'], concurrency: 2 },
    {
      name: 'privileged',
      files: ['mesh/src/linux/netns.root.test.ts', 'test/e2e/scenarios/mtls.test.ts'],
      concurrency: 2,
    },
  ]);
  assert.deepEqual(planTests(paths, ['src/tls', 'model']), [
    { name: 'covered', files: ['mesh/src/model/address.test.ts'], concurrency: 2 },
    { name: 'plain', files: ['mesh/src/tls/svid.test.ts'], concurrency: 2 },
  ]);
  assert.deepEqual(planTests(paths, ['no such path']), []);
  assert.deepEqual(planTier(paths, 'kube', []), ['mesh/src/kube/watch.kube.test.ts']);
  assert.deepEqual(planTier(paths, 'interop', ['envoy']), ['test/e2e/interop/envoy.interop.test.ts']);
  assert.deepEqual(planTier(paths, 'interop', ['kube']), []);
});

test('lanesOf() keeps worlds apart from what has namespaces only', () => {
  const [netns, world] = ['mesh/src/linux/netns.root.test.ts', 'test/e2e/scenarios/mtls.test.ts'] as const;
  assert.deepEqual(lanesOf([netns, world]), [[world], [netns]]);
  assert.deepEqual(lanesOf([netns]), [[netns]]);
});

test('aloneOf() gives what runs after the lanes, by itself', () => {
  const [world, alone] = ['test/e2e/scenarios/mtls.root.test.ts', 'test/e2e/scenarios/a.alone.root.test.ts'] as const;
  assert.deepEqual([lanesOf([alone, world]), aloneOf([alone, world])], [[[world]], [alone]]);
});

const file = (path: string, counts: readonly number[]): Parameters<typeof coverageByLayer>[1][number] => ({
  path: `/repository/${path}`,
  totalLineCount: counts.length,
  coveredLineCount: counts.filter((count) => count > 0).length,
  lines: counts.map((count, index) => ({ line: index + 1, count })),
});

test('coverageByLayer() fails a layer below the limit and one that it does not see', () => {
  const nineteenOfTwenty = [0, ...Array.from({ length: 19 }, () => 1)];
  const layers = coverageByLayer('/repository', [
    file('mesh/src/model/a.ts', nineteenOfTwenty),
    file('mesh/src/wire/a.ts', [1, 1, 0, 0, 1, 0]),
    file('mesh/src/wire/b.ts', [1, 0]),
    file('mesh/src/tls/a.ts', [0]),
  ]);
  assert.deepEqual(
    layers.map(({ layer, percent, ok }) => ({ layer, percent, ok })),
    [
      { layer: 'mesh/src/model', percent: 95, ok: true },
      { layer: 'mesh/src/view', percent: 0, ok: false },
      { layer: 'mesh/src/wire', percent: 50, ok: false },
      { layer: 'mesh/src/hbone', percent: 0, ok: false },
      { layer: 'mesh/src/http1', percent: 0, ok: false },
      { layer: 'mesh/src/http2', percent: 0, ok: false },
      { layer: 'mesh/src/observe', percent: 0, ok: false },
      { layer: 'mesh/src/routes', percent: 0, ok: false },
      { layer: 'mesh/src/route-wire', percent: 0, ok: false },
    ],
  );
  const table = coverageTable(layers);
  assert.match(table, /ok {3}mesh\/src\/model +95\.0 % {2}19\/20 lines/);
  assert.match(table, /FAIL mesh\/src\/wire/);
  assert.match(table, /not run: mesh\/src\/wire\/a\.ts: 3-4, 6/);
});

test('lineRanges() joins neighbours', () => {
  assert.equal(lineRanges([1, 2, 3, 5, 7, 8]), '1-3, 5, 7-8');
  assert.equal(lineRanges([]), '');
});

/** Runs a group of planted test files in a process of its own: node:test does not run inside itself. */
function runPlanted(
  name: TestGroup['name'],
  files: Readonly<Record<string, string>>,
  fileTimeoutMs = 60_000,
): { result: unknown; printed: string } {
  const root = mkdtempSync(join(tmpdir(), 'ambit-runner-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const tests = Object.keys(files).filter((path) => path.endsWith('.test.ts'));
    const group: TestGroup = { name, files: tests, concurrency: 2 };
    const script = `import { runGroup } from ${JSON.stringify(new URL('run-group.ts', import.meta.url).href)};
      const result = await runGroup(${JSON.stringify(root)}, ${JSON.stringify(group)}, ${fileTimeoutMs});
      const coverage = result.coverage.map(({ path, totalLineCount, coveredLineCount }) => [path.split('/').at(-1), totalLineCount, coveredLineCount]);
      console.log('RESULT' + JSON.stringify({ ...result, coverage }));`;
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    writeFileSync(join(root, 'runner.mjs'), script);
    const child = spawnSync(process.execPath, [join(root, 'runner.mjs')], { encoding: 'utf8', env });
    const [printed = '', result = ''] = child.stdout.split('RESULT');
    assert.notEqual(result, '', child.stderr);
    return { result: JSON.parse(result), printed };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test('runGroup() counts passed, failed and skipped tests and shows what failed', () => {
  const { result, printed } = runPlanted('plain', {
    'a.test.ts': `import assert from 'node:assert/strict';
      import { describe, test } from 'node:test';
      test('adds', () => assert.equal(1 + 1, 2));
      test('subtracts', () => { console.log('what it printed'); assert.equal(2 - 1, 2); });
      describe('group', () => { test('inner', () => {}); test('inner failure', () => assert.fail('inside')); });
      test('needs more', { skip: 'only with more' }, () => {});`,
    'b.test.ts': `import { test } from 'node:test'; test('fine', () => {});`,
    'c.test.ts': 'throw new Error("cannot be loaded");',
  });
  assert.deepEqual(result, { passed: 3, failed: 3, skipped: 1, skipReasons: ['only with more'], coverage: [] });
  assert.match(printed, /FAIL .*a\.test\.ts {2}2 passed, 1 skipped, 2 failed/);
  assert.match(printed, /not ok: subtracts\n {2}at a\.test\.ts:4/);
  assert.match(printed, /what it printed/);
  assert.match(printed, /ok .*b\.test\.ts {2}1 passed/);
  assert.match(printed, /cannot be loaded/);
});

test('runGroup() shows what a helper of a file declares', () => {
  const files = {
    'helper.ts': `import assert from 'node:assert/strict'; import { test } from 'node:test';
      export const declare = () => { test('good', () => {}); test('bad', () => assert.fail('here')); };`,
    'mesh/src/model/user.test.ts': `import { declare } from '../../../helper.ts'; declare();`,
  };
  const plain = runPlanted('plain', files);
  assert.deepEqual(plain.result, { passed: 1, failed: 1, skipped: 0, skipReasons: [], coverage: [] });
  assert.match(plain.printed, /FAIL .*user\.test\.ts {2}1 passed, 1 failed\nnot ok: bad\n {2}at helper\.ts:2/);
  // Of several files together nobody knows whose it is.
  const fine = { 'mesh/src/model/fine.test.ts': `import { test } from 'node:test'; test('fine', () => {});` };
  const covered = runPlanted('covered', { ...files, ...fine });
  assert.deepEqual(covered.result, { passed: 2, failed: 1, skipped: 0, skipReasons: [], coverage: [] });
  assert.match(covered.printed, /FAIL .*helper\.ts {2}1 passed, 1 failed\nnot ok: bad/);
});

test('runGroup() shows what fails after the last test of a file', () => {
  const { result, printed } = runPlanted('plain', {
    'late.test.ts': `import { test } from 'node:test';
      test('fine', () => { process.on('exit', () => { process.exitCode = 7; }); });`,
  });
  assert.deepEqual(result, { passed: 1, failed: 1, skipped: 0, skipReasons: [], coverage: [] });
  assert.match(printed, /FAIL .*late\.test\.ts {2}1 passed, 1 failed\n.*not ok: /s);
});

test('runGroup() kills files that leave something running or never yield, and counts them as failed', () => {
  const { result, printed } = runPlanted(
    'plain',
    {
      'leak.test.ts': `import { test } from 'node:test'; test('leaks', () => { setInterval(() => {}, 1000); });`,
      'spin.test.ts': `import { test } from 'node:test'; test('spins', () => { for (;;); });`,
      'fine.test.ts': `import { test } from 'node:test'; test('fine', () => {});`,
    },
    6000,
  );
  assert.deepEqual(result, { passed: 2, failed: 2, skipped: 0, skipReasons: [], coverage: [] });
  assert.equal(printed.match(/the file did not end in time: it hangs, or leaves a timer/g)?.length, 2);
});

test('runGroup() measures the gated layers without their tests', () => {
  const { result } = runPlanted('covered', {
    'mesh/src/model/a.ts': 'export function a(b: boolean): number {\n  if (b) {\n    return 1;\n  }\n  return 2;\n}\n',
    'mesh/src/model/a.test.ts': `import { test } from 'node:test'; import { a } from './a.ts'; test('a', () => { a(true); });`,
  });
  assert.deepEqual(result, { passed: 1, failed: 0, skipped: 0, skipReasons: [], coverage: [['a.ts', 6, 5]] });
});
