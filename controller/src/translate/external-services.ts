import type { ExternalService, Namespace } from '@ambit/mesh/kinds';
import {
  type AppProtocol,
  EXTERNAL_PLACE,
  ipAddressFromBytes,
  parseIpAddress,
  type Service,
  type ServiceAddress,
  serviceKey,
  type ServicePort,
  type Workload,
} from '@ambit/mesh/model';
import type { AllocatedAddresses } from './allocate-addresses.ts';
import type { MeshSettings } from './mesh-settings.ts';
import { callersNetworks, networkOf } from './network-of.ts';
import { plainWorkload } from './plain-workload.ts';

const PROTOCOLS: Readonly<Record<ExternalService['ports'][number]['protocol'], AppProtocol>> = {
  TCP: 'tcp',
  TLS: 'tls',
  HTTP: 'http1',
  HTTP2: 'http2',
  GRPC: 'grpc',
};

/** One host of one namespace; what is known of it comes from one ExternalService. */
export function hostKey(namespace: string, host: string): string {
  return `${namespace}|${host}`;
}

/** Of those that claim a host of a namespace: the oldest. */
export function ownerOfHost(claims: readonly ExternalService[]): ExternalService | undefined {
  return claims.toSorted(
    (a, b) => a.meta.creationTimestampMs - b.meta.creationTimestampMs || (a.meta.name < b.meta.name ? -1 : 1),
  )[0];
}

/** Whether its hosts get addresses of their own. */
export function wantsAddresses({ addresses, resolution }: ExternalService): boolean {
  return addresses.length === 0 && resolution !== 'None';
}

/** Where it is, in words that tell its places apart. */
export function placesOf({ resolution, endpoints, hosts }: ExternalService): readonly string[] {
  if (resolution === 'None') return [];
  return endpoints.length === 0 ? hosts : endpoints.map(({ address }) => address);
}

/** What applications call under `host`. */
export function serviceOfHost(
  external: ExternalService,
  host: string,
  around: {
    readonly namespace: Namespace | undefined;
    readonly allocated: AllocatedAddresses | undefined;
    /** Networks of the mesh, where its callers may be. */
    readonly networks: readonly string[];
  },
  settings: MeshSettings,
): Service {
  const { name, namespace } = external.meta;
  const own = external.addresses.map((block): Omit<ServiceAddress, 'network'> => {
    const ip = ipAddressFromBytes(block.bytes);
    return block.prefixLength === block.bytes.length * 8 ? { ip } : { ip, cidr: block };
  });
  const allocated = wantsAddresses(external) ? (around.allocated ?? []) : [];
  const addresses = [...own, ...allocated.map((ip) => ({ ip }))];
  const networks = callersNetworks(around.namespace, around.networks, settings);
  return {
    key: serviceKey({ namespace, hostname: host }),
    name,
    namespace,
    hostname: host,
    addresses: networks.flatMap((network) => addresses.map((address) => ({ network, ...address }))),
    ports: portsOf(external),
    subjectAltNames: [],
    weightedWaypoints: [],
    ...(external.resolution === 'None'
      ? { loadBalancing: { mode: 'passthrough', routingPreference: [], healthPolicy: 'only-healthy' } }
      : {}),
    ipFamilies: 'automatic',
    // A Service of that name comes first.
    canonical: false,
    ingressUseWaypoint: false,
    // Who may write in one namespace must not lead the others elsewhere.
    visibility: namespace === settings.rootNamespace ? 'public' : 'namespace',
  };
}

/**
 * One of its places, reached in plaintext and without an identity; null when it backs none of `hosts`, those that are its own. A place
 * that is a name has no address: whoever connects resolves it.
 */
export function workloadOfPlace(
  external: ExternalService,
  place: string,
  around: { readonly namespace: Namespace | undefined; readonly hosts: readonly string[] },
  settings: MeshSettings,
): Workload | null {
  const { name, namespace } = external.meta;
  const backed = external.endpoints.length === 0 ? around.hosts.filter((host) => host === place) : around.hosts;
  if (backed.length === 0) return null;
  const isName = external.resolution === 'DNS';
  const ports = portsOf(external);
  const workload = plainWorkload(
    {
      path: placePath(external, place),
      name,
      namespace,
      addresses: isName ? [] : [parseIpAddress(place)],
      hostname: isName ? place : '',
      network: networkOf(undefined, around.namespace, settings),
      services: new Map(backed.map((hostname) => [serviceKey({ namespace, hostname }), ports])),
      canonicalName: name,
    },
    settings,
  );
  return { ...workload, capacity: external.endpoints.find(({ address }) => address === place)?.weight ?? 1 };
}

/** Names the workload that `workloadOfPlace` gives. */
export function placeUid(
  external: ExternalService,
  place: string,
  { clusterId }: Pick<MeshSettings, 'clusterId'>,
): string {
  return `${clusterId}${placePath(external, place)}`;
}

function placePath({ meta: { namespace, name } }: ExternalService, place: string): string {
  return `${EXTERNAL_PLACE}${namespace}/${name}/${place}`;
}

function portsOf({ ports }: ExternalService): readonly ServicePort[] {
  return ports.map(({ port, targetPort, protocol }) => ({
    servicePort: port,
    targetPort,
    appProtocol: PROTOCOLS[protocol],
  }));
}
