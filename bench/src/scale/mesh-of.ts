import {
  type AccessPolicy,
  DEFAULT_TRUST_DOMAIN,
  parseIpAddress,
  parsePolicyKey,
  parseWorkloadUid,
  policyKey,
  type Service,
  type ServiceKey,
  serviceKey,
  type ServicePort,
  type Workload,
} from '@ambit/mesh/model';
import type { PushedObject } from '@ambit/mesh/wire';

/** How large a mesh is. */
export interface MeshSize {
  readonly workloads: number;
  readonly services: number;
  readonly namespaces: number;
  readonly nodes: number;
}

export const LARGE_MESH: MeshSize = { workloads: 100_000, services: 10_000, namespaces: 200, nodes: 2000 };

const ZONES = ['eu-central-1a', 'eu-central-1b', 'eu-central-1c'];
const APPS = ['checkout', 'inventory', 'recommendations', 'payments', 'frontend', 'search', 'session-store', 'orders'];
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
/** Of the namespaces, every so many-th has policies. */
const POLICY_EVERY = 4;
/** Of the pods, every so many-th has an IPv6 address too, backs a second service, or has a policy of its own. */
const DUAL_STACK_EVERY = 10;
const SECOND_SERVICE_EVERY = 20;
const OWN_POLICY_EVERY = 50;
const PORTS: readonly ServicePort[] = [
  { servicePort: 80, targetPort: 8080, appProtocol: 'http1' },
  { servicePort: 9090, targetPort: 9090, appProtocol: 'grpc' },
];

/**
 * What a controller pushes of a cluster of this size: pods of Deployments with the names Kubernetes gives them, spread over nodes, zones
 * and namespaces, ten to a service; services with a virtual address and two ports; policies in some namespaces and at some pods.
 */
export function* meshOf(size: MeshSize): Iterable<PushedObject> {
  for (let index = 0; index < size.namespaces; index += POLICY_EVERY) {
    const policy = policyOf(namespaceOf(index), 'callers-of-the-namespace', 'namespace');
    yield { kind: 'policy', policy };
    yield { kind: 'policy', policy: policyOf(namespaceOf(index), 'callers-of-one', 'workload') };
  }
  for (let index = 0; index < size.services; index++) yield { kind: 'service', service: serviceOf(index, size) };
  for (let index = 0; index < size.workloads; index++) yield { kind: 'workload', workload: podOf(index, size) };
}

function namespaceOf(index: number): string {
  return `team-${String(index).padStart(3, '0')}`;
}

function nameOf(index: number): string {
  return `${APPS[index % APPS.length]}-${Math.floor(index / APPS.length)}`;
}

function keyOf(index: number, size: MeshSize): ServiceKey {
  const namespace = namespaceOf(index % size.namespaces);
  return serviceKey({ namespace, hostname: `${nameOf(index)}.${namespace}.svc.cluster.local` });
}

function serviceOf(index: number, size: MeshSize): Service {
  const namespace = namespaceOf(index % size.namespaces);
  const name = nameOf(index);
  return {
    key: keyOf(index, size),
    name,
    namespace,
    hostname: `${name}.${namespace}.svc.cluster.local`,
    addresses: [{ network: '', ip: parseIpAddress(`10.96.${index >> 8}.${index & 255}`) }],
    ports: PORTS,
    subjectAltNames: [],
    weightedWaypoints: [],
    ...(index % 5 === 0
      ? {
          loadBalancing: {
            mode: 'failover',
            routingPreference: ['region', 'zone'],
            healthPolicy: 'only-healthy',
          } as const,
        }
      : {}),
    ipFamilies: 'ipv4-only',
    canonical: true,
    ingressUseWaypoint: false,
    visibility: 'public',
  };
}

function podOf(index: number, size: MeshSize): Workload {
  const service = index % size.services;
  const namespace = namespaceOf(service % size.namespaces);
  const owner = nameOf(service);
  const name = `${owner}-${randomText(service * 7 + 1, 9)}-${randomText(index * 13 + 5, 5)}`;
  const other = (service + size.namespaces) % size.services;
  const services = index % SECOND_SERVICE_EVERY === 0 && other !== service ? [service, other] : [service];
  const node = index % size.nodes;
  const hasPolicies = (service % size.namespaces) % POLICY_EVERY === 0;
  const v6 = `fd00:10::${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}`;
  return {
    uid: parseWorkloadUid(`Kubernetes//Pod/${namespace}/${name}`),
    name,
    namespace,
    addresses: [
      parseIpAddress(`10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`),
      ...(index % DUAL_STACK_EVERY === 0 ? [parseIpAddress(v6)] : []),
    ],
    hostname: '',
    network: '',
    tunnelProtocol: 'hbone',
    trustDomain: DEFAULT_TRUST_DOMAIN,
    serviceAccount: owner,
    node: `ip-10-0-${node >> 8}-${node & 255}.eu-central-1.compute.internal`,
    canonicalName: owner,
    canonicalRevision: `v${1 + (index % 3)}`,
    workloadType: 'deployment',
    workloadName: owner,
    nativeTunnel: false,
    services: new Map(services.map((one) => [keyOf(one, size), PORTS])),
    authorizationPolicies:
      hasPolicies && index % OWN_POLICY_EVERY === 0 ? [parsePolicyKey(`${namespace}/callers-of-one`)] : [],
    status: index % 100 === 99 ? 'unhealthy' : 'healthy',
    clusterId: 'Kubernetes',
    locality: { region: 'eu-central-1', zone: ZONES[node % ZONES.length] ?? '', subzone: '' },
    networkMode: 'standard',
    capacity: 1,
  };
}

function policyOf(namespace: string, name: string, scope: AccessPolicy['scope']): AccessPolicy {
  const any = <T>(...values: readonly T[]) => ({ any: values, none: [] });
  return {
    key: policyKey({ namespace, name }),
    name,
    namespace,
    scope,
    action: 'allow',
    rules: [
      {
        clauses: [
          {
            matches: [
              {
                namespaces: any({ kind: 'exact', value: namespace }, { kind: 'exact', value: 'ingress' }),
                serviceAccounts: any(),
                principals: any(),
                sourceIps: any(),
                destinationIps: any(),
                destinationPorts: any(8080, 9090),
              },
            ],
          },
        ],
      },
    ],
    dryRun: false,
  };
}

/** The same for the same seed. */
function randomText(seed: number, length: number): string {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  let text = '';
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state ^ (state >>> 15), 0x85ebca6b) + 0xc2b2ae35) >>> 0;
    text += ALPHABET[state % ALPHABET.length];
  }
  return text;
}
