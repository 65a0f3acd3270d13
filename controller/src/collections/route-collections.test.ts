import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOf, type MeshObject } from '@ambit/mesh/kinds';
import { configMap, routeObject, ROOT_PEM, ROUTE_SETTINGS } from '../../test/route-objects.ts';
import { CollectionGraph } from './collection-graph.ts';
import { applyChanges, createObjectCollections } from './object-collections.ts';
import { deriveFronts } from './front-routes.ts';
import { deriveBackends, deriveRoutes } from './route-collections.ts';
import { RouteWorlds } from './route-worlds.ts';

class World {
  readonly graph = new CollectionGraph();
  readonly objects = createObjectCollections(this.graph);
  readonly worlds = new RouteWorlds(this.graph, this.objects, ROUTE_SETTINGS);
  readonly fronts = deriveFronts(this.graph, this.objects, this.worlds);
  readonly routes = deriveRoutes(this.graph, this.fronts);
  readonly backends = deriveBackends(this.graph, this.fronts, this.worlds);

  /** Answers how many derived values were computed anew. */
  put(...objects: readonly MeshObject[]): number {
    const before = this.graph.recomputed;
    applyChanges(
      this.objects,
      objects.map((object) => ({ kind: 'put', object })),
    );
    this.graph.commit();
    return this.graph.recomputed - before;
  }

  remove(last: MeshObject): void {
    applyChanges(this.objects, [{ kind: 'delete', key: keyOf(last), last }]);
    this.graph.commit();
  }

  get shown(): readonly string[] {
    const routes = [...this.routes.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    return routes.flatMap(([key, object]) => {
      if (object.kind !== 'routes') return [];
      const backends = [...object.routes.ports.values()].flatMap(({ producer }) =>
        producer?.kind === 'http'
          ? producer.routes.flatMap(({ rules }) => rules.flatMap((rule) => rule.backends.map(({ backend }) => backend)))
          : [],
      );
      const names = backends.map((backend) => (backend.kind === 'service' ? backend.service : backend.reason));
      return [`${key} by ${object.gateways.join('+')}: ${names.join()}`];
    });
  }
}

const service = (name: string, waypoint?: string): MeshObject =>
  routeObject(
    'Service',
    name,
    { clusterIP: '10.96.0.1', ports: [{ port: 80 }] },
    waypoint === undefined ? {} : { labels: { 'ambit.dev/waypoint': waypoint } },
  );
const gateway = (name: string, from = 'Same'): MeshObject =>
  routeObject('Gateway', name, {
    gatewayClassName: 'ambit-waypoint',
    listeners: [{ name: 'mesh', port: 15008, protocol: 'ambit.dev/HBONE', allowedRoutes: { namespaces: { from } } }],
  });
const route = (parent: string, backend: string): MeshObject =>
  routeObject('HTTPRoute', `${parent}-to-${backend}`, {
    parentRefs: [{ group: '', kind: 'Service', name: parent }],
    rules: [{ backendRefs: [{ name: backend, port: 80 }] }],
  });

test('deriveRoutes() has the routes of services that are bound to a waypoint, and follows what they name', () => {
  const world = new World();
  world.put(
    gateway('wp'),
    gateway('other'),
    service('web', 'wp'),
    service('free'),
    route('web', 'web-v1'),
    route('free', 'web-v1'),
  );
  assert.deepEqual(world.shown, ['Service/shop/web by shop/wp: BackendNotFound']);
  world.put(service('web-v1'));
  assert.deepEqual(world.shown, ['Service/shop/web by shop/wp: shop/web-v1.shop.svc.cluster.local']);
  world.put(service('web', 'other'));
  assert.deepEqual(world.shown, ['Service/shop/web by shop/other: shop/web-v1.shop.svc.cluster.local']);
  world.remove(route('web', 'web-v1'));
  assert.deepEqual(world.shown, []);
});

const IMPORT = { group: 'multicluster.x-k8s.io', kind: 'ServiceImport' };
const imported = (name: string, waypoint?: string): MeshObject =>
  routeObject(
    'ServiceImport',
    name,
    { type: 'ClusterSetIP', ips: ['10.42.0.1'], ports: [{ port: 80 }] },
    waypoint === undefined ? {} : { labels: { 'ambit.dev/waypoint': waypoint } },
  );

test('deriveRoutes() has the routes of imports, at the waypoint of the import or else of its Service', () => {
  const world = new World();
  const ofImport = routeObject('HTTPRoute', 'r', {
    parentRefs: [{ ...IMPORT, name: 'web' }],
    rules: [{ backendRefs: [{ ...IMPORT, name: 'web', port: 80 }] }],
  });
  world.put(gateway('wp'), gateway('other'), service('web', 'wp'), imported('web'), ofImport);
  assert.deepEqual(world.shown, ['ServiceImport/shop/web by shop/wp: shop/web.shop.svc.clusterset.local']);
  world.put(imported('web', 'other'));
  assert.deepEqual(world.shown, ['ServiceImport/shop/web by shop/other: shop/web.shop.svc.clusterset.local']);
  world.put(imported('web', 'none'));
  assert.deepEqual(world.shown, []);
  world.put(imported('web'), route('web', 'web'));
  assert.deepEqual(world.shown, [
    'Service/shop/web by shop/wp: shop/web.shop.svc.cluster.local',
    'ServiceImport/shop/web by shop/wp: shop/web.shop.svc.clusterset.local',
  ]);
  world.remove(service('web'));
  assert.deepEqual(world.shown, []);
});

test("deriveRoutes() has consumers' routes for the waypoints of their namespaces, where none stands before the service", () => {
  const world = new World();
  const place = (name: string, labels: Readonly<Record<string, string>> = {}): MeshObject =>
    routeObject('Namespace', name, {}, { namespace: undefined, labels });
  const consumer = (namespace: string): MeshObject =>
    routeObject(
      'HTTPRoute',
      'mine',
      {
        parentRefs: [{ group: '', kind: 'Service', name: 'web', namespace: 'shop' }],
        rules: [{ backendRefs: [{ name: 'web', namespace: 'shop', port: 80 }] }],
      },
      { namespace },
    );
  const waypointOf = (namespace: string): MeshObject =>
    routeObject('Gateway', 'wp', { gatewayClassName: 'ambit-waypoint', listeners: [] }, { namespace });
  const bound = { 'ambit.dev/waypoint': 'wp' };
  const callers = (): unknown =>
    [...(world.fronts.routes.get('Service/shop/web')?.callers ?? [])].map(
      ([namespace, { waypoint, fault }]) =>
        `${namespace}: ${waypoint.namespace}/${waypoint.name} ${fault ?? 'is there'}`,
    );
  const web = 'shop/web.shop.svc.cluster.local';
  world.put(service('web'), gateway('wp'), consumer('a'), consumer('b'), consumer('c'), consumer('d'));
  world.put(place('a', bound), place('b', bound), place('c'), place('d', { 'ambit.dev/waypoint': 'none' }));
  world.put(waypointOf('a'));
  assert.deepEqual([callers(), world.shown], [['a: a/wp is there', 'b: b/wp missing'], [`Service/shop/web by a/wp: `]]);
  world.put(waypointOf('b'), route('web', 'web'));
  assert.deepEqual(world.shown, [`Service/shop/web by a/wp+b/wp: ${web}`]);
  // Routes of its own namespace alone are in force where the service's waypoint is.
  world.remove(consumer('a'));
  world.remove(consumer('b'));
  assert.deepEqual([callers(), world.shown], [[], []]);
  world.put(consumer('a'), service('web', 'wp'));
  assert.deepEqual([callers(), world.shown], [[], [`Service/shop/web by shop/wp: ${web}`]]);
});

test('deriveBackends() secures a Service by whichever address it is reached', () => {
  const world = new World();
  const policy = routeObject('BackendTLSPolicy', 'tls', {
    targetRefs: [{ group: '', kind: 'Service', name: 'web' }],
    validation: { wellKnownCACertificates: 'System', hostname: 'web.example' },
  });
  world.put(service('web'), imported('web'), policy);
  const keys = [...world.backends.entries()].flatMap(([, one]) =>
    one.kind === 'backend' ? [one.backend.service] : [],
  );
  assert.deepEqual(keys, ['shop/web.shop.svc.cluster.local', 'shop/web.shop.svc.clusterset.local']);
});

test('deriveRoutes() computes only what a change touches', () => {
  const world = new World();
  const others = Array.from({ length: 20 }, (_, index) => service(`other-${index}`, 'wp'));
  world.put(gateway('wp'), ...others, service('web', 'wp'), service('web-v1'), route('web', 'web-v1'));
  // What it comes to, and for which waypoints.
  assert.equal(world.put(route('web', 'web-v1')), 2);
  // Its own routes, those that name it, for which waypoints these are, and how it is secured.
  assert.equal(world.put(service('web-v1')), 4);
});

test('deriveBackends() follows policies and the certificates that they name, and computes only what a change touches', () => {
  const world = new World();
  const policy = routeObject('BackendTLSPolicy', 'tls', {
    targetRefs: [{ group: '', kind: 'Service', name: 'web' }],
    validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'roots' }], hostname: 'web.example' },
  });
  const roots = configMap('roots', ROOT_PEM);
  const shown = (): readonly string[] =>
    [...world.backends.entries()].flatMap(([key, object]) =>
      object.kind === 'backend'
        ? object.backend.secured.map(
            ({ ports, security }) => `${key}:${ports.join()} ${security.kind === 'tls' ? 'tls' : security.reason}`,
          )
        : [],
    );
  world.put(service('web'), service('other'), policy);
  assert.deepEqual(shown(), ['Service/shop/web:80 NoValidCACertificate']);
  assert.equal(world.put(roots), 1);
  assert.deepEqual(shown(), ['Service/shop/web:80 tls']);
  assert.equal(world.put(configMap('others', ROOT_PEM)), 0);
  world.remove(policy);
  assert.deepEqual(shown(), []);
});
