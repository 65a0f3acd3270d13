import {
  type Gateway,
  type GatewayListener,
  type KubeService,
  type ParentRef,
  selects,
  WAYPOINT_CLASS,
} from '@ambit/mesh/kinds';
import type { ServiceKey } from '@ambit/mesh/model';
import { intersectHostnames } from './intersect-hostnames.ts';
import type { MeshSettings } from './mesh-settings.ts';
import type { AnyRoute, RouteWorld } from './route-world.ts';
import { frontKey, frontOfImport, MULTICLUSTER_GROUP, type ServiceFront } from './service-front.ts';

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';
/** Classes of Gateways that this controller runs and that routes can be attached to. */
const OWN_CLASSES: readonly string[] = [WAYPOINT_CLASS, 'ambit'];

/** For whom a route counts that is attached to a Service. */
export type RouteRole =
  /** In the Service's namespace: for every caller that has no route of its own. */
  | { readonly kind: 'producer' }
  /** In another namespace: for callers of that one. */
  | { readonly kind: 'consumer'; readonly namespace: string }
  | { readonly kind: 'gateway' };

/** One place where a route counts. */
export type Spot =
  | { readonly kind: 'service'; readonly service: ServiceKey; readonly port: number }
  | {
      readonly kind: 'listener';
      /** `namespace/name`. */
      readonly gateway: string;
      readonly listener: string;
      readonly port: number;
      /** Those of the route that the listener takes; empty: all. */
      readonly hostnames: readonly string[];
    };

/** Reasons of condition Accepted when it is not. */
export type RefusalReason =
  | 'NoMatchingParent'
  | 'NotAllowedByListeners'
  | 'NoMatchingListenerHostname'
  | 'UnsupportedValue'
  | 'IncompatibleFilters'
  | 'Conflicted';

export type Attachment =
  /** Somebody else's parent, or one that does not exist: none of our business. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly message: string }
  | { readonly kind: 'attached'; readonly role: RouteRole; readonly spots: readonly Spot[] };

/** What a route's reference to a parent comes to, its own faults and other routes aside. */
export function attachRoute(route: AnyRoute, ref: ParentRef, world: RouteWorld): Attachment {
  if (ref.group === '' && ref.kind === 'Service') {
    const service = world.service(ref.namespace, ref.name);
    return attachToService(route, ref, service, world.settings);
  }
  if (ref.group === MULTICLUSTER_GROUP && ref.kind === 'ServiceImport') {
    return attachToImport(route, ref, world);
  }
  if (ref.group !== GATEWAY_GROUP || ref.kind !== 'Gateway') return { kind: 'foreign' };
  const gateway = world.gateway(ref.namespace, ref.name);
  if (gateway === undefined || !OWN_CLASSES.includes(gateway.className)) return { kind: 'foreign' };
  return attachToGateway(route, ref, gateway, world);
}

/** GEP-1748: as to a Service, at its own address and name. */
function attachToImport(route: AnyRoute, ref: ParentRef, world: RouteWorld): Attachment {
  const name = `${ref.namespace}/${ref.name}`;
  const imported = world.serviceImport(ref.namespace, ref.name);
  if (imported === undefined) return noParent(`there is no ServiceImport ${name}`);
  if (imported.headless) return noParent(`ServiceImport ${name} is headless`);
  const front = frontOfImport(imported, world.service(ref.namespace, ref.name));
  if (front === null) return noParent(`ServiceImport ${name} has no Service of its name in this cluster`);
  // A section is meant as the import calls it, whose ports may have other names than the Service's.
  const isNamed = (port: number): boolean =>
    ref.sectionName === null || imported.ports.some((one) => one.port === port && one.name === ref.sectionName);
  const ports = front.ports.filter(({ port }) => isNamed(port));
  return attachToPorts(route, ref, ports, frontKey(front, world.settings));
}

function attachToService(
  route: AnyRoute,
  ref: ParentRef,
  service: KubeService | undefined,
  settings: MeshSettings,
): Attachment {
  const name = `${ref.namespace}/${ref.name}`;
  if (service === undefined) return noParent(`there is no Service ${name}`);
  // Neither has an address of its own that callers would be recognised by.
  if (service.type === 'ExternalName') return noParent(`Service ${name} is only another name (ExternalName)`);
  if (service.headless) return noParent(`Service ${name} is headless`);
  const ports = service.ports.filter(({ name: called }) => ref.sectionName === null || ref.sectionName === called);
  return attachToPorts(route, ref, ports, frontKey(service, settings));
}

function attachToPorts(
  route: AnyRoute,
  ref: ParentRef,
  /** Those that its `sectionName` means. */
  ports: ServiceFront['ports'],
  service: ServiceKey,
): Attachment {
  const meant = ports.filter(({ port, protocol }) => protocol === 'TCP' && (ref.port === null || ref.port === port));
  if (meant.length === 0) return noParent(`${ref.kind} ${ref.namespace}/${ref.name} has no ${wanted('TCP port', ref)}`);
  const isProducer = route.meta.namespace === ref.namespace;
  return {
    kind: 'attached',
    role: isProducer ? { kind: 'producer' } : { kind: 'consumer', namespace: route.meta.namespace },
    spots: meant.map(({ port }) => ({ kind: 'service', service, port })),
  };
}

function attachToGateway(route: AnyRoute, ref: ParentRef, gateway: Gateway, world: RouteWorld): Attachment {
  const name = `${ref.namespace}/${ref.name}`;
  const meant = gateway.listeners.filter(
    (listener) =>
      (ref.port === null || ref.port === listener.port) &&
      (ref.sectionName === null || ref.sectionName === listener.name),
  );
  if (meant.length === 0) return noParent(`Gateway ${name} has no ${wanted('listener', ref)}`);
  const speaking = meant.filter((listener) => kindsOf(listener).includes(route.kind));
  if (speaking.length === 0 && route.kind === 'TLSRoute') {
    return refused('UnsupportedValue', `a TLSRoute needs a listener of protocol TLS, and Gateway ${name} has none`);
  }
  const allowing = speaking.filter((listener) => isAllowed(route, listener, gateway, world));
  if (allowing.length === 0) {
    return refused('NotAllowedByListeners', `no listener of Gateway ${name} allows a ${route.kind} of its namespace`);
  }
  const spots = allowing.flatMap((listener) => spotOf(route, listener, name));
  if (spots.length === 0) {
    return refused('NoMatchingListenerHostname', `no listener of Gateway ${name} has a hostname that is the route's`);
  }
  return { kind: 'attached', role: { kind: 'gateway' }, spots };
}

/** Kinds of routes that make sense for a listener's protocol. */
function kindsOf({ protocol, tlsMode }: GatewayListener): readonly AnyRoute['kind'][] {
  switch (protocol) {
    case 'HTTP':
    case 'HTTPS':
      return ['HTTPRoute', 'GRPCRoute'];
    case 'TLS':
      return tlsMode === 'Passthrough' ? ['TLSRoute'] : ['TLSRoute', 'TCPRoute'];
    case 'TCP':
      return ['TCPRoute'];
    case 'HBONE':
    case 'ambit.dev/HBONE':
      return ['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'];
    default:
      return [];
  }
}

function isAllowed(route: AnyRoute, { allowedRoutes }: GatewayListener, gateway: Gateway, world: RouteWorld): boolean {
  const { from, kinds } = allowedRoutes;
  if (kinds !== null && !kinds.some(({ group, kind }) => group === GATEWAY_GROUP && kind === route.kind)) return false;
  switch (from.kind) {
    case 'all':
      return true;
    case 'none':
      return false;
    case 'same':
      return route.meta.namespace === gateway.meta.namespace;
    case 'selector':
      return selects(from.selector, world.namespaceLabels(route.meta.namespace));
  }
}

function spotOf(route: AnyRoute, listener: GatewayListener, gateway: string): readonly Spot[] {
  const hostnames = intersectHostnames(route.kind === 'TCPRoute' ? [] : route.hostnames, listener.hostname);
  if (hostnames === null) return [];
  return [{ kind: 'listener', gateway, listener: listener.name, port: listener.port, hostnames }];
}

function wanted(what: string, { port, sectionName }: ParentRef): string {
  const name = sectionName === null ? '' : ` named ${sectionName}`;
  return `${what}${port === null ? '' : ` ${port}`}${name}`;
}

function noParent(message: string): Attachment {
  return refused('NoMatchingParent', message);
}

function refused(reason: RefusalReason, message: string): Attachment {
  return { kind: 'refused', reason, message };
}
