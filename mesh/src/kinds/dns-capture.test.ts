import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DNS_CAPTURE_ANNOTATION } from './labels.ts';
import { decideDnsCapture } from './dns-capture.ts';
import type { Namespace, Pod } from './objects.ts';
import { parseObject } from './parse-object.ts';

function object(kind: 'Pod' | 'Namespace', value: string | undefined): unknown {
  const annotations = value === undefined ? {} : { [DNS_CAPTURE_ANNOTATION]: value };
  const name = kind === 'Pod' ? { name: 'web', namespace: 'shop' } : { name: 'shop' };
  const spec = { nodeName: 'n', containers: [{ name: 'app' }] };
  return parseObject({ apiVersion: 'v1', kind, metadata: { ...name, annotations }, spec });
}

for (const [pod, namespace, expected] of [
  [undefined, undefined, true],
  ['false', undefined, false],
  [' False ', undefined, false],
  [undefined, 'false', false],
  ['true', 'false', true],
  ['false', 'true', false],
  ['', 'false', false],
  ['no', undefined, true],
] as const) {
  test(`decideDnsCapture() of ${String(pod)} in a namespace of ${String(namespace)}`, () =>
    assert.equal(decideDnsCapture(object('Pod', pod) as Pod, object('Namespace', namespace) as Namespace), expected));
}
