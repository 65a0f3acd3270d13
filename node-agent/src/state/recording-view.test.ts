import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMeshViewStore, type MeshView, parseCidr, parseIpAddress, parseWorkloadUid } from '@ambit/mesh/model';
import { buildService, buildWorkload } from '@ambit/mesh/testing';
import { RecordingView } from './recording-view.ts';

const web = buildService();
const pod = buildWorkload({ name: 'pod', addresses: ['10.0.0.1'], services: { [web.key]: ['80:8080'] } });
const block = buildService({ name: 'block' });
const [vip] = web.addresses;
assert.ok(vip);
const inBlock = parseIpAddress('172.16.1.2');

const { view, apply } = createMeshViewStore();
apply({
  workloads: [pod],
  services: [
    web,
    { ...block, addresses: [{ network: '', ip: parseIpAddress('172.16.0.0'), cidr: parseCidr('172.16.0.0/12') }] },
  ],
});

/** What a look at the view leaves to be asked. */
function missing(look: (view: MeshView) => unknown, settled: readonly string[] = []): readonly string[] {
  const recording = new RecordingView({
    view,
    isSettled: (name) => settled.includes(name),
    clusterDomain: 'cluster.local',
  });
  recording.begin('shop');
  look(recording);
  return recording.missing;
}

test('RecordingView notes what is looked for in vain, by the name it is asked for, and not what is settled', () => {
  const uid = parseWorkloadUid('c//Pod/shop/other');
  const name = { namespace: 'shop', hostname: 'gate.example' };
  const ip = parseIpAddress('10.0.0.9');
  const cases: [string, (view: MeshView) => unknown, readonly string[]][] = [
    ['a workload that is there', (seen) => seen.workload(pod.uid), []],
    ['a workload', (seen) => seen.workload(uid), [uid]],
    [
      'a pod that is there',
      (seen) => [seen.serviceByAddress('', pod.addresses[0] ?? ip), seen.workloadByAddress('', pod.addresses[0] ?? ip)],
      [],
    ],
    ['an address', (seen) => [seen.serviceByAddress('n', ip), seen.workloadByAddress('n', ip)], ['n/10.0.0.9']],
    ['a service by address that is there', (seen) => seen.serviceByAddress(vip.network, vip.ip), []],
    ['an address in a block: somebody may have it', (seen) => seen.serviceByAddress('', inBlock), ['/172.16.1.2']],
    ['a service that is there', (seen) => seen.service(web.key), []],
    ['a workload by name', (seen) => seen.workloadByHostname(name), ['shop/gate.example']],
    [
      'a name of the cluster',
      (seen) => seen.servicesByHostname('db.data.svc.cluster.local'),
      ['data/db.data.svc.cluster.local'],
    ],
    [
      'a name outside',
      (seen) => seen.servicesByHostname('api.example.com'),
      ['*/api.example.com', 'shop/api.example.com'],
    ],
    ['no name of a service', (seen) => seen.servicesByHostname('a.db.data.svc.cluster.local'), []],
    ['a wildcard, which comes with what it covers', (seen) => seen.servicesByHostname('*.example.com'), []],
    ['a name without a dot', (seen) => seen.servicesByHostname('db'), []],
    ['bytes that are no name', (seen) => seen.servicesByHostname('a\u0000.example'), []],
  ];
  for (const [what, look, expected] of cases) {
    assert.deepEqual(missing(look), expected, what);
    assert.deepEqual(missing(look, expected), [], what);
  }
});

test('RecordingView shows what the view has', () => {
  const recording = new RecordingView({ view, isSettled: () => true, clusterDomain: 'cluster.local' });
  recording.begin('shop');
  assert.deepEqual(recording.workload(pod.uid), pod);
  assert.deepEqual([...recording.endpoints(web.key)], [pod]);
  assert.deepEqual(recording.serviceByAddress('', inBlock)?.name, 'block');
  assert.deepEqual(recording.servicesByHostname(web.hostname), [web]);
  assert.deepEqual([...recording.workloads()], [pod]);
  assert.deepEqual([[...recording.services()].length, [...recording.policies()].length, recording.epoch], [2, 0, 1]);
  assert.deepEqual(recording.policiesFor(pod), { policies: [], missing: [] });
  assert.equal(recording.isInRanges('', inBlock), false);
});
