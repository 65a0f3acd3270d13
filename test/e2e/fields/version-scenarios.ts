import { type Json, without } from './fields.ts';
import { object } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

// A ServiceVersion has no objects: its fields are those of references to it, and labels of Pods say who has one.

const REF = { group: 'ambit.dev', kind: 'ServiceVersion', name: 'two.v2', port: 80 } as const;
const AT = 'spec.rules[0].backendRefs[0]';

function routeTo(...backendRefs: readonly Json[]): Json {
  const parentRefs = [{ group: '', kind: 'Service', name: 'web' }];
  return object('HTTPRoute', 'r', { parentRefs, rules: [{ backendRefs }] });
}

/** At an address where nobody answers, which is not the same as having no server. */
function podOf(labels: Json): Json {
  const spec = { containers: [{ ports: [{ name: 'web', containerPort: 9 }] }] };
  return { ...object('Pod', 'away', spec, { labels: { app: 'two', ...labels } }), status: { podIP: '127.0.0.31' } };
}

export const VERSION_SCENARIOS: readonly Scenario[] = [
  {
    name: 'one of two versions',
    object: routeTo(REF),
    asks: [{}, {}],
    changes: {
      ...without(`${AT}.group`, `${AT}.kind`),
      [`${AT}.name`]: 'two.v1',
      [`${AT}.port`]: 81,
    },
  },
  {
    name: 'of a Service elsewhere',
    object: routeTo({ ...REF, name: 'a.v1', namespace: 'next' }),
    asks: [{}],
    changes: without(`${AT}.namespace`),
  },
  {
    name: 'weights',
    object: routeTo(REF, { ...REF, name: 'two.v1', weight: 9 }),
    asks: [{}],
    changes: without('spec.rules[0].backendRefs[1].weight'),
  },
  {
    name: 'filters',
    object: routeTo({
      ...REF,
      filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-a', value: '1' }] } }],
    }),
    asks: [{}],
    changes: without(`${AT}.filters`),
  },
];

export const VERSION_LABEL_SCENARIOS: readonly Scenario[] = [
  {
    name: 'label version',
    object: podOf({ version: 'v9' }),
    beside: [routeTo({ ...REF, name: 'two.v9' })],
    asks: [{}],
    changes: { 'metadata.labels.version': 'v8' },
  },
  {
    name: 'label app.kubernetes.io/version, before the other',
    object: podOf({ 'app.kubernetes.io/version': 'v9', version: 'v8' }),
    beside: [routeTo({ ...REF, name: 'two.v9' })],
    asks: [{}],
    changes: { 'metadata.labels': { app: 'two', version: 'v8' } },
  },
];
