import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  createMeshViewStore,
  type MeshViewUpdate,
  type OriginalDestination,
  parseCidr,
  parseSocketAddress,
  type Workload,
} from '@ambit/mesh/model';
import { buildService, buildWorkload } from '@ambit/mesh/testing';
import { decideOutbound, type OutboundRoute } from './outbound-route.ts';

// Where a pod's connection goes in the situations that Kubernetes makes, under the ranges of an ordinary cluster: pods in
// 10.244.0.0/16, services in 10.96.0.0/16, nodes in 192.0.2.0/24.

const API = buildService({
  name: 'kubernetes',
  namespace: 'default',
  addresses: ['10.96.0.1'],
  ports: ['443:6443'],
});
const WEB = buildService({ addresses: ['10.96.0.10'], ports: ['80:8080'] });
const HEADLESS = buildService({ name: 'db', addresses: [], ports: ['5432'] });
const DNS = buildService({ name: 'kube-dns', namespace: 'kube-system', addresses: ['10.96.0.53'], ports: ['53'] });
const BALANCED = buildService({ name: 'edge', addresses: ['10.96.0.20', '198.51.100.7'], ports: ['80:8080'] });

const backing = (service: { readonly key: string }, ports: string): Record<string, readonly string[]> => ({
  [service.key]: [ports],
});

const client = buildWorkload({ name: 'client', addresses: ['10.244.1.5'], services: backing(WEB, '80:8080') });
const pod = (name: string, last: number, more: Parameters<typeof buildWorkload>[0] = {}): Workload =>
  buildWorkload({ name, addresses: [`10.244.2.${last}`], ...more });

/** `kind address [authority]`, or what is waited for, or why it is refused. */
function shown(route: OutboundRoute): string {
  switch (route.kind) {
    case 'direct-hbone':
    case 'waypoint-hbone':
    case 'double-hbone':
      return `${route.kind} ${route.hboneAddress.ip}:${route.hboneAddress.port} ${route.authority}`;
    case 'direct-tcp':
    case 'passthrough':
      return `${route.kind} ${route.address.ip}:${route.address.port}`;
    case 'resolve':
      return `resolve ${route.hop.workload.hostname}`;
    case 'wait':
      return `wait for ${route.for}`;
    case 'refused':
      return route.reason;
  }
}

interface Row {
  readonly what: string;
  readonly to: string;
  readonly mesh?: MeshViewUpdate;
  readonly waited?: true;
  readonly expected: string;
}

const apiServer = buildWorkload({
  uid: 'cluster-1/discovery.k8s.io/EndpointSlice/default/192.0.2.1',
  name: '192.0.2.1',
  namespace: 'default',
  addresses: ['192.0.2.1'],
  tunnelProtocol: 'none',
  services: backing(API, '443:6443'),
});
const onHost = buildWorkload({
  name: 'exporter',
  addresses: ['192.0.2.2'],
  tunnelProtocol: 'none',
  networkMode: 'host-network',
  services: backing(BALANCED, '80:9100'),
});
const coredns = buildWorkload({
  name: 'coredns',
  namespace: 'kube-system',
  addresses: ['10.244.0.3'],
  tunnelProtocol: 'none',
  services: backing(DNS, '53'),
});

const rows: readonly Row[] = [
  {
    what: 'the API server by its service, whose endpoint is on a node',
    to: '10.96.0.1:443',
    mesh: { services: [API], workloads: [apiServer] },
    expected: 'direct-tcp 192.0.2.1:6443',
  },
  { what: 'the API server by the address of its node', to: '192.0.2.1:6443', expected: 'passthrough 192.0.2.1:6443' },
  {
    what: 'a service whose endpoint is in the network of its host',
    to: '10.96.0.20:80',
    mesh: { services: [BALANCED], workloads: [onHost] },
    expected: 'direct-tcp 192.0.2.2:9100',
  },
  {
    what: 'a pod in the network of its host, by the address of that',
    to: '192.0.2.2:9100',
    mesh: { workloads: [onHost] },
    expected: 'passthrough 192.0.2.2:9100',
  },
  { what: 'the NodePort of a node', to: '192.0.2.2:30080', expected: 'passthrough 192.0.2.2:30080' },
  {
    what: 'a service of type LoadBalancer by its outer address, as the mesh knows it',
    to: '198.51.100.7:80',
    mesh: { services: [BALANCED], workloads: [pod('edge', 1, { services: backing(BALANCED, '80:8080') })] },
    expected: 'direct-hbone 10.244.2.1:15008 10.244.2.1:8080',
  },
  {
    what: 'a pod of a headless service, by the address that DNS gives',
    to: '10.244.2.7:5432',
    mesh: { services: [HEADLESS], workloads: [pod('db-0', 7, { services: backing(HEADLESS, '5432') })] },
    expected: 'direct-hbone 10.244.2.7:15008 10.244.2.7:5432',
  },
  {
    what: 'a pod of a headless service that is not ready: peers of a StatefulSet find each other so',
    to: '10.244.2.7:5432',
    mesh: { workloads: [pod('db-0', 7, { status: 'unhealthy' })] },
    expected: 'direct-hbone 10.244.2.7:15008 10.244.2.7:5432',
  },
  {
    what: 'itself by the address of its own service, of which it is the only endpoint',
    to: '10.96.0.10:80',
    mesh: { services: [WEB] },
    expected: 'direct-hbone 10.244.1.5:15008 10.244.1.5:8080',
  },
  {
    what: 'an endpoint that terminates, beside one that does not',
    to: '10.96.0.20:80',
    mesh: {
      services: [BALANCED],
      workloads: [
        pod('old', 1, { status: 'unhealthy', services: backing(BALANCED, '80:8080') }),
        pod('new', 2, { services: backing(BALANCED, '80:8080') }),
      ],
    },
    expected: 'direct-hbone 10.244.2.2:15008 10.244.2.2:8080',
  },
  {
    what: 'a service all of whose endpoints terminate',
    to: '10.96.0.20:80',
    mesh: {
      services: [BALANCED],
      workloads: [pod('old', 1, { status: 'unhealthy', services: backing(BALANCED, '80:8080') })],
    },
    expected: 'no-healthy-endpoint',
  },
  {
    what: 'a service scaled to nothing',
    to: '10.96.0.20:80',
    mesh: { services: [BALANCED] },
    expected: 'no-healthy-endpoint',
  },
  {
    what: 'DNS over TCP in a namespace that is never enrolled',
    to: '10.96.0.53:53',
    mesh: { services: [DNS], workloads: [coredns] },
    expected: 'direct-tcp 10.244.0.3:53',
  },
  { what: 'a pod that is so new that nobody knows it', to: '10.244.3.3:80', expected: 'wait for destination' },
  {
    what: 'the pod of a Job that has ended: never in plaintext to who may have its address now',
    to: '10.244.3.3:80',
    waited: true,
    expected: 'unknown-destination',
  },
  { what: 'a service that is so new that nobody knows it', to: '10.96.0.99:80', expected: 'wait for destination' },
  { what: 'the metadata server of a cloud', to: '169.254.169.254:80', expected: 'passthrough 169.254.169.254:80' },
  { what: 'what an ExternalName leads to', to: '203.0.113.9:443', expected: 'passthrough 203.0.113.9:443' },
];

describe('decideOutbound() on Kubernetes', () => {
  for (const { what, to, mesh, waited = false, expected } of rows) {
    test(what, () => {
      const store = createMeshViewStore();
      store.apply({ ...mesh, workloads: [client, ...(mesh?.workloads ?? [])] });
      const route = decideOutbound(store.view, client, parseSocketAddress(to) as OriginalDestination, {
        meshRanges: [parseCidr('10.244.0.0/16'), parseCidr('10.96.0.0/16')],
        random: () => 0,
        openConnections: () => 0,
        waited,
      });
      assert.equal(shown(route), expected);
    });
  }
});
