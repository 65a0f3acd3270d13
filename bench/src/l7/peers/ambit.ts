import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLIENT_PRINCIPAL } from '../../l4/certificates.ts';
import {
  ALLOWED,
  type L7Peer,
  type L7Site,
  PLAIN_PORT,
  PROXY_CORE,
  type RunningL7Peer,
  SERVER_PORT,
  SERVICE_A,
  SERVICE_B,
} from '../peer.ts';

export interface AmbitPeerOptions {
  readonly name: 'ambit' | 'ambit-5000';
  /** Beside those that requests take. */
  readonly idleRoutes: number;
  readonly version: string;
  readonly program: string;
  readonly node: string;
  readonly path: string;
  readonly nodeArguments: readonly string[];
}

/** The waypoint with its local configuration. */
export function createAmbitL7Peer(options: AmbitPeerOptions): L7Peer {
  return {
    name: options.name,
    version: options.version,
    features: [
      'one data worker',
      'HBONE in and out: mutual TLS 1.3, P-256, both principals checked',
      `HTTPRoute by header${options.idleRoutes === 0 ? '' : `, ${options.idleRoutes} more`}; AccessPolicy by principal, method and path`,
      'access log to a file, request metrics on',
    ],
    start: (site) => start(site, options),
  };
}

async function start(site: L7Site, options: AmbitPeerOptions): Promise<RunningL7Peer> {
  const config = join(site.directory, 'local.json');
  const accessLog = join(site.directory, 'access.log');
  await writeFile(config, JSON.stringify(ambitL7Config(site, options.idleRoutes)));
  const { name, node, program, nodeArguments, path } = options;
  const child = site.children.start({
    name: `l7-${name}`,
    netns: site.pair.serverNetns,
    core: PROXY_CORE,
    command: [node, ...nodeArguments, program],
    env: { PATH: path, AMBIT_LOCAL_CONFIG: config, AMBIT_ACCESS_LOG: accessLog },
  });
  return { pids: [child.pid], accessLog, assertAlive: () => child.assertAlive() };
}

/** The mesh as the waypoint reads it: a service behind HBONE, one in plaintext, and a route that goes by a header. */
export function ambitL7Config({ pair, certificates }: Pick<L7Site, 'pair' | 'certificates'>, idleRoutes = 0): object {
  const bytes = (address: string): string => Buffer.from(address.split('.').map(Number)).toString('base64');
  const port = { servicePort: SERVICE_A.port, targetPort: SERVER_PORT };
  const workload = (name: string, tunnelProtocol: string, hostnames: readonly string[]): object => ({
    uid: `Kubernetes//Pod/bench/${name}`,
    name,
    namespace: 'bench',
    addresses: [bytes(pair.clientAddress)],
    tunnelProtocol,
    trustDomain: 'cluster.local',
    serviceAccount: 'server',
    canonicalName: name,
    canonicalRevision: 'latest',
    workloadType: 'DEPLOYMENT',
    workloadName: name,
    clusterId: 'Kubernetes',
    services: Object.fromEntries(hostnames.map((hostname) => [`bench/${hostname}`, { ports: [port] }])),
  });
  const service = (name: string, address: string): object => ({
    name,
    namespace: 'bench',
    hostname: `${name}.bench`,
    addresses: [{ address: bytes(address) }],
    ports: [port],
  });
  const route = (from: string, to: string): object => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: `by-header-${from}`, namespace: 'bench' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: from }],
      rules: [
        {
          matches: [{ headers: [{ name: 'x-route', value: 'b' }] }],
          backendRefs: [{ name: to, port: SERVICE_B.port }],
          filters: [
            {
              type: 'ResponseHeaderModifier',
              responseHeaderModifier: { set: [{ name: 'x-mesh', value: 'waypoint' }] },
            },
          ],
        },
        { backendRefs: [{ name: from, port: SERVICE_A.port }] },
      ],
    },
  });
  return {
    workloads: [
      workload('server', 'HBONE', [SERVICE_A.hostname, SERVICE_B.hostname]),
      workload('plain', 'NONE', ['c.bench', 'd.bench']),
    ],
    services: [
      service(SERVICE_A.name, SERVICE_A.address),
      service(SERVICE_B.name, SERVICE_B.address),
      service('c', '10.9.0.3'),
      service('d', '10.9.0.4'),
    ],
    routes: [
      route(SERVICE_A.name, SERVICE_B.name),
      route('c', 'd'),
      ...Array.from({ length: idleRoutes }, (_, i) => idleRoute(i)),
    ],
    policies: [policy([SERVICE_A.name, SERVICE_B.name], CLIENT_PRINCIPAL), policy(['c', 'd'], null)],
    certificate: {
      chain: certificates.client.certificate,
      privateKey: certificates.client.key,
      roots: certificates.authority,
    },
    listeners: [{ address: `0.0.0.0:${PLAIN_PORT}`, service: 'bench/c.bench', port: SERVICE_A.port }],
  };
}

/** One that no request takes. */
function idleRoute(index: number): object {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: `idle-${index}`, namespace: 'bench' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: SERVICE_A.name }],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: `/idle/${index}` }, method: 'GET' }],
          backendRefs: [{ name: SERVICE_B.name, port: SERVICE_B.port }],
        },
      ],
    },
  };
}

/** The principal of plaintext is nobody's. */
function policy(services: readonly string[], principal: string | null): object {
  const from = principal === null ? {} : { from: [{ principals: [principal] }] };
  const paths = [ALLOWED.file, ...ALLOWED.below.map((path) => `${path}/**`)];
  return {
    apiVersion: 'ambit.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { name: `to-${services.join('-')}`, namespace: 'bench' },
    spec: {
      targetRefs: services.map((name) => ({ group: '', kind: 'Service', name })),
      action: 'Allow',
      rules: [{ ...from, to: [{ methods: ALLOWED.methods, paths }] }],
    },
  };
}
