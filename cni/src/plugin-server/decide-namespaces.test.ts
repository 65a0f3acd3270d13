import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Namespace, parseObject, type Pod } from '@ambit/mesh/kinds';
import { decideNamespaces, type NamespaceState } from './decide-namespaces.ts';

function namespace(name: string, mode?: string): Namespace {
  const labels = mode === undefined ? {} : { 'ambit.dev/mode': mode };
  return parseObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }) as Namespace;
}

function pod(namespaceName: string, mode: string, hostNetwork = false): Pod {
  const metadata = { namespace: namespaceName, name: 'a', labels: { 'ambit.dev/mode': mode } };
  return parseObject({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { hostNetwork } }) as Pod;
}

const cases: readonly (readonly [
  string,
  readonly Namespace[],
  readonly Pod[],
  'unenrolled' | 'excluded',
  Record<string, NamespaceState>,
])[] = [
  ['lists excluded namespaces even before they exist', [], [], 'unenrolled', { own: 'excluded' }],
  [
    'tells enrolled from plain by label',
    [namespace('shop', 'ambient'), namespace('web'), namespace('off', 'none')],
    [],
    'unenrolled',
    { shop: 'enrolled', web: 'plain', off: 'plain', own: 'excluded' },
  ],
  [
    'counts a namespace as enrolled for one pod with a label of its own',
    [namespace('web'), namespace('off', 'none')],
    [pod('web', 'ambient'), pod('off', 'none')],
    'unenrolled',
    { web: 'enrolled', off: 'plain', own: 'excluded' },
  ],
  [
    'does not for a pod that is never enrolled',
    [namespace('web')],
    [pod('web', 'ambient', true)],
    'unenrolled',
    { web: 'plain', own: 'excluded' },
  ],
  [
    'excludes whatever the label says',
    [namespace('own', 'ambient')],
    [pod('own', 'ambient')],
    'unenrolled',
    { own: 'excluded' },
  ],
  [
    'leaves plain namespaces out where only excluded ones may start',
    [namespace('shop', 'ambient'), namespace('web')],
    [],
    'excluded',
    { shop: 'enrolled', own: 'excluded' },
  ],
];

for (const [behaviour, namespaces, pods, awayAdmits, expected] of cases) {
  test(`decideNamespaces() ${behaviour}`, () => {
    const states = decideNamespaces({ namespaces, pods, excludedNamespaces: ['own'], awayAdmits });
    assert.deepEqual(Object.fromEntries(states), expected);
  });
}
