import fc from 'fast-check';
import {
  type AccessPolicy,
  type FieldMatch,
  type PolicyMatch,
  policyKey,
  type StringMatch,
} from '../model/access-policy.ts';
import { type Cidr, createCidr, type IpAddress, ipAddressFromBytes, parsePort } from '../model/address.ts';
import type { LockedEgress } from '../model/egress.ts';
import type { PodProbes, Probe } from '../model/probe.ts';
import { parseServiceKey, type Service, type ServiceAddress, serviceKey } from '../model/service.ts';
import { parseTrustDomain } from '../model/spiffe-id.ts';
import type { WaypointRef } from '../model/waypoint-ref.ts';
import { parseWorkloadUid, type Workload } from '../model/workload.ts';

// Any value the model allows, for properties that must hold for all of them.

/** Plain objects, as the model's own are: equality of tests tells a null prototype from them. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const name = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,18}[a-z0-9])?$/);
const wirePort = fc.integer({ min: 0, max: 65_535 });
const bytes = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }));

export const anyIpAddress: fc.Arbitrary<IpAddress> = bytes.map(ipAddressFromBytes);

const anyCidr: fc.Arbitrary<Cidr> = fc
  .tuple(bytes, fc.nat(128))
  .map(([address, length]) => createCidr(address, length % (address.length * 8 + 1)));

const anyServicePort = record({
  servicePort: wirePort,
  targetPort: wirePort,
  appProtocol: fc.constantFrom('unknown', 'http1', 'http2', 'grpc', 'tcp', 'tls'),
});

const anyWaypoint: fc.Arbitrary<WaypointRef> = record({
  destination: fc.oneof(
    record({ namespace: name, hostname: name }).map((hostname) => ({ kind: 'hostname', hostname }) as const),
    record({ network: text, ip: anyIpAddress }).map((address) => ({ kind: 'address', ...address }) as const),
  ),
  hboneMtlsPort: fc.integer({ min: 1, max: 65_535 }).map(parsePort),
});

const anyServiceAddress: fc.Arbitrary<ServiceAddress> = fc.oneof(
  record({ network: text, ip: anyIpAddress }),
  record({ network: text, cidr: anyCidr })
    // A block of one address is written as that address; a mapped block has no IPv4 text of its own.
    .filter(({ cidr }) => cidr.prefixLength < cidr.bytes.length * 8)
    .map(({ network, cidr }) => ({ network, ip: ipAddressFromBytes(cidr.bytes), cidr }))
    .filter(({ ip, cidr }) => ip.includes(':') === (cidr.bytes.length === 16)),
);

/** Optional keys are absent rather than undefined. */
function optional<T extends object, K extends keyof T>(key: K, value: fc.Arbitrary<NonNullable<T[K]>>) {
  return fc.oneof(
    fc.constant({}),
    value.map((present) => ({ [key]: present })),
  );
}

const workloadFacts = record({
  uid: fc.stringMatching(/^[!-~]{1,40}$/).map(parseWorkloadUid),
  name: text,
  namespace: name,
  addresses: fc.array(anyIpAddress, { maxLength: 3 }),
  hostname: text,
  network: text,
  tunnelProtocol: fc.constantFrom('none', 'hbone'),
  trustDomain: name.map(parseTrustDomain),
  serviceAccount: name,
  node: text,
  canonicalName: text,
  canonicalRevision: text,
  workloadType: fc.constantFrom('deployment', 'cronjob', 'pod', 'job'),
  workloadName: text,
  nativeTunnel: fc.boolean(),
  services: fc
    .uniqueArray(fc.tuple(name, fc.array(anyServicePort, { maxLength: 3 })), { selector: ([key]) => key, maxLength: 3 })
    .map((entries) => new Map(entries.map(([key, ports]) => [parseServiceKey(`ns/${key}`), ports]))),
  authorizationPolicies: fc.array(record({ namespace: name, name }).map(policyKey), { maxLength: 3 }),
  status: fc.constantFrom('healthy', 'unhealthy'),
  clusterId: text,
  locality: record({ region: text, zone: text, subzone: text }),
  networkMode: fc.constantFrom('standard', 'host-network'),
  capacity: fc.nat(0xffff_ffff),
});

const probeBase = {
  port: fc.integer({ min: 1, max: 65_535 }).map(parsePort),
  timeoutMs: fc.integer({ min: 1, max: 60 }).map((seconds) => seconds * 1000),
};

const anyProbe: fc.Arbitrary<Probe> = fc.oneof(
  record({
    kind: fc.constant('http' as const),
    ...probeBase,
    target: text,
    secure: fc.boolean(),
    headers: fc.array(record({ name: text, value: text }), { maxLength: 3 }),
  }),
  record({ kind: fc.constant('grpc' as const), ...probeBase, service: text }),
  record({ kind: fc.constant('tcp' as const), ...probeBase }),
);

const anyProbes: fc.Arbitrary<PodProbes> = record({
  nodeAddresses: fc.array(anyIpAddress, { maxLength: 3 }),
  probes: fc.array(anyProbe, { maxLength: 3 }),
});

const anyEgress: fc.Arbitrary<LockedEgress> = record({
  allowed: fc.array(
    record({ block: anyCidr, ports: fc.array(fc.integer({ min: 1, max: 65_535 }).map(parsePort), { maxLength: 3 }) }),
    { maxLength: 3 },
  ),
});

export const anyWorkload: fc.Arbitrary<Workload> = fc
  .tuple(
    workloadFacts,
    optional<Workload, 'waypoint'>('waypoint', anyWaypoint),
    optional<Workload, 'networkGateway'>('networkGateway', anyWaypoint),
    optional<Workload, 'applicationTunnel'>(
      'applicationTunnel',
      record({ protocol: fc.constantFrom('none', 'proxy'), port: wirePort }),
    ),
    optional<Workload, 'probes'>('probes', anyProbes),
    optional<Workload, 'egress'>('egress', anyEgress),
  )
  .map(([facts, ...rest]) => Object.assign({}, facts, ...rest));

const serviceFacts = record({
  name: text,
  namespace: name,
  hostname: name,
  addresses: fc.array(anyServiceAddress, { maxLength: 3 }),
  ports: fc.array(anyServicePort, { maxLength: 3 }),
  subjectAltNames: fc.array(text, { maxLength: 3 }),
  weightedWaypoints: fc.array(record({ waypoint: anyWaypoint, weight: fc.nat(0xffff_ffff) }), { maxLength: 2 }),
  ipFamilies: fc.constantFrom('automatic', 'ipv4-only', 'ipv6-only', 'dual'),
  canonical: fc.boolean(),
  ingressUseWaypoint: fc.boolean(),
  visibility: fc.constantFrom('public', 'namespace'),
});

const anyLoadBalancing = record({
  mode: fc.constantFrom('unspecified', 'strict', 'failover', 'passthrough'),
  routingPreference: fc.array(fc.constantFrom('region', 'zone', 'subzone', 'node', 'cluster', 'network'), {
    maxLength: 6,
  }),
  healthPolicy: fc.constantFrom('only-healthy', 'allow-all'),
});

export const anyService: fc.Arbitrary<Service> = fc
  .tuple(
    serviceFacts,
    optional<Service, 'waypoint'>('waypoint', anyWaypoint),
    optional<Service, 'callerWaypoints'>(
      'callerWaypoints',
      fc.dictionary(name, anyWaypoint, { maxKeys: 3 }).map((waypoints) => new Map(Object.entries(waypoints))),
    ),
    optional<Service, 'portNames'>(
      'portNames',
      fc.dictionary(name, fc.nat(65_535), { maxKeys: 3 }).map((ports) => new Map(Object.entries(ports))),
    ),
    optional<Service, 'balanceBy'>('balanceBy', fc.constantFrom('least-request', 'round-robin', 'random')),
    optional<Service, 'loadBalancing'>('loadBalancing', anyLoadBalancing),
  )
  .map(([facts, ...rest]) => Object.assign({ key: serviceKey(facts) }, facts, ...rest));

const anyStringMatch: fc.Arbitrary<StringMatch> = fc.oneof(
  record({ kind: fc.constantFrom('exact', 'prefix', 'suffix'), value: text }),
  fc.constant({ kind: 'presence' } as const),
);

function anyField<T>(value: fc.Arbitrary<T>): fc.Arbitrary<FieldMatch<T>> {
  return record({ any: fc.array(value, { maxLength: 2 }), none: fc.array(value, { maxLength: 2 }) });
}

export const anyPolicyMatch: fc.Arbitrary<PolicyMatch> = record({
  namespaces: anyField(anyStringMatch),
  serviceAccounts: anyField(record({ namespace: name, serviceAccount: name })),
  principals: anyField(anyStringMatch),
  sourceIps: anyField(anyCidr),
  destinationIps: anyField(anyCidr),
  destinationPorts: anyField(wirePort),
});

export const anyPolicy: fc.Arbitrary<AccessPolicy> = record({
  name,
  namespace: fc.oneof(name, fc.constant('')),
  scope: fc.constantFrom('mesh', 'namespace', 'workload'),
  action: fc.constantFrom('allow', 'deny'),
  rules: fc.array(
    record({
      clauses: fc.array(record({ matches: fc.array(anyPolicyMatch, { maxLength: 2 }) }), { maxLength: 2 }),
    }),
    { maxLength: 2 },
  ),
  dryRun: fc.boolean(),
}).map((facts) => ({ key: policyKey(facts), ...facts }));
