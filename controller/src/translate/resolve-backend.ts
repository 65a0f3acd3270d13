import {
  AMBIT_DOMAIN,
  type BackendRef,
  type KubeService,
  type KubeServicePort,
  parseServiceVersion,
  type ReferenceGrant,
  SERVICE_VERSION_KIND,
} from '@ambit/mesh/kinds';
import type { ServiceKey } from '@ambit/mesh/model';
import type { BackendFault, RouteBackend } from '@ambit/mesh/routes';
import { GATEWAY_GROUP } from './attach-route.ts';
import { chooseTlsPolicy } from './choose-tls-policy.ts';
import type { AnyRoute, RouteWorld } from './route-world.ts';
import { frontKey, frontOfImport, MULTICLUSTER_GROUP, type ServiceFront } from './service-front.ts';

export interface ResolvedBackend {
  readonly backend: RouteBackend;
  /** Why it is invalid, in words; empty when it is not. */
  readonly message: string;
}

/** Application protocols that HTTP can be sent to in TLS alone. */
const HTTP_IN_TLS: readonly string[] = ['tls', 'https', 'kubernetes.io/wss'];

/**
 * What a route's reference to a backend comes to. From a Gateway another namespace needs a ReferenceGrant. In a mesh it does
 * not (GEP-1294): a route adds nothing to what a workload may reach, policies decide that.
 */
export function resolveBackend(
  route: AnyRoute,
  ref: BackendRef,
  fromGateway: boolean,
  world: RouteWorld,
): ResolvedBackend {
  const name = `${ref.kind} ${ref.namespace}/${ref.name}`;
  const isVersion = ref.group === AMBIT_DOMAIN && ref.kind === SERVICE_VERSION_KIND;
  const isImport = ref.group === MULTICLUSTER_GROUP && ref.kind === 'ServiceImport';
  if (!isImport && !isVersion && (ref.group !== '' || ref.kind !== 'Service')) {
    return invalid('InvalidKind', `${ref.kind} of group "${ref.group}" cannot be a backend`);
  }
  const isForeign = ref.namespace !== route.meta.namespace;
  if (fromGateway && isForeign && !isGranted(route, ref, world.grants(ref.namespace))) {
    return invalid('RefNotPermitted', `no ReferenceGrant of namespace ${ref.namespace} permits ${name}`);
  }
  if (isImport) return resolveImport(route, ref, world);
  const part = isVersion ? parseServiceVersion(ref.name) : { service: ref.name, version: null };
  // Versions that nobody runs yet are as good as services without endpoints.
  return part === null
    ? invalid('BackendNotFound', `${name} is no SERVICE.VERSION`)
    : resolveService(route, ref, part, world);
}

/** Whether some grant permits the reference. */
export function isGranted(
  route: AnyRoute,
  ref: Pick<BackendRef, 'group' | 'kind' | 'name'>,
  grants: readonly ReferenceGrant[],
): boolean {
  return grants.some(
    ({ from, to }) =>
      from.some(
        ({ group, kind, namespace }) =>
          group === GATEWAY_GROUP && kind === route.kind && namespace === route.meta.namespace,
      ) &&
      to.some(
        ({ group, kind, name }) => group === ref.group && kind === ref.kind && (name === null || name === ref.name),
      ),
  );
}

function resolveService(
  route: AnyRoute,
  ref: BackendRef,
  part: { readonly service: string; readonly version: string | null },
  world: RouteWorld,
): ResolvedBackend {
  const name = `Service ${ref.namespace}/${part.service}`;
  const service = world.service(ref.namespace, part.service);
  if (service === undefined) return invalid('BackendNotFound', `there is no ${name}`);
  if (service.type === 'ExternalName') return invalid('InvalidKind', `${name} is only another name (ExternalName)`);
  return resolvePort(route, ref.port, { name, front: service, version: part.version }, world);
}

/** GEP-1748: the endpoints of all clusters. Those of this one are known. */
function resolveImport(route: AnyRoute, ref: BackendRef, world: RouteWorld): ResolvedBackend {
  const name = `ServiceImport ${ref.namespace}/${ref.name}`;
  const imported = world.serviceImport(ref.namespace, ref.name);
  if (imported === undefined) return invalid('BackendNotFound', `there is no ${name}`);
  const front = frontOfImport(imported, world.service(ref.namespace, ref.name));
  if (front === null) {
    return imported.headless
      ? invalid('InvalidKind', `${name} is headless`)
      : invalid('BackendNotFound', `${name} has no Service of its name in this cluster`);
  }
  const [only, ...others] = front.ports;
  // Gateway API asks for ports of Services alone.
  const port = ref.port ?? (others.length === 0 ? (only?.port ?? null) : null);
  return resolvePort(route, port, { name, front, version: null }, world);
}

function resolvePort(
  route: AnyRoute,
  number: number | null,
  { name, front, version }: { readonly name: string; readonly front: ServiceFront; readonly version: string | null },
  world: RouteWorld,
): ResolvedBackend {
  const port = front.ports.find((candidate) => candidate.port === number);
  if (port === undefined) {
    return invalid('BackendNotFound', number === null ? `which port of ${name}?` : `${name} has no port ${number}`);
  }
  if (!speaks(route, front, port, world)) {
    const protocol = port.protocol === 'TCP' ? port.appProtocol : port.protocol;
    return invalid(
      'UnsupportedProtocol',
      `a ${route.kind} cannot be sent to ${name}:${port.port}, which is ${protocol}${withoutPolicy(protocol)}`,
    );
  }
  return valid(frontKey(front, world.settings), port.port, version);
}

/** A port's name says what it is for, its `appProtocol` what it speaks: only the latter is taken at its word here. */
function speaks(route: AnyRoute, service: KubeService, port: KubeServicePort, world: RouteWorld): boolean {
  if (port.protocol !== 'TCP') return false;
  if (route.kind === 'TCPRoute' || route.kind === 'TLSRoute') return true;
  const protocol = port.appProtocol.toLowerCase();
  if (HTTP_IN_TLS.includes(protocol)) return chooseTlsPolicy(service, port, world) !== null;
  return protocol !== 'tcp';
}

function withoutPolicy(protocol: string): string {
  return HTTP_IN_TLS.includes(protocol.toLowerCase()) ? ' without a BackendTLSPolicy' : '';
}

function valid(service: ServiceKey, port: number, version: string | null): ResolvedBackend {
  return { backend: { kind: 'service', service, port, version }, message: '' };
}

function invalid(reason: BackendFault, message: string): ResolvedBackend {
  return { backend: { kind: 'invalid', reason }, message };
}
