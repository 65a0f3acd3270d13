import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseObject } from '@ambit/mesh/kinds';
import { LocalConfigError } from '@ambit/mesh/runtime';
import { parseServiceJson, parseWorkloadJson } from '@ambit/mesh/wire';
import { checkLocalPolicy, policySetsOf } from './local-policies.ts';

type Json = Readonly<Record<string, unknown>>;

const services = [parseServiceJson({ name: 'web', namespace: 'shop', hostname: 'web.example' })];
const workloads = [parseWorkloadJson({ uid: 'w', name: 'web', namespace: 'shop', serviceAccount: 'web' })];

function policy(name: string, spec: Json, namespace = 'shop') {
  const json = { apiVersion: 'ambit.dev/v1alpha1', kind: 'AccessPolicy', metadata: { name, namespace } };
  const object = parseObject({ ...json, spec: { action: 'Deny', ...spec } });
  return object?.kind === 'AccessPolicy' ? object : assert.fail();
}

const ref = (group: string, kind: string, name: string): Json => ({ targetRefs: [{ group, kind, name }] });

test('policySetsOf() gives each destination a set, with what it includes', () => {
  const policies = [
    policy('service', ref('', 'Service', 'web')),
    policy('of-another-namespace', ref('', 'Service', 'web'), 'other'),
    policy('namespace', {}),
    policy('gateway', ref('gateway.networking.k8s.io', 'Gateway', 'any')),
    policy('class', ref('gateway.networking.k8s.io', 'GatewayClass', 'ambit-waypoint'), 'root'),
  ];
  const sets = policySetsOf(policies, { services, workloads });
  assert.deepEqual(
    sets.map(({ name, includes, policies: held }) => [name, includes, held.map(({ key }) => key)]),
    [
      ['gateway/local/local', [], ['shop/gateway', 'root/class']],
      ['namespace/shop', [], ['shop/namespace']],
      ['service/shop/web.example', ['gateway/local/local', 'namespace/shop'], ['shop/service']],
      ['workload/w', ['gateway/local/local', 'namespace/shop'], []],
    ],
  );
});

test('checkLocalPolicy() names what could not be enforced', () => {
  const table: readonly (readonly [Json, string])[] = [
    [{ selector: { matchLabels: { a: 'b' } } }, '$.spec.selector'],
    [ref('ambit.dev', 'ExternalWorkload', 'vm'), '$.spec.targetRefs[0].kind'],
    [ref('', 'Service', 'wep'), '$.spec.targetRefs[0].name'],
  ];
  for (const [spec, path] of table) {
    assert.throws(
      () => checkLocalPolicy(policy('p', spec), '$', services),
      (error) => error instanceof LocalConfigError && error.data['path'] === path,
    );
  }
  checkLocalPolicy(policy('p', ref('', 'Service', 'web')), '$', services);
  checkLocalPolicy(policy('p', {}), '$', services);
});
