import { type Ask, SERVER_NAMES } from './field-world.ts';
import { without } from './fields.ts';
import { created, object } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

interface StreamKind {
  readonly kind: 'TCPRoute' | 'TLSRoute';
  readonly ask: Ask;
  /** The port of every Service that is asked, and its name. */
  readonly port: number;
  readonly section: string;
  /** Another one, whose servers do not understand such clients. */
  readonly otherPort: number;
  readonly more: Readonly<Record<string, unknown>>;
}

const TCP: StreamKind = {
  ...{ kind: 'TCPRoute', ask: { says: 'line', port: 82 }, port: 82, section: 'text', otherPort: 83 },
  more: {},
};
const TLS: StreamKind = {
  ...{ kind: 'TLSRoute', ask: { says: { toServer: SERVER_NAMES.hostname }, port: 83 } },
  ...{ port: 83, section: 'secure', otherPort: 82 },
  more: { hostnames: [SERVER_NAMES.hostname] },
};
const PARENT = { group: '', kind: 'Service', name: 'web' } as const;

function scenariosOf({ kind, ask, port, section, otherPort, more }: StreamKind): readonly Scenario[] {
  const at = 'spec.rules[0].backendRefs[0]';
  const [a, b] = ['a', 'b'].map((name) => ({ name, port }));
  const scenario = (
    name: string,
    parent: Readonly<Record<string, unknown>>,
    backendRefs: readonly unknown[],
    changes: Readonly<Record<string, unknown>>,
    asks: readonly Ask[] = [ask],
  ): Scenario => {
    const spec = { parentRefs: [{ ...PARENT, ...parent }], ...more, rules: [{ backendRefs }] };
    return { name, object: object(kind, 'r', spec), asks, changes };
  };
  const version = { group: 'ambit.dev', kind: 'ServiceVersion', name: 'a.v1', port };
  return [
    scenario(
      'parents',
      { namespace: 'shop', port },
      [a],
      {
        ...without('spec.parentRefs', ...['group', 'kind', 'port'].map((field) => `spec.parentRefs[0].${field}`)),
        'spec.parentRefs[0].name': 'b',
        'spec.parentRefs[0].namespace': 'next',
      },
      [ask, { port: 80 }],
    ),
    scenario('the name of a port', { sectionName: section }, [a], without('spec.parentRefs[0].sectionName'), [
      ask,
      { port: 80 },
    ]),
    scenario('a backend', { port }, [a], { [`${at}.name`]: 'b', [`${at}.port`]: otherPort }),
    scenario('a backend elsewhere', { port }, [{ ...a, namespace: 'next' }], without(`${at}.namespace`)),
    scenario('weights', { port }, [a, { ...b, weight: 9 }], without('spec.rules[0].backendRefs[1].weight')),
    scenario('a version of a Service', { port }, [version], without(`${at}.group`, `${at}.kind`)),
    {
      name: 'which of two is older',
      object: object(kind, 'r', { parentRefs: [PARENT], ...more, rules: [{ backendRefs: [a] }] }, created(1)),
      beside: [object(kind, 'other', { parentRefs: [PARENT], ...more, rules: [{ backendRefs: [b] }] }, created(2))],
      asks: [ask],
      changes: { 'metadata.creationTimestamp': created(3).creationTimestamp },
    },
  ];
}

export const TCP_ROUTE_SCENARIOS: readonly Scenario[] = scenariosOf(TCP);
export const TLS_ROUTE_SCENARIOS: readonly Scenario[] = [
  ...scenariosOf(TLS),
  {
    name: 'server names',
    object: object('TLSRoute', 'r', {
      parentRefs: [PARENT],
      hostnames: ['*.example'],
      rules: [{ backendRefs: [{ name: 'a', port: 83 }] }],
    }),
    asks: [TLS.ask],
    changes: { 'spec.hostnames': ['*.test'] },
  },
];

export const STREAM_ROUTE_UNSEEN: Readonly<Record<string, string>> = {
  'spec.useDefaultGateways': 'a mesh has no default Gateway',
  'spec.rules[].name': 'for people: there is one rule, and no status names it',
};
