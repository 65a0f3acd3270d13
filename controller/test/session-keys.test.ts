import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPushTransport, type NodeCredentials, POD_HEADER } from '@ambit/mesh/grpc';
import { PushClient } from '@ambit/mesh/push';
import { parseSessionKeys, SESSION_KEYS_TYPE_URL } from '@ambit/mesh/route-wire';
import type { SessionKeys } from '@ambit/mesh/routes';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { checkLeaks } from '@ambit/mesh/testing';
import type { ControllerApp } from '../src/app.ts';
import { ask, ControllerWorld } from './controller-world.ts';

checkLeaks();

const gateway = (name: string): string => `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: shop}
spec: {gatewayClassName: ambit-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}-1
  namespace: shop
  labels: {gateway.networking.k8s.io/gateway-name: ${name}, gateway.networking.k8s.io/gateway-class-name: ambit-waypoint}
spec: {nodeName: host-a, serviceAccountName: ${name}-ambit-waypoint, containers: [{name: app}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.${name.length}}], conditions: [{type: Ready, status: "True"}]}
---
`;

/** What a waypoint of that pod is sent first. */
async function keysFor(app: ControllerApp, credentials: NodeCredentials, pod: string): Promise<readonly SessionKeys[]> {
  const ready = Promise.withResolvers<void>();
  const stop = new AbortController();
  const found: SessionKeys[] = [];
  const client = new PushClient({
    transport: createPushTransport({
      address: `127.0.0.1:${app.ports.grpc}`,
      credentials: () => credentials.controller,
      headers: { [POD_HEADER]: pod },
    }),
    node: { id: `waypoint~1.1.1.1~${pod}~x`, cluster: 'waypoint', metadata: {} },
    withPolicies: false,
    clock: systemClock,
    logger: silentLogger,
    apply: async () => {},
    others: [
      {
        typeUrl: SESSION_KEYS_TYPE_URL,
        parse: parseSessionKeys,
        apply: async ({ put }) => void found.push(...[...put.values()].map((one) => one as SessionKeys)),
      },
    ],
    onReady: () => ready.resolve(),
  });
  const running = client.run(stop.signal);
  await ready.promise;
  stop.abort();
  await running;
  return found;
}

test('waypoints are sent keys of their own Gateway, the same after a restart, and nobody else sees them', async () => {
  await using world = await ControllerWorld.create();
  await world.write('mesh.yaml', gateway('wp') + gateway('other'));
  let before: readonly SessionKeys[] = [];
  for (const run of ['first', 'second'] as const) {
    await using app = await world.start();
    const credentials = await world.joinAs(app, 'host-a');
    const own = await keysFor(app, credentials, 'shop/wp-1');
    const other = await keysFor(app, credentials, 'shop/other-1');
    assert.deepEqual(
      [...own, ...other].map((one) => one.gateway),
      ['shop/wp', 'shop/other'],
      run,
    );
    assert.notDeepEqual(own[0]?.keys, other[0]?.keys);
    if (run === 'second') assert.deepEqual([...own, ...other], before);
    before = [...own, ...other];
    const shown = [
      ...world.lines,
      await ask(app.ports.debug, '/resources'),
      await ask(app.ports.debug, '/subscribers'),
    ];
    for (const key of before.flatMap(({ keys }) => keys)) {
      for (const encoding of ['base64', 'base64url', 'hex'] as const) {
        assert.ok(!shown.join('\n').includes(Buffer.from(key).toString(encoding)));
      }
    }
    assert.match(shown.join('\n'), /"shop\/wp": "/, 'its name and version are shown');
  }
});
