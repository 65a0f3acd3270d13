import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Gateway, parseObject } from '@ambit/mesh/kinds';
import { type ConfigMapContent, decideWaypointParameters } from './decide-waypoint-parameters.ts';

type Json = Readonly<Record<string, unknown>>;

function gateway(infrastructure: Json): Gateway {
  const object = parseObject({
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { name: 'wp', namespace: 'shop' } },
    spec: { gatewayClassName: 'ambit-waypoint', infrastructure },
  });
  return object?.kind === 'Gateway' ? object : assert.fail();
}

const REF = { parametersRef: { group: '', kind: 'ConfigMap', name: 'larger' } };
const content = (values: Json): ConfigMapContent => new Map(Object.entries(values));
const decided = (infrastructure: Json, holds: ConfigMapContent | null = null): unknown =>
  decideWaypointParameters(gateway(infrastructure), holds);

test('decideWaypointParameters() takes labels, annotations and the harmless fields', () => {
  const all = {
    replicas: { min: 2, max: 4 },
    resources: { requests: { cpu: '1' }, limits: { memory: '1Gi' } },
    nodeSelector: { pool: 'edge' },
    tolerations: [{ key: 'gpu', operator: 'Exists', effect: 'NoSchedule' }],
    affinity: { podAntiAffinity: {} },
  };
  const labels = new Map([['team', 'shop']]);
  const annotations = new Map([['example.com/note', 'x']]);
  const infrastructure = { labels: { team: 'shop' }, annotations: { 'example.com/note': 'x' } };
  assert.deepEqual(decided(infrastructure), { kind: 'taken', parameters: { labels, annotations } });
  assert.deepEqual(decided({ ...infrastructure, ...REF }, content(all)), {
    kind: 'taken',
    parameters: { ...all, labels, annotations },
  });
  const nothing = { labels: new Map(), annotations: new Map() };
  assert.deepEqual(decided(REF, content({})), { kind: 'taken', parameters: nothing });
});

const REFUSALS: readonly (readonly [Json, ConfigMapContent | null, RegExp])[] = [
  [{ labels: { 'ambit.dev/mode': 'ambient' } }, null, /^spec\.infrastructure\.labels: ambit\.dev\/mode is not for/],
  [{ labels: { 'app.kubernetes.io/name': 'x' } }, null, /infrastructure\.labels: app\.kubernetes\.io\/name/],
  [
    { annotations: { 'gateway.networking.k8s.io/gateway-name': 'x' } },
    null,
    /^spec\.infrastructure\.annotations: gateway\./,
  ],
  [
    { parametersRef: { group: 'apps', kind: 'Deployment', name: 'x' } },
    null,
    /^spec\.infrastructure\.parametersRef is a Deployment of apps: expected a ConfigMap/,
  ],
  [REF, 'missing', /^spec\.infrastructure\.parametersRef: there is no ConfigMap larger in the namespace/],
  [
    REF,
    content({ image: 'mine' }),
    /ConfigMap larger\.image is not a known field: expected one of replicas, resources/,
  ],
  [REF, content({ replica: { min: 1, max: 1 } }), /ConfigMap larger\.replica .*replicas/],
  [REF, content({ replicas: 3 }), /ConfigMap larger\.replicas must be an object/],
  [REF, content({ replicas: { min: 3, max: 2 } }), /ConfigMap larger\.replicas\.max must be a whole number from 3/],
  [REF, content({ replicas: { min: 0, max: 2 } }), /ConfigMap larger\.replicas\.min must be a whole number from 1/],
  [REF, content({ replicas: { max: 2 } }), /ConfigMap larger\.replicas\.min is missing/],
  [REF, content({ resources: { claims: [] } }), /ConfigMap larger\.resources\.claims/],
  [REF, content({ resources: 'not: [yaml' }), /ConfigMap larger\.resources must be an object/],
  [
    REF,
    content({ resources: { requests: { cpu: 'much' } } }),
    /larger\.resources\.requests\.cpu must be a quantity such as 100m or 64Mi but is "much"/,
  ],
  [REF, content({ nodeSelector: { pool: 1 } }), /ConfigMap larger\.nodeSelector\.pool must be a text/],
  [REF, content({ tolerations: { key: 'x' } }), /ConfigMap larger\.tolerations must be a list/],
  [REF, content({ tolerations: [{ keys: 'x' }] }), /ConfigMap larger\.tolerations\[0\]\.keys/],
  [REF, content({ affinity: { hostAffinity: {} } }), /ConfigMap larger\.affinity\.hostAffinity/],
];

for (const [infrastructure, holds, message] of REFUSALS) {
  test(`decideWaypointParameters() refuses with ${message.source}`, () => {
    const decision = decideWaypointParameters(gateway(infrastructure), holds);
    assert.match(decision.kind === 'refused' ? decision.message : 'taken', message);
  });
}
