import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MeshObject, parseObject } from '@ambit/mesh/kinds';
import { CollectionGraph } from '../collections/collection-graph.ts';
import { applyChanges, createObjectCollections } from '../collections/object-collections.ts';
import { LabelledObjects } from './labelled-objects.ts';

type Json = Readonly<Record<string, unknown>>;

function object(kind: string, name: string, meta: Json, spec: Json = {}): MeshObject {
  const apiVersion = kind === 'Gateway' ? 'gateway.networking.k8s.io/v1' : 'v1';
  const home = kind === 'Namespace' ? {} : { namespace: 'shop' };
  return parseObject({ apiVersion, kind, metadata: { name, ...home, ...meta }, spec }) ?? assert.fail(kind);
}

const labels = (waypoint: string, more: Json = {}): Json => ({ labels: { 'ambit.dev/waypoint': waypoint, ...more } });
const gateway = (name: string, gatewayClassName = 'ambit-waypoint', meta: Json = {}): MeshObject =>
  object('Gateway', name, meta, { gatewayClassName, listeners: [] });
const service = (meta: Json): MeshObject => object('Service', 'web', meta, { ports: [{ port: 80 }] });
const canary = (name: string, weight: string): Json => ({
  ...labels('wp', { 'ambit.dev/waypoint-canary': name }),
  annotations: { 'ambit.dev/waypoint-canary-weight': weight },
});
const OTHERS = { 'ambit.dev/waypoint-namespace': 'infra' };

/** Of all objects, as `kind namespace/name code: reason`. */
function told(...objects: readonly MeshObject[]): readonly string[] {
  const graph = new CollectionGraph();
  const collections = createObjectCollections(graph);
  const labelled = new LabelledObjects(collections);
  applyChanges(
    collections,
    objects.map((one) => ({ kind: 'put', object: one })),
  );
  graph.commit();
  return labelled
    .faults()
    .map(({ kind, namespace, name, code, reason }) => `${kind} ${namespace}/${name} ${code}: ${reason}`);
}

test('decideLabelFaults() tells of labels that name no waypoint, where the label is', () => {
  const missing = (name: string, hint = ''): string =>
    `WaypointMissing: label ambit.dev/waypoint names Gateway ${name}, which is not there: callers are refused${hint}`;
  const table: readonly (readonly [what: string, found: readonly string[], expected: readonly string[]])[] = [
    ['none', told(service({}), object('Pod', 'p', {}), object('Namespace', 'shop', {})), []],
    ['one that is there', told(service(labels('wp')), gateway('wp')), []],
    ['none on purpose', told(service(labels('none'))), []],
    [
      'a misspelt one',
      told(service(labels('waypiont')), gateway('waypoint')),
      [`Service shop/web ${missing('shop/waypiont', '; did you mean waypoint?')}`],
    ],
    [
      'one of other controllers is not meant',
      told(service(labels('waypiont')), gateway('waypoint', 'nginx')),
      [`Service shop/web ${missing('shop/waypiont')}`],
    ],
    [
      'of a namespace, and not of what is in it',
      told(object('Namespace', 'shop', labels('wp')), service({}), object('Pod', 'p', {})),
      [`Namespace shop/shop ${missing('shop/wp')}`],
    ],
    ['of a pod', told(object('Pod', 'p', labels('wp'))), [`Pod shop/p ${missing('shop/wp')}`]],
    ['of a pod, for services', told(object('Pod', 'p', labels('wp')), gateway('wp')), []],
    ['elsewhere', told(service(labels('wp', OTHERS)), gateway('wp')), [`Service shop/web ${missing('infra/wp')}`]],
    [
      'of another class',
      told(service(labels('wp')), gateway('wp', 'nginx')),
      [
        'Service shop/web WrongClass: label ambit.dev/waypoint names Gateway shop/wp, which is not of class ambit-waypoint: callers are refused',
      ],
    ],
    [
      'that does not take it',
      told(service(labels('wp', OTHERS)), gateway('wp', 'ambit-waypoint', { namespace: 'infra' })),
      [
        'Service shop/web AttachmentDenied: label ambit.dev/waypoint names Gateway infra/wp, no listener of which allows this namespace: callers are refused',
      ],
    ],
    ['a canary', told(service(canary('next', '10')), gateway('wp'), gateway('next')), []],
    [
      'a misspelt canary',
      told(service(canary('nxt', '10')), gateway('wp'), gateway('next')),
      [
        'Service shop/web CanaryMissing: canary Gateway shop/nxt is not there: it takes no connections; did you mean next?',
      ],
    ],
    [
      'a weight that is none, where the label is',
      told(object('Namespace', 'shop', canary('next', '110')), service({}), gateway('wp'), gateway('next')),
      [
        'Namespace shop/shop CanaryInvalidWeight: annotation ambit.dev/waypoint-canary-weight must be a whole number from 0 to 100: canary Gateway shop/next takes no connections',
      ],
    ],
    [
      'a canary of no waypoint',
      told(service({ labels: { 'ambit.dev/waypoint-canary': 'next' } }), gateway('next')),
      [
        'Service shop/web CanaryWithoutWaypoint: canary Gateway shop/next is one of no waypoint (label ambit.dev/waypoint): it takes no connections',
      ],
    ],
    ['a load balancer', told(service({ annotations: { 'ambit.dev/load-balancer': 'random' } })), []],
    [
      'a misspelt load balancer',
      told(service({ annotations: { 'ambit.dev/load-balancer': 'roundrobin' } })),
      [
        'Service shop/web NotTaken: annotation ambit.dev/load-balancer must be one of least-request, round-robin, random; did you mean round-robin?',
      ],
    ],
  ];
  for (const [what, found, expected] of table) assert.deepEqual(found, expected, what);
});

test('LabelledObjects tells of some of very many', () => {
  const pods = Array.from({ length: 1500 }, (_, index) => object('Pod', `p-${index}`, labels('wp')));
  assert.equal(told(...pods).length, 1000);
});
