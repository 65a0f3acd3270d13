import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KindError, type MeshObject, parseObject } from '@ambit/mesh/kinds';
import { parseTrustDomain } from '@ambit/mesh/model';
import { encodePushedObject, parsePushedResource, type PushedObject } from '@ambit/mesh/wire';
import { CollectionGraph } from './collection-graph.ts';
import { deriveMesh, type MeshCollections } from './mesh-collections.ts';
import { applyChanges, createObjectCollections } from './object-collections.ts';

const SETTINGS = {
  clusterId: 'c',
  clusterDomain: 'cluster.local',
  trustDomain: parseTrustDomain('cluster.local'),
  rootNamespace: 'root',
  defaultNetwork: '',
  excludedNamespaces: [],
};

function derive(objects: readonly MeshObject[], batchSize: number): MeshCollections {
  const graph = new CollectionGraph();
  const sources = createObjectCollections(graph);
  const mesh = deriveMesh(graph, sources, SETTINGS);
  for (let at = 0; at < objects.length; at += batchSize) {
    applyChanges(
      sources,
      objects.slice(at, at + batchSize).map((object) => ({ kind: 'put', object })),
    );
    graph.commit();
  }
  return mesh;
}

/** Content by key as it goes over the wire. */
function served(mesh: MeshCollections): ReadonlyMap<string, string> {
  const all = [...mesh.addresses.entries(), ...mesh.authorizations.entries()];
  const encoded = all.map(
    ([key, object]) => [key, Buffer.from(encodePushedObject(object).value).toString('hex')] as const,
  );
  return new Map(encoded.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const name = fc.constantFrom('a', 'b', 'web', 'db-0');
const namespace = fc.constantFrom('shop', 'root', 'other');
const labels = fc.dictionary(
  fc.constantFrom('app', 'ambit.dev/mode', 'ambit.dev/network', 'version', 'topology.kubernetes.io/zone'),
  fc.constantFrom('web', 'ambient', 'none', 'x'.repeat(63), ''),
  { maxKeys: 3 },
);
const ip = fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1', '192.0.2.1');
const port = fc.constantFrom(1, 80, 65_535);
const metadata = fc.record({
  name,
  namespace,
  labels,
  creationTimestamp: fc.constantFrom('2024-01-01T00:00:00Z', '2025-01-01T00:00:00Z'),
  ownerReferences: fc.constantFrom([], [{ kind: 'Job', name: 'j-12345678', controller: true }]),
});
const selector = fc.option(fc.record({ matchLabels: fc.constantFrom({ app: 'web' }, { version: 'web' }) }), {
  nil: undefined,
});
const servicePort = fc.record({
  port,
  targetPort: fc.constantFrom(8080, 'http'),
  name: fc.constantFrom('', 'http', 'grpc-x'),
});
const ours = 'ambit.dev/v1alpha1';

const json = fc.oneof(
  fc.record({ apiVersion: fc.constant('v1'), kind: fc.constantFrom('Namespace', 'Node'), metadata }),
  fc.record({
    apiVersion: fc.constant('v1'),
    kind: fc.constant('Pod'),
    metadata,
    spec: fc.record({
      nodeName: name,
      hostNetwork: fc.boolean(),
      containers: fc.constant([{ ports: [{ name: 'http', containerPort: 8080 }] }]),
    }),
    status: fc.record({
      phase: fc.constantFrom('Running', 'Pending', 'Failed'),
      podIPs: fc.array(fc.record({ ip }), { maxLength: 2 }),
    }),
  }),
  fc.record({
    apiVersion: fc.constant('v1'),
    kind: fc.constant('Service'),
    metadata,
    spec: fc.record({
      clusterIP: fc.oneof(ip, fc.constant('None')),
      selector: fc.constantFrom(undefined, { app: 'web' }),
      ports: fc.array(servicePort, { maxLength: 2 }),
      trafficDistribution: fc.constantFrom('', 'PreferClose'),
      publishNotReadyAddresses: fc.boolean(),
    }),
  }),
  fc.record({
    apiVersion: fc.constant('discovery.k8s.io/v1'),
    kind: fc.constant('EndpointSlice'),
    metadata: fc
      .tuple(metadata, name)
      .map(([meta, service]) => ({ ...meta, labels: { 'kubernetes.io/service-name': service } })),
    addressType: fc.constant('IPv4'),
    endpoints: fc.array(
      fc.record({
        addresses: fc.array(ip, { maxLength: 2 }),
        targetRef: fc.constantFrom(undefined, { kind: 'Pod', name: 'a' }),
        conditions: fc.record({ ready: fc.boolean() }),
      }),
      { maxLength: 3 },
    ),
    ports: fc.constantFrom([{ port: 9090 }], [{ name: 'http', port: 80 }], []),
  }),
  fc.record({
    apiVersion: fc.constant(ours),
    kind: fc.constant('AccessPolicy'),
    metadata,
    spec: fc.record({
      selector,
      action: fc.constantFrom('Allow', 'Deny'),
      rules: fc.array(
        fc.record({
          to: fc.constantFrom(undefined, [{ ports: [80] }]),
          from: fc.constantFrom(undefined, [{ namespaces: ['a*'] }, { principals: ['*'] }]),
        }),
        { maxLength: 2 },
      ),
    }),
  }),
  fc.record({
    apiVersion: fc.constant(ours),
    kind: fc.constant('MutualTLSPolicy'),
    metadata,
    spec: fc.record({
      selector,
      mode: fc.constantFrom('Strict', 'Permissive', undefined),
      ports: fc.constantFrom(undefined, [{ port: 80, mode: 'Strict' }]),
    }),
  }),
  fc.record({
    apiVersion: fc.constant(ours),
    kind: fc.constant('ExternalWorkload'),
    metadata,
    spec: fc.record({
      addresses: fc.array(ip, { minLength: 1, maxLength: 2 }),
      services: fc.array(name, { maxLength: 2 }),
      tunnel: fc.constantFrom('HBONE', 'None'),
    }),
  }),
);

function parsed(values: readonly unknown[]): readonly MeshObject[] {
  return values.flatMap((value) => {
    try {
      return parseObject(value) ?? [];
    } catch (error) {
      if (error instanceof KindError) return [];
      throw error;
    }
  });
}

test('deriveMesh makes of any objects what agents accept, unchanged by the way over the wire', () => {
  fc.assert(
    fc.property(fc.array(json, { maxLength: 25 }), (values) => {
      const mesh = derive(parsed(values), 1000);
      for (const [, object] of [...mesh.addresses.entries(), ...mesh.authorizations.entries()]) {
        const back: PushedObject = parsePushedResource({ ...encodePushedObject(object), version: '1' });
        assert.deepEqual(back, object);
      }
    }),
    { seed: 21, numRuns: 400 },
  );
});

test('deriveMesh gives the same bytes whatever the order and the batches in which objects came', () => {
  fc.assert(
    fc.property(fc.array(json, { maxLength: 25 }), fc.integer({ min: 1, max: 5 }), (values, batchSize) => {
      // One object per key: which of two versions is the last depends on the order, as it should.
      const byKey = new Map(
        parsed(values).map((object) => [`${object.kind}/${object.meta.namespace}/${object.meta.name}`, object]),
      );
      const objects = [...byKey.values()];
      assert.deepEqual(served(derive(objects.toReversed(), batchSize)), served(derive(objects, 1000)));
    }),
    { seed: 22, numRuns: 400 },
  );
});
