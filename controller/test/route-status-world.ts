import assert from 'node:assert/strict';
import type { MeshObject } from '@ambit/mesh/kinds';
import { ROUTE_SETTINGS, routeObject } from './route-objects.ts';
import { decideRouteStatus } from '../src/translate/decide-route-status.ts';
import { type AnyRoute, createRouteWorld, isRoute } from '../src/translate/route-world.ts';

// What tests of the status of routes share: a shop, what surrounds it, and routes in it.

export type Json = Readonly<Record<string, unknown>>;

export function route(kind: string, spec: Json, more: Json = {}): AnyRoute {
  const parsed = routeObject(kind, 'r', spec, more);
  return isRoute(parsed) ? parsed : assert.fail(kind);
}

const HTTP = [
  { port: 80, name: 'http' },
  { port: 90, name: 'admin' },
  { port: 53, name: 'dns', protocol: 'UDP' },
];
export const listener = (name: string, more: Json = {}): Json => ({ name, port: 80, protocol: 'HTTP', ...more });
const all = { allowedRoutes: { namespaces: { from: 'All' } } };
const labelled = {
  allowedRoutes: { namespaces: { from: 'Selector', selector: { matchLabels: { team: 'a' } } } },
};
const OBJECTS: readonly MeshObject[] = [
  routeObject('Namespace', 'shop', {}, { labels: { team: 'a' } }),
  routeObject('Namespace', 'other', {}),
  routeObject('Service', 'web', { clusterIP: '10.0.0.1', ports: HTTP }),
  routeObject('Service', 'v2', { clusterIP: '10.0.0.2', ports: HTTP }),
  routeObject('Service', 'secure', { clusterIP: '10.0.0.3', ports: [{ port: 443, appProtocol: 'https' }] }),
  routeObject('Service', 'guarded', { clusterIP: '10.0.0.5', ports: [{ port: 443, appProtocol: 'https' }] }),
  routeObject('BackendTLSPolicy', 'tls', {
    targetRefs: [{ group: '', kind: 'Service', name: 'guarded' }],
    validation: { wellKnownCACertificates: 'System', hostname: 'guarded.example' },
  }),
  routeObject('Service', 'far', { clusterIP: '10.0.0.4', ports: HTTP }, { namespace: 'other' }),
  routeObject('Service', 'pods', { clusterIP: 'None', ports: HTTP }),
  routeObject('Service', 'alias', { type: 'ExternalName', externalName: 'x.example', ports: HTTP }),
  routeObject('ServiceImport', 'web', {
    type: 'ClusterSetIP',
    ports: [{ name: 'set-http', port: 80 }, { port: 91 }],
  }),
  routeObject('ServiceImport', 'guarded', { type: 'ClusterSetIP', ports: [{ port: 443 }] }),
  routeObject('ServiceImport', 'secure', { type: 'ClusterSetIP', ports: [{ port: 443 }] }),
  routeObject('ServiceImport', 'remote', { type: 'ClusterSetIP', ports: [{ port: 80 }] }),
  routeObject('ServiceImport', 'remote-pods', { type: 'Headless', ports: [{ port: 80 }] }),
  routeObject('Gateway', 'waypoint', {
    gatewayClassName: 'ambit-waypoint',
    listeners: [listener('mesh', { port: 15_008, protocol: 'HBONE' })],
  }),
  routeObject('Gateway', 'edge', {
    gatewayClassName: 'ambit',
    listeners: [
      listener('web', { hostname: '*.shop.example', ...all }),
      listener('team', { port: 81, ...labelled }),
      listener('grpc', { port: 82, allowedRoutes: { kinds: [{ kind: 'GRPCRoute' }], namespaces: { from: 'All' } } }),
      listener('db', { port: 83, protocol: 'TCP', ...all }),
      listener('sni', { port: 84, protocol: 'TLS', tls: { mode: 'Passthrough' }, hostname: 'db.example', ...all }),
    ],
  }),
  routeObject('Gateway', 'theirs', { gatewayClassName: 'nginx', listeners: [listener('web')] }),
  routeObject(
    'ReferenceGrant',
    'grant',
    {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop' }],
      to: [{ group: '', kind: 'Service', name: 'far' }],
    },
    { namespace: 'other' },
  ),
];

export const toService = (name = 'web', more: Json = {}): Json => ({ group: '', kind: 'Service', name, ...more });
export const IMPORT = { group: 'multicluster.x-k8s.io', kind: 'ServiceImport' };
export const toImport = (name: string, more: Json = {}): Json => ({ ...IMPORT, name, ...more });
export const to = (name: string, more: Json = {}): Json => ({ name, port: 80, ...more });

/** Conditions of each parent as `Type=Status Reason: message`. */
export function told(one: AnyRoute, others: readonly MeshObject[] = []): readonly string[] {
  const world = createRouteWorld([...OBJECTS, one, ...others], ROUTE_SETTINGS);
  return decideRouteStatus(one, world).flatMap(({ conditions }) =>
    conditions.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`),
  );
}

export const RESOLVED = 'ResolvedRefs=True ResolvedRefs: everything that it names exists';
export const PRODUCER = 'Accepted=True Accepted: it counts for every caller whose namespace has no route of its own';
export const ATTACHED =
  'Accepted=True Accepted: it is attached, and nothing goes by it yet: only routes of Services and ServiceImports are acted upon';
export const refusedBy = (reason: string, message: string): string => `Accepted=False ${reason}: ${message}`;

/** The condition Accepted for one reference to a parent. */
export function accepted(ref: Json, fields: Json = {}, kind = 'HTTPRoute', more: Json = {}): string {
  const stream = kind === 'TCPRoute' || kind === 'TLSRoute' ? { rules: [{ backendRefs: [to('web')] }] } : {};
  return told(route(kind, { parentRefs: [ref], ...stream, ...fields }, more))[0] ?? 'not ours';
}
