import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { ask, ControllerWorld } from './controller-world.ts';

checkLeaks();

const WORLD = `apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {ambit.dev/mode: ambient}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {ambit.dev/waypoint: wayponit}}
spec: {clusterIPs: [10.0.1.1], selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIPs: [10.0.1.2], selector: {app: db}, ports: [{port: 80}]}
---
apiVersion: ambit.dev/v1alpha1
kind: AccessPolicy
metadata: {name: no-admin, namespace: shop}
spec: {selector: {matchLabels: {app: nobody}}, action: Deny, rules: [{to: [{ports: [80]}]}]}
---
apiVersion: ambit.dev/v1alpha1
kind: AccessPolicy
metadata: {name: trial, namespace: shop}
spec: {targetRefs: [{group: "", kind: Service, name: db}], action: Deny, dryRun: true, rules: [{to: [{ports: [80]}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: tls, namespace: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: bank}]
  validation: {wellKnownCACertificates: System, hostname: bank.example}
`;

const route = (name: string, parent: string, backend: string): string => `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, namespace: shop}
spec:
  parentRefs: [{${parent}}]
  rules: [{backendRefs: [{name: ${backend}, port: 80}]}]
`;

const ROUTES = [
  route('right', 'group: "", kind: Service, name: db', 'db'),
  route('lost', 'group: "", kind: Service, name: cart', 'db'),
  route('half', 'group: "", kind: Service, name: db', 'cart'),
  route('nowhere', 'name: db', 'db'),
].join('');

test('without Kubernetes, what does not fit other objects is on the debug page and in the log', async () => {
  await using world = await ControllerWorld.create();
  await world.write('world.yaml', WORLD);
  await world.write('routes.yaml', ROUTES);
  await using app = await world.start();
  const findings: unknown = JSON.parse(await ask(app.ports.debug, '/findings'));
  const unread = {
    at: 'Service shop/db',
    type: 'ambit.dev/WaypointBound',
    status: 'False',
    reason: 'NoWaypoint',
    message:
      'nothing becomes of it: callers go to Service shop/db past every waypoint; label ambit.dev/waypoint on it or on its Namespace names one',
  };
  assert.deepEqual(findings, [
    { object: 'HTTPRoute shop/right', ...unread },
    {
      object: 'HTTPRoute shop/lost',
      at: 'Service shop/cart',
      type: 'Accepted',
      status: 'False',
      reason: 'NoMatchingParent',
      message: 'there is no Service shop/cart',
    },
    {
      object: 'HTTPRoute shop/half',
      at: 'Service shop/db',
      type: 'ResolvedRefs',
      status: 'False',
      reason: 'BackendNotFound',
      message: 'there is no Service shop/cart',
    },
    { object: 'HTTPRoute shop/half', ...unread },
    {
      object: 'HTTPRoute shop/nowhere',
      type: 'Accepted',
      status: 'Unknown',
      reason: 'NoParent',
      message:
        'it counts nowhere: none of its parentRefs is a Service (group "", kind Service) or a Gateway of a class of Ambit that exists',
    },
    {
      object: 'BackendTLSPolicy shop/tls',
      at: 'Service shop/bank',
      type: 'Accepted',
      status: 'False',
      reason: 'TargetNotFound',
      message: 'there is no Service shop/bank',
    },
    {
      object: 'AccessPolicy shop/no-admin',
      at: 'Namespace shop',
      type: 'Attached',
      status: 'False',
      reason: 'TargetNotFound',
      message: 'attached to nothing: no workload is selected by it',
    },
    {
      object: 'Service shop/web',
      type: 'ambit.dev/WaypointBound',
      status: 'False',
      reason: 'WaypointMissing',
      message: 'there is no Gateway shop/wayponit: callers are refused',
    },
  ]);
  const lines = (text: string): readonly string[] => world.lines.filter((line) => line.includes(text));
  await until('the log has all of them', () => lines('object has a bad condition').length === 8);
  assert.match(
    lines('shop/lost').join('\n'),
    /Accepted="False" reason="NoMatchingParent" message="there is no Service/,
  );

  await world.write('routes.yaml', route('right', 'group: "", kind: Service, name: db', 'db'));
  await until('the log says what is gone', () => lines('bad condition is gone').length === 4, 10_000);
  assert.equal(lines('object has a bad condition').length, 8);
});

test('without Kubernetes, a pod that asks for the mesh and is on no node is told of', async () => {
  const pod = (name: string, spec: string, more = ''): string => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop${more}}
spec: {${spec}}
status: {podIPs: [{ip: 10.10.0.${name.length}}]}
`;
  await using world = await ControllerWorld.create();
  await world.write('world.yaml', WORLD.slice(0, WORLD.indexOf('---')));
  const pods = [
    pod('there', 'nodeName: n1'),
    pod('nowhere', 'serviceAccountName: web'),
    pod('apart', '', ', labels: {ambit.dev/mode: none}'),
  ];
  await world.write('pods.yaml', pods.join(''));
  await using app = await world.start();
  assert.deepEqual(JSON.parse(await ask(app.ports.debug, '/findings')), [
    {
      object: 'Pod shop/nowhere',
      type: 'Enrolled',
      status: 'False',
      reason: 'NoNode',
      message:
        'its labels ask for the mesh, but without spec.nodeName no node captures it: its calls go past the mesh, in plaintext',
    },
  ]);
});
