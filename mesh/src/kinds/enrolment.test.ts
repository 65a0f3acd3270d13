import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideEnrolment, type Enrolment } from './enrolment.ts';
import type { Namespace, Pod } from './objects.ts';
import { parseObject } from './parse-object.ts';

function pod(mode?: string, namespace = 'shop', hostNetwork = false): Pod {
  const labels = mode === undefined ? {} : { 'ambit.dev/mode': mode };
  const parsed = parseObject({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace, labels },
    spec: { hostNetwork },
  });
  return parsed?.kind === 'Pod' ? parsed : assert.fail();
}

function namespace(mode?: string): Namespace {
  const labels = mode === undefined ? {} : { 'ambit.dev/mode': mode };
  const parsed = parseObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels } });
  return parsed?.kind === 'Namespace' ? parsed : assert.fail();
}

test('decideEnrolment follows labels, the pod over its namespace, and never takes host or excluded pods', () => {
  const yes = (reason: 'pod-label' | 'namespace-label'): Enrolment => ({ kind: 'enrolled', reason });
  const no = (reason: Extract<Enrolment, { kind: 'not-enrolled' }>['reason']): Enrolment => ({
    kind: 'not-enrolled',
    reason,
  });
  const cases: [string, Pod, Namespace | undefined, Enrolment][] = [
    ['no labels', pod(), namespace(), no('not-labelled')],
    ['namespace', pod(), namespace('ambient'), yes('namespace-label')],
    ['namespace not known yet', pod(), undefined, no('not-labelled')],
    ['pod alone', pod('ambient'), undefined, yes('pod-label')],
    ['pod opts out', pod('none'), namespace('ambient'), no('pod-opted-out')],
    ['namespace says none', pod('ambient'), namespace('none'), yes('pod-label')],
    ['host network', pod('ambient', 'shop', true), namespace('ambient'), no('host-network')],
    ['excluded namespace', pod('ambient', 'kube-system'), namespace('ambient'), no('excluded-namespace')],
  ];
  for (const [what, subject, around, expected] of cases)
    assert.deepEqual(decideEnrolment(subject, around), expected, what);
  assert.deepEqual(decideEnrolment(pod('ambient', 'kube-system'), undefined, []), yes('pod-label'));
});
