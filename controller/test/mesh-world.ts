import assert from 'node:assert/strict';
import { keyOf, type MeshObject, parseObject } from '@ambit/mesh/kinds';
import { type AccessPolicy, parseTrustDomain, type Service, type Workload } from '@ambit/mesh/model';
import type { PushedObject } from '@ambit/mesh/wire';
import { CollectionGraph } from '../src/collections/collection-graph.ts';
import { deriveMesh, type MeshCollections } from '../src/collections/mesh-collections.ts';
import {
  applyChanges,
  createObjectCollections,
  type ObjectCollections,
} from '../src/collections/object-collections.ts';
import type { MeshSettings } from '../src/translate/mesh-settings.ts';

const SETTINGS: MeshSettings = {
  clusterId: 'c1',
  clusterDomain: 'cluster.local',
  trustDomain: parseTrustDomain('cluster.local'),
  rootNamespace: 'ambit-system',
  defaultNetwork: 'net',
  excludedNamespaces: ['kube-system'],
};

export type Json = Readonly<Record<string, unknown>>;

/** The mesh that derivations make of objects, without a source. */
export class MeshWorld {
  readonly graph: CollectionGraph = new CollectionGraph();
  readonly objects: ObjectCollections = createObjectCollections(this.graph);
  readonly mesh: MeshCollections = deriveMesh(this.graph, this.objects, SETTINGS);
  readonly #known = new Map<string, MeshObject>();

  constructor(...objects: readonly MeshObject[]) {
    this.put(...objects);
  }

  put(...objects: readonly MeshObject[]): void {
    applyChanges(
      this.objects,
      objects.map((object) => ({ kind: 'put', object })),
    );
    for (const object of objects) this.#known.set(keyOf(object), object);
    this.graph.commit();
  }

  remove(key: string): void {
    const last = this.#known.get(key);
    assert.ok(last);
    applyChanges(this.objects, [{ kind: 'delete', key: keyOf(last), last }]);
    this.graph.commit();
  }

  workload(name: string): Workload {
    const found = all(this.mesh.addresses).find(
      (object) => object.kind === 'workload' && object.workload.name === name,
    );
    return found?.kind === 'workload' ? found.workload : assert.fail(`no workload ${name}`);
  }

  service(name: string): Service {
    const found = all(this.mesh.addresses).find((object) => object.kind === 'service' && object.service.name === name);
    return found?.kind === 'service' ? found.service : assert.fail(`no service ${name}`);
  }

  get names(): readonly string[] {
    return all(this.mesh.addresses)
      .map((object) =>
        object.kind === 'workload' ? object.workload.uid : object.kind === 'service' ? object.service.key : '',
      )
      .toSorted();
  }

  get policies(): readonly AccessPolicy[] {
    return all(this.mesh.authorizations).flatMap((object) => (object.kind === 'policy' ? [object.policy] : []));
  }
}

export function all(collection: { entries(): Iterable<readonly [string, PushedObject]> }): readonly PushedObject[] {
  return [...collection.entries()].map(([, object]) => object);
}

export function object(apiVersion: string, kind: string, name: string, rest: Json = {}, meta: Json = {}): MeshObject {
  const namespace = kind === 'Namespace' || kind === 'Node' ? {} : { namespace: 'shop' };
  const parsed = parseObject({ apiVersion, kind, metadata: { name, ...namespace, ...meta }, ...rest });
  return parsed ?? assert.fail(`${kind} is not read`);
}

export function pod(
  name: string,
  ip: string,
  spec: Json = {},
  meta: Json = { labels: { app: 'web' } },
  status: Json = {},
): MeshObject {
  const conditions = [{ type: 'Ready', status: 'True' }];
  return object(
    'v1',
    'Pod',
    name,
    { spec: { nodeName: 'host-a', ...spec }, status: { phase: 'Running', podIPs: [{ ip }], conditions, ...status } },
    meta,
  );
}

export function service(name: string, spec: Json, meta: Json = {}): MeshObject {
  return object(
    'v1',
    'Service',
    name,
    { spec: { clusterIP: '10.96.0.1', ports: [{ port: 80, targetPort: 8080 }], ...spec } },
    meta,
  );
}

export function slice(name: string, of: string, endpoints: readonly Json[], port = 9090): MeshObject {
  const labels = { 'kubernetes.io/service-name': of };
  return object(
    'discovery.k8s.io/v1',
    'EndpointSlice',
    name,
    { addressType: 'IPv4', endpoints, ports: [{ name: '', port }] },
    { labels },
  );
}

export function ours(kind: string, name: string, spec: Json, meta: Json = {}): MeshObject {
  return object('ambit.dev/v1alpha1', kind, name, { spec }, meta);
}

export const SHOP: MeshObject = object('v1', 'Namespace', 'shop', {}, { labels: { 'ambit.dev/mode': 'ambient' } });

export function ports(workload: Workload): Readonly<Record<string, readonly (readonly [number, number])[]>> {
  return Object.fromEntries(
    [...workload.services].map(([key, list]) => [key, list.map((port) => [port.servicePort, port.targetPort])]),
  );
}
