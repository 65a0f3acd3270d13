import { type Json, without } from './fields.ts';
import { object } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

const allowed = { unknownDestinations: 'Refuse', allow: [{ cidrs: ['192.0.2.0/24'], ports: [443] }] };

const POD: Json = {
  ...object('Pod', 'p', { nodeName: 'near' }, { labels: { 'ambit.dev/mode': 'ambient' } }),
  status: { podIPs: [{ ip: '127.0.0.41' }] },
};

/** What the node agent of a pod is told. */
export const EGRESS_POLICY_SCENARIOS: readonly Scenario[] = [
  {
    name: 'what may be called',
    object: object('EgressPolicy', 'e', allowed),
    beside: [POD],
    statusOf: ['Pod/shop/p'],
    changes: {
      'spec.allow[0].cidrs': ['198.51.100.7'],
      'spec.allow[0].ports': [80],
      ...without('spec.allow'),
    },
  },
  {
    name: 'whether everything may be called',
    object: object('EgressPolicy', 'e', { unknownDestinations: 'Refuse' }),
    beside: [POD],
    statusOf: ['Pod/shop/p'],
    changes: { 'spec.unknownDestinations': 'Allow' },
  },
];
