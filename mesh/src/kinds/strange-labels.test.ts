import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseObject } from './parse-object.ts';
import { strangeLabels } from './strange-labels.ts';

const EXPECTED =
  'expected one of ambit.dev/mode, ambit.dev/network, ambit.dev/waypoint, ambit.dev/waypoint-namespace, ambit.dev/waypoint-canary, ambit.dev/waypoint-canary-namespace, ambit.dev/waypoint-for, ambit.dev/waypoint-bypass';

function told(labels: Readonly<Record<string, string>>, kind = 'Service'): readonly string[] {
  const metadata = { name: 'a', namespace: 'ns', labels };
  const object = parseObject({ apiVersion: 'v1', kind, metadata, spec: { ports: [{ port: 80 }] } });
  return strangeLabels(object ?? assert.fail());
}

test('strangeLabels() names misspelt labels of ours, and those of Istio that stand in place of ours', () => {
  const misspelt = `metadata.labels["ambit.dev/waypont"] is not a known label (did you mean ambit.dev/waypoint?): ${EXPECTED}`;
  assert.deepEqual(told({ 'ambit.dev/waypont': 'w' }), [misspelt]);
  assert.deepEqual(told({ 'ambit.dev/colour': 'red' }), [
    `metadata.labels["ambit.dev/colour"] is not a known label: ${EXPECTED}`,
  ]);
  assert.deepEqual(told({ 'istio.io/use-waypoint': 'w', 'istio.io/rev': 'x' }), [
    'metadata.labels["istio.io/use-waypoint"] is not read: the label for this is ambit.dev/waypoint',
  ]);
  assert.deepEqual(told({ 'istio.io/use-waypoint-canary': 'w', 'ambit.dev/waypoint-canary-namespace': 'x' }), [
    'metadata.labels["istio.io/use-waypoint-canary"] is not read: the label for this is ambit.dev/waypoint-canary',
  ]);
  assert.deepEqual(told({ 'istio.io/use-waypoint': 'w', 'ambit.dev/waypoint': 'w', 'example.com/waypoint': 'w' }), []);
  assert.deepEqual(told({ 'ambit.dev/mod': 'ambient' }, 'ServiceAccount'), []);
});
