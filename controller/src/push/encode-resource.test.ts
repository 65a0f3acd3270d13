import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress, parsePort, type Workload } from '@ambit/mesh/model';
import { buildWorkload } from '@ambit/mesh/testing';
import { parseAddressResource } from '@ambit/mesh/wire';
import { encodeResource, sameResource } from './encode-resource.ts';
import { resourceFor } from './resource-store.ts';

const probed = buildWorkload({
  probes: {
    nodeAddresses: [parseIpAddress('192.0.2.1')],
    probes: [
      {
        kind: 'http',
        port: parsePort(8080),
        timeoutMs: 1000,
        target: '/healthz',
        secure: false,
        headers: [{ name: 'authorization', value: 'secret' }],
      },
    ],
  },
});

function workloadIn(bytes: Uint8Array | undefined): Workload {
  const read = parseAddressResource(bytes ?? assert.fail('no bytes'));
  return read.kind === 'workload' ? read.workload : assert.fail('no workload');
}

test('encodeResource keeps probes, whose headers may be secrets, to the node of the workload', () => {
  const resource = encodeResource({ kind: 'workload', workload: probed });
  const { probes, ...plain } = probed;
  assert.deepEqual(workloadIn(resource.value), plain);
  assert.equal(resource.forNode?.node, 'node-1');
  assert.deepEqual(workloadIn(resource.forNode?.value).probes, probes);
  assert.equal(Buffer.from(resource.value).includes('secret'), false);
  assert.notEqual(resource.forNode?.version, resource.version);
});

test('encodeResource has nothing of its own for the node of a workload without probes', () => {
  assert.equal(encodeResource({ kind: 'workload', workload: buildWorkload() }).forNode, undefined);
});

test('sameResource tells a change that only the node sees', () => {
  const of = (workload: Workload): ReturnType<typeof encodeResource> => encodeResource({ kind: 'workload', workload });
  assert.equal(sameResource(of(probed), of({ ...probed })), true);
  assert.equal(sameResource(of(probed), of(buildWorkload())), false);
  assert.equal(sameResource(of(probed), of({ ...probed, probes: { nodeAddresses: [], probes: [] } })), false);
});

test('a set of policies is another one at the canary waypoint of a service', () => {
  const set = { name: 'service/shop/web', includes: ['gateway/shop/wp'], policies: [] } as const;
  const atNext = { ...set, includes: ['gateway/shop/next'] } as const;
  const both = encodeResource({ kind: 'policies', set, atCanary: { gateway: 'shop/next', set: atNext } });
  const alone = encodeResource({ kind: 'policies', set });
  const sent = (gateway?: string): string | undefined =>
    resourceFor({ node: 'n', ...(gateway === undefined ? {} : { gateway }) }, both)?.version;
  const next = encodeResource({ kind: 'policies', set: atNext }).version;
  assert.deepEqual([sent(), sent('shop/wp'), sent('shop/next')], [alone.version, alone.version, next]);
  assert.deepEqual([sameResource(alone, both), sameResource(both, { ...both })], [false, true]);
});
