import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KindError } from './errors.ts';
import { refuseStray } from './stray-object.ts';

const GATEWAY = 'gateway.networking.k8s.io';

function told(apiVersion: string, kind: string): string | null {
  try {
    refuseStray({ apiVersion, kind });
    return null;
  } catch (error) {
    return error instanceof KindError ? error.message : assert.fail(String(error));
  }
}

test('refuseStray() names a version that is not read, and what a kind was probably meant to be', () => {
  const kind = (found: string, meant: string): string =>
    `kind must be a kind that exists but is "${found}" (did you mean ${meant}?)`;
  const cases: readonly (readonly [apiVersion: string, kind: string, told: string | null])[] = [
    [`${GATEWAY}/v1alpha2`, 'TLSRoute', `apiVersion must be ${GATEWAY}/v1 but is "${GATEWAY}/v1alpha2"`],
    [
      `${GATEWAY}/v1beta2`,
      'HTTPRoute',
      `apiVersion must be ${GATEWAY}/v1 or ${GATEWAY}/v1beta1 but is "${GATEWAY}/v1beta2"`,
    ],
    ['v2', 'Pod', 'apiVersion must be v1 but is "v2"'],
    [`${GATEWAY}/v1`, 'HttpRoute', kind('HttpRoute', 'HTTPRoute')],
    [`${GATEWAY}/v1`, 'HTTPRoutes', kind('HTTPRoutes', 'HTTPRoute')],
    [`${GATEWAY}/v1`, 'Gatway', kind('Gatway', 'Gateway')],
    ['v1', 'service', kind('service', 'Service')],
    [`${GATEWAY}/v1`, 'HTTPRoute', null],
    [`${GATEWAY}/v1`, 'UDPRoute', null],
    [`${GATEWAY}/v1`, 'GatewayClass', null],
    ['v1', 'PodTemplate', null],
    ['v1', 'Secret', null],
    ['apps/v1', 'Deployment', null],
    ['serving.knative.dev/v1', 'Service', null],
    ['networking.istio.io/v1', 'Gateway', null],
  ];
  assert.deepEqual(
    cases.map(([apiVersion, name]) => [apiVersion, name, told(apiVersion, name)]),
    cases,
  );
});
