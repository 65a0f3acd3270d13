import { type MeshObject, parseObject } from '@ambit/mesh/kinds';
import { parseTrustDomain } from '@ambit/mesh/model';
import { CollectionGraph } from '../src/collections/collection-graph.ts';
import {
  applyChanges,
  createObjectCollections,
  type ObjectCollections,
} from '../src/collections/object-collections.ts';
import { createPolicyWorld, type PolicyWorld } from '../src/status/policy-world.ts';
import type { MeshSettings } from '../src/translate/mesh-settings.ts';

type Json = Readonly<Record<string, unknown>>;

export const SETTINGS: MeshSettings = {
  clusterId: 'Kubernetes',
  clusterDomain: 'cluster.local',
  trustDomain: parseTrustDomain('cluster.local'),
  rootNamespace: 'ambit-system',
  defaultNetwork: '',
  excludedNamespaces: ['kube-system', 'ambit-system'],
};

/** An object of Kubernetes as JSON; `metadata` wins over name and namespace. */
export function core(kind: string, namespace: string, name: string, more: Json = {}, metadata: Json = {}): Json {
  const meta = namespace === '' ? { name, ...metadata } : { name, namespace, ...metadata };
  return { apiVersion: 'v1', kind, metadata: meta, ...more };
}

/** An object of ours as JSON. */
export function own(kind: string, namespace: string, name: string, spec: Json, metadata: Json = {}): Json {
  return { ...core(kind, namespace, name, { spec }, metadata), apiVersion: 'ambit.dev/v1alpha1' };
}

/** A running pod with label `app`. */
export function pod(namespace: string, name: string, app: string, more: Json = {}): Json {
  const spec = { nodeName: 'node-a', ...more };
  return core('Pod', namespace, name, { spec, status: { phase: 'Running' } }, { labels: { app } });
}

export function parsed<Kind extends MeshObject['kind']>(json: Json, kind: Kind): Extract<MeshObject, { kind: Kind }> {
  const object = parseObject(json);
  if (object?.kind !== kind) throw new Error(`not a ${kind}: ${JSON.stringify(json)}`);
  return object as Extract<MeshObject, { kind: Kind }>;
}

/** Collections that hold these objects. */
export function collectionsOf(objects: readonly Json[]): ObjectCollections {
  const graph = new CollectionGraph();
  const collections = createObjectCollections(graph);
  const all = objects.map((json) => parseObject(json)).filter((object) => object !== null);
  applyChanges(
    collections,
    all.map((object) => ({ kind: 'put', object })),
  );
  graph.commit();
  return collections;
}

export function worldOf(objects: readonly Json[]): PolicyWorld {
  return createPolicyWorld(collectionsOf(objects), SETTINGS);
}
