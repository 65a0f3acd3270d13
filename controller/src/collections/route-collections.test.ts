import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOf, type MeshObject } from '@ambit/mesh/kinds';
import { routeObject, ROUTE_SETTINGS } from '../../test/route-objects.ts';
import { CollectionGraph } from './collection-graph.ts';
import { applyChanges, createObjectCollections } from './object-collections.ts';
import { deriveRoutes } from './route-collections.ts';

class World {
  readonly graph = new CollectionGraph();
  readonly objects = createObjectCollections(this.graph);
  readonly routes = deriveRoutes(this.graph, this.objects, ROUTE_SETTINGS);

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
    return [...this.routes.entries()].flatMap(([key, object]) => {
      if (object.kind !== 'routes') return [];
      const backends = [...object.routes.ports.values()].flatMap(({ producer }) =>
        producer?.kind === 'http'
          ? producer.routes.flatMap(({ rules }) => rules.flatMap((rule) => rule.backends.map(({ backend }) => backend)))
          : [],
      );
      const names = backends.map((backend) => (backend.kind === 'service' ? backend.service : backend.reason));
      return [`${key} by ${object.gateway}: ${names.join()}`];
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
  assert.deepEqual(world.shown, ['shop/web by shop/wp: BackendNotFound']);
  world.put(service('web-v1'));
  assert.deepEqual(world.shown, ['shop/web by shop/wp: shop/web-v1.shop.svc.cluster.local']);
  world.put(service('web', 'other'));
  assert.deepEqual(world.shown, ['shop/web by shop/other: shop/web-v1.shop.svc.cluster.local']);
  world.remove(route('web', 'web-v1'));
  assert.deepEqual(world.shown, []);
});

test('deriveRoutes() computes only what a change touches', () => {
  const world = new World();
  const others = Array.from({ length: 20 }, (_, index) => service(`other-${index}`, 'wp'));
  world.put(gateway('wp'), ...others, service('web', 'wp'), service('web-v1'), route('web', 'web-v1'));
  assert.equal(world.put(route('web', 'web-v1')), 1);
  assert.equal(world.put(service('web-v1')), 2);
});
