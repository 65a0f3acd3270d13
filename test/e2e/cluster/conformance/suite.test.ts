import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimedFeatures, expectedTests, MESH_TESTS, outcomesIn, suiteArguments } from './suite.ts';

test('claimedFeatures() is what every mesh test needs together', () => {
  assert.equal(Object.keys(MESH_TESTS).length, 22);
  const features = claimedFeatures();
  for (const needed of Object.values(MESH_TESTS).flat()) assert.ok(features.includes(needed), needed);
  assert.deepEqual(features, [...new Set(features)].toSorted());
  const args = suiteArguments({
    version: '1',
    namespaceLabels: { a: 'b', c: 'd' },
    report: '/r.yaml',
    only: 'MeshBasic',
  });
  for (const argument of ['--namespace-labels=a=b,c=d', '--run-test=MeshBasic', '--report-output=/r.yaml']) {
    assert.ok(args.includes(argument), argument);
  }
});

test('outcomesIn() reads the tests of the suite, not what is inside them', () => {
  const output = `=== RUN   TestConformance
    --- PASS: TestConformance/MeshBasic (1.20s)
        --- PASS: TestConformance/MeshBasic/0_request (0.40s)
    --- FAIL: TestConformance/MeshPorts (0.40s)
        --- FAIL: TestConformance/MeshPorts/HTTP_Port_not_sent_to_anyone (0.40s)
    --- SKIP: TestConformance/MeshConsumerRoute (0.00s)
--- FAIL: TestConformance (9.20s)
`;
  assert.deepEqual(
    [...outcomesIn(output)],
    [
      ['MeshBasic', 'passed'],
      ['MeshPorts', 'failed'],
      ['MeshConsumerRoute', 'skipped'],
    ],
  );
});

test('expectedTests() is all that is listed, and mesh tests that the suite has besides', () => {
  const outcomes = new Map([
    ['MeshBasic', 'passed'],
    ['MeshTomorrow', 'skipped'],
    ['HTTPRouteWeight', 'skipped'],
  ]);
  assert.deepEqual(expectedTests(outcomes), [...Object.keys(MESH_TESTS), 'MeshTomorrow'].toSorted());
});
