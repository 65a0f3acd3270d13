import assert from 'node:assert/strict';
import { test } from 'node:test';
import { core, own, parsed, pod, worldOf } from '../../test/policy-objects.ts';
import { decideFindings, few } from './decide-findings.ts';
import { type Acknowledgement, decideBrokenStatus, decideStatus, type StatusDecision } from './decide-status.ts';

const ENROLLED = { labels: { 'ambit.dev/mode': 'ambient' } };
const OBJECTS = [
  core('Namespace', '', 'shop', {}, ENROLLED),
  core('Namespace', '', 'plain'),
  core('Namespace', '', 'kube-system'),
  core('ServiceAccount', 'shop', 'checkout'),
  core('ServiceAccount', 'shop', 'default'),
  core('Service', 'shop', 'ledger', { spec: { ports: [{ port: 80 }] } }),
  pod('shop', 'web-1', 'web'),
  pod('shop', 'web-2', 'web', { hostNetwork: true }),
  core('Pod', 'shop', 'web-done', { status: { phase: 'Succeeded' } }, { labels: { app: 'web' } }),
  core('Pod', 'shop', 'web-out', {}, { labels: { app: 'out', 'ambit.dev/mode': 'none' } }),
  pod('plain', 'web-3', 'web'),
  pod('kube-system', 'dns', 'dns'),
  own('ExternalWorkload', 'shop', 'vm', { addresses: ['192.0.2.1'] }, { labels: { app: 'vm' } }),
  own('ExternalWorkload', 'shop', 'vm-agent', { addresses: ['192.0.2.2'], tunnel: 'HBONE' }, { labels: { app: 'vm' } }),
  gatewayOf('ambit-waypoint', 'wp'),
  gatewayOf('nginx', 'nginx'),
  own('MutualTLSPolicy', 'shop', 'older', { mode: 'Strict' }, { creationTimestamp: '2026-01-01T00:00:00Z' }),
  own(
    'MutualTLSPolicy',
    'ambit-system',
    'older-web',
    { mode: 'Strict', selector: { matchLabels: { app: 'web' } } },
    { creationTimestamp: '2026-01-01T00:00:00Z' },
  ),
];
function gatewayOf(className: string, name: string): Record<string, unknown> {
  const json = core('Gateway', 'shop', name, { spec: { gatewayClassName: className, listeners: [] } });
  return { ...json, apiVersion: 'gateway.networking.k8s.io/v1' };
}

const NOBODY: Acknowledgement = { acknowledged: [], pending: [], refused: [], unheard: [], missing: [], silent: [] };
const EVERY_NODE: Acknowledgement = { ...NOBODY, acknowledged: ['a', 'b'] };
const LATER = { creationTimestamp: '2026-02-01T00:00:00Z' };

/** A condition as `Type=Status Reason: message`. */
function told(status: StatusDecision): readonly string[] {
  const blocks = status.style === 'object' ? [{ ref: null, conditions: status.conditions }] : status.ancestors;
  return blocks.flatMap(({ ref, conditions }) => [
    ...(ref === null ? [] : [`${ref.kind} ${ref.namespace ?? ''}/${ref.name}`]),
    ...conditions.map(({ type, status: value, reason, message }) => `${type}=${value} ${reason}: ${message}`),
  ]);
}

function access(spec: Record<string, unknown>, namespace = 'shop'): StatusDecision {
  const policy = parsed(own('AccessPolicy', namespace, 'p', { action: 'Allow', ...spec }), 'AccessPolicy');
  return decideStatus(policy, decideFindings(worldOf(OBJECTS), policy), EVERY_NODE);
}

function mutualTls(spec: Record<string, unknown>, namespace = 'shop', metadata = LATER): StatusDecision {
  const policy = parsed(own('MutualTLSPolicy', namespace, 'p', spec, metadata), 'MutualTLSPolicy');
  return decideStatus(policy, decideFindings(worldOf(OBJECTS), policy), EVERY_NODE);
}

const ACCEPTED = 'Accepted=True Accepted: it is in force';
const ALL_NODES = 'Acknowledged=True AllNodes: 2 of 2 connected node agents have this version';
const RESOLVED = 'ResolvedRefs=True ResolvedRefs: everything that it names exists';
const ENFORCED = 'PartiallyEnforced=False FullyEnforced: nothing escapes it';

test('decideStatus says of an AccessPolicy what it is attached to and who escapes it', () => {
  const selector = (app: string): Record<string, unknown> => ({ selector: { matchLabels: { app } } });
  const table: readonly (readonly [what: string, status: StatusDecision, expected: readonly string[]])[] = [
    [
      'a selector; a pod in the host network escapes, a finished one does not count',
      access({ ...selector('web'), rules: [{ from: [{ serviceAccounts: ['checkout'], namespaces: ['shop'] }] }] }),
      [
        'Namespace /shop',
        ACCEPTED,
        'Attached=True Attached: attached to 2 workloads',
        RESOLVED,
        "PartiallyEnforced=True WorkloadsNotEnrolled: 1 of 2 workloads escapes it: shop/web-2 (in the host's network)",
        ALL_NODES,
      ],
    ],
    [
      'a selector that selects nothing, and names nobody has',
      access({
        ...selector('wep'),
        rules: [{ from: [{ serviceAccounts: ['chekout', 'x/y'], notNamespaces: ['z'] }] }],
      }),
      [
        'Namespace /shop',
        ACCEPTED,
        'Attached=False TargetNotFound: attached to nothing: no workload is selected by it',
        'ResolvedRefs=False RefNotFound: does not exist: service account shop/chekout, service account x/y, namespace z',
        ENFORCED,
        ALL_NODES,
      ],
    ],
    [
      'targets by name, one of which does not exist and one has no agent',
      access({
        targetRefs: ['vm-agent', 'vm-lost'].map((name) => ({ group: 'ambit.dev', kind: 'ExternalWorkload', name })),
      }),
      [
        'ExternalWorkload shop/vm-agent',
        ACCEPTED,
        'Attached=True Attached: attached to 1 workload',
        RESOLVED,
        ENFORCED,
        ALL_NODES,
        'ExternalWorkload shop/vm-lost',
        ACCEPTED,
        'Attached=False TargetNotFound: attached to nothing: there is no ExternalWorkload vm-lost',
        RESOLVED,
        ENFORCED,
        ALL_NODES,
      ],
    ],
    [
      'an external workload without an agent',
      access(selector('vm')),
      [
        'Namespace /shop',
        ACCEPTED,
        'Attached=True Attached: attached to 2 workloads',
        RESOLVED,
        'PartiallyEnforced=True WorkloadsNotEnrolled: 1 of 2 workloads escapes it: shop/vm (reached without a tunnel, so no node agent enforces anything there)',
        ALL_NODES,
      ],
    ],
    [
      'a namespace that takes no part',
      access({}, 'plain'),
      [
        'Namespace /plain',
        ACCEPTED,
        'Attached=True Attached: attached to 1 workload',
        RESOLVED,
        'PartiallyEnforced=True WorkloadsNotEnrolled: 1 of 1 workload escapes it: plain/web-3 (not enrolled: neither pod nor namespace has label ambit.dev/mode=ambient)',
        ALL_NODES,
      ],
    ],
    [
      'the whole mesh: only workloads of the mesh',
      access({ dryRun: true }, 'ambit-system'),
      [
        'Namespace /ambit-system',
        ACCEPTED,
        'Attached=True Attached: attached to 5 workloads',
        RESOLVED,
        'PartiallyEnforced=True DryRun: dryRun is true: what would have happened is in metrics and log, and nothing is refused',
        ALL_NODES,
      ],
    ],
  ];
  for (const [what, status, expected] of table) assert.deepEqual(told(status), expected, what);
});

test('decideStatus says of each target whether the policy is attached to it', () => {
  const gateway = 'gateway.networking.k8s.io';
  const refs: readonly (readonly [group: string, kind: string, name: string])[] = [
    ['', 'Service', 'ledger'],
    ['', 'Service', 'leger'],
    [gateway, 'Gateway', 'wp'],
    [gateway, 'Gateway', 'nginx'],
    [gateway, 'GatewayClass', 'ambit-waypoint'],
    [gateway, 'GatewayClass', 'nginx'],
  ];
  const targetRefs = refs.map(([group, kind, name]) => ({ group, kind, name }));
  const found = (namespace: string): readonly string[] =>
    told(access({ targetRefs }, namespace)).filter((line) => !/^(?:Acc|Ack|Resolved|Partially)/.test(line));
  const nothing = (reason: string, why: string): string => `Attached=False ${reason}: attached to nothing: ${why}`;
  const lost = (kind: string, name: string): string => nothing('TargetNotFound', `there is no ${kind} ${name}`);
  assert.deepEqual(found('shop'), [
    'Service shop/ledger',
    'Attached=True Attached: attached to Service ledger',
    'Service shop/leger',
    lost('Service', 'leger'),
    'Gateway shop/wp',
    'Attached=True Attached: attached to Gateway wp',
    'Gateway shop/nginx',
    nothing('TargetInvalid', 'Gateway nginx is of class nginx: only those of ambit-waypoint read policies'),
    'GatewayClass /ambit-waypoint',
    nothing(
      'TargetInvalid',
      'a GatewayClass is for the whole mesh: only policies of namespace ambit-system may name it',
    ),
    'GatewayClass /nginx',
    nothing('TargetInvalid', 'only GatewayClass ambit-waypoint reads policies'),
  ]);
  assert.deepEqual(found('ambit-system').slice(6, 10), [
    'Gateway ambit-system/nginx',
    lost('Gateway', 'nginx'),
    'GatewayClass /ambit-waypoint',
    'Attached=True Attached: attached to GatewayClass ambit-waypoint',
  ]);
});

test('decideStatus says that nobody reads requests yet', () => {
  const found = (action: string): string | undefined =>
    told(
      access({ action, selector: { matchLabels: { app: 'vm' } }, rules: [{ to: [{ methods: ['GET'] }] }] }, 'agents'),
    ).find((line) => line.startsWith('PartiallyEnforced'));
  assert.deepEqual(
    [found('Allow'), found('Deny')],
    [
      'PartiallyEnforced=True RequestsNotRead: it says something of requests, and nobody reads them there: what it allows by that is refused',
      'PartiallyEnforced=True RequestsNotRead: it says something of requests, and nobody reads them there: what it denies by that is refused whatever the request',
    ],
  );
});

test('decideStatus says where a waypoint reads requests', () => {
  const bound = { 'ambit.dev/mode': 'ambient', 'ambit.dev/waypoint': 'wp' };
  const none = { 'ambit.dev/waypoint': 'none' };
  const wp = { spec: { gatewayClassName: 'ambit-waypoint', listeners: [] } };
  const service = (app: string, labels: Record<string, string> = {}): Record<string, unknown> =>
    core('Service', 'l7', app, { spec: { selector: { app }, ports: [{ port: 80 }] } }, { labels });
  const lost = service('lost', { 'ambit.dev/waypoint': 'lost' });
  const objects = [
    core('Namespace', '', 'l7', {}, { labels: bound }),
    { ...core('Gateway', 'l7', 'wp', wp), apiVersion: 'gateway.networking.k8s.io/v1' },
    ...[service('web'), service('raw', none), lost],
    ...[pod('l7', 'web-1', 'web'), pod('l7', 'raw-1', 'raw')],
  ];
  const enforced = (spec: Record<string, unknown>, namespace = 'l7'): string | undefined => {
    const json = own('AccessPolicy', namespace, 'p', {
      action: 'Allow',
      rules: [{ to: [{ methods: ['GET'] }] }],
      ...spec,
    });
    const policy = parsed(json, 'AccessPolicy');
    const status = decideStatus(policy, decideFindings(worldOf(objects), policy), EVERY_NODE);
    return told(status)
      .find((line) => line.startsWith('PartiallyEnforced'))
      ?.slice('PartiallyEnforced='.length);
  };
  const targets = (name: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
    targetRefs: [{ group: '', kind: 'Service', name }],
    ...more,
  });
  const selector = (app: string): Record<string, unknown> => ({ selector: { matchLabels: { app } } });
  const all = 'False FullyEnforced: nothing escapes it';
  const unread =
    'True RequestsNotRead: it says something of requests, and nobody reads them there: what it allows by that is refused';
  const unseen =
    'True RequestsNotRead: nobody reads requests there, and only a waypoint tells of what an Audit policy matches';
  const table: readonly (readonly [string | undefined, string])[] = [
    [enforced(targets('web')), all],
    [enforced(targets('web', { action: 'Audit' })), all],
    [enforced(targets('raw')), unread],
    [enforced(targets('raw', { action: 'Audit', rules: [] })), unseen],
    [enforced(targets('raw', { rules: [] })), all],
    [
      enforced(targets('lost')),
      'True WaypointNotThere: its waypoint, Gateway l7/lost, is missing: callers are refused',
    ],
    [enforced({ targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'wp' }] }), all],
    [enforced(selector('web')), all],
    [enforced(selector('raw')), unread],
    [enforced({}), `${unread}: l7/raw-1`],
    [enforced({ action: 'Audit' }), `${unseen}: l7/raw-1`],
    [enforced({}, 'ambit-system'), unread],
    [enforced({ rules: [] }), all],
  ];
  for (const [found, expected] of table) assert.equal(found, expected);
});

test('decideStatus says of a MutualTLSPolicy which older one counts instead', () => {
  const overridden = (name: string): string =>
    `PartiallyEnforced=True Overridden: of policies with the same reach the oldest counts: MutualTLSPolicy ${name}`;
  const selector = { matchLabels: { app: 'web' } };
  const oldest = { creationTimestamp: '2025-01-01T00:00:00Z' };
  const table: readonly (readonly [StatusDecision, string])[] = [
    [mutualTls({ mode: 'Permissive' }), overridden('shop/older')],
    [mutualTls({ mode: 'Permissive' }, 'plain'), 'PartiallyEnforced=True WorkloadsNotEnrolled'],
    [mutualTls({ mode: 'Permissive', selector }), overridden('ambit-system/older-web')],
    [mutualTls({ mode: 'Permissive', selector }, 'shop', oldest), 'PartiallyEnforced=True WorkloadsNotEnrolled'],
    [
      mutualTls({ mode: 'Permissive', selector: { matchLabels: { app: 'vm' } } }),
      'PartiallyEnforced=True WorkloadsNotEnrolled',
    ],
    [mutualTls({ mode: 'Strict' }, 'ambit-system'), 'PartiallyEnforced=True WorkloadsNotEnrolled'],
  ];
  for (const [status, expected] of table) {
    const found = told(status).find((line) => line.startsWith('PartiallyEnforced')) ?? '';
    assert.ok(found.startsWith(expected), `${found}\nis not\n${expected}`);
  }
});

test('decideStatus says of an EgressPolicy whom it is for and who escapes it', () => {
  const egress = (namespace: string, name: string): Record<string, unknown> =>
    own('EgressPolicy', namespace, name, { unknownDestinations: 'Refuse' });
  const of = (namespace: string, ...more: readonly Record<string, unknown>[]): readonly string[] => {
    const policy = parsed(egress(namespace, 'p'), 'EgressPolicy');
    const world = worldOf([...OBJECTS, egress(namespace, 'p'), ...more]);
    return told(decideStatus(policy, decideFindings(world, policy), EVERY_NODE));
  };
  assert.deepEqual(of('shop'), [
    'Namespace /shop',
    ACCEPTED,
    'Attached=True Attached: attached to 4 workloads',
    "PartiallyEnforced=True WorkloadsNotEnrolled: 2 of 4 workloads escape it: shop/web-2 (in the host's network); shop/web-out (opted out by label)",
    ALL_NODES,
  ]);
  assert.equal(of('ambit-system')[2], 'Attached=True Attached: attached to 4 workloads');
  assert.deepEqual(of('ambit-system', egress('shop', 'own')).slice(2, 4), [
    'Attached=False TargetNotFound: attached to nothing: no workload is selected by it',
    ENFORCED,
  ]);
});

test('decideStatus says of an ExternalService who has its hosts: the oldest, and never one that is about to be', () => {
  const external = (name: string, hosts: readonly string[], metadata = {}): Record<string, unknown> =>
    own('ExternalService', 'shop', name, { hosts, ports: [{ port: 443 }] }, metadata);
  const of = (name: string, metadata: Record<string, unknown>, rival: Record<string, unknown>): string | undefined => {
    const service = parsed(external(name, ['a.example.com', 'b.example.com'], metadata), 'ExternalService');
    const world = worldOf([...OBJECTS, external('m', ['b.example.com'], rival)]);
    return told(decideStatus(service, decideFindings(world, service), EVERY_NODE))[1];
  };
  const overridden =
    'PartiallyEnforced=True Overridden: of those with the same host in a namespace the oldest has it: ExternalService shop/m';
  const earlier = { creationTimestamp: '2026-01-01T00:00:00Z' };
  assert.equal(of('a', LATER, earlier), overridden);
  assert.equal(of('z', earlier, LATER), ENFORCED);
  assert.equal(of('a', {}, LATER), overridden, 'about to be created');
  assert.equal(of('z', {}, {}), overridden, 'without times, by name');
  assert.equal(of('a', {}, {}), ENFORCED);
});

test('decideStatus says of an ExternalWorkload what it names and does not exist', () => {
  const external = (spec: Record<string, unknown>): readonly string[] => {
    const object = parsed(
      own('ExternalWorkload', 'shop', 'x', { addresses: ['192.0.2.9'], ...spec }),
      'ExternalWorkload',
    );
    return told(decideStatus(object, decideFindings(worldOf(OBJECTS), object), EVERY_NODE));
  };
  assert.deepEqual(external({ services: ['ledger'] }), [ACCEPTED, RESOLVED, ALL_NODES]);
  assert.deepEqual(external({ services: ['ledger', 'leger'], serviceAccountName: 'vm' }), [
    ACCEPTED,
    'ResolvedRefs=False RefNotFound: does not exist: service account shop/vm, service shop/leger',
    ALL_NODES,
  ]);
});

test('decideStatus names the nodes that lack a version, and not all of many', () => {
  const object = parsed(own('ExternalWorkload', 'shop', 'x', { addresses: ['192.0.2.9'] }), 'ExternalWorkload');
  const findings = decideFindings(worldOf(OBJECTS), object);
  const nodes = Array.from({ length: 9 }, (_, index) => `n${index}`);
  const last = (acknowledgement: Partial<Acknowledgement>): string | undefined =>
    told(decideStatus(object, findings, { ...NOBODY, ...acknowledgement })).at(-1);
  const silent = ['controller-2'];
  assert.deepEqual(
    [
      last({}),
      last({ acknowledged: ['a'] }),
      last({ acknowledged: ['a'], pending: nodes }),
      last({ acknowledged: ['a'], pending: ['b'], refused: ['c'] }),
      last({ acknowledged: ['a'], silent }),
      last({ acknowledged: ['a'], silent, unheard: ['b', 'c'] }),
      last({ silent: [...silent, 'controller-3'], unheard: ['b'] }),
      last({ acknowledged: ['a'], pending: ['b'], silent, unheard: ['c'] }),
      last({ acknowledged: ['a'], refused: ['b'], silent, unheard: ['c'] }),
      last({ acknowledged: ['a'], missing: ['b'] }),
      last({ missing: nodes }),
      last({ acknowledged: ['a'], pending: ['b'], missing: ['c', 'd'] }),
      last({ acknowledged: ['a'], refused: ['b'], missing: ['c'] }),
    ],
    [
      'Acknowledged=Unknown NoNodeAgents: no node agent is connected',
      'Acknowledged=True AllNodes: 1 of 1 connected node agent has this version',
      'Acknowledged=False Pending: 1 of 10 connected node agents have this version; waiting for n0, n1, n2, n3, n4 and 4 more',
      'Acknowledged=False Refused: 1 of 3 connected node agents have this version; refused by c: see its log',
      'Acknowledged=True AllNodes: 1 of 1 connected node agent has this version',
      'Acknowledged=Unknown ReplicaSilent: 1 of 1 connected node agent has this version; nothing is known of b, c: controller-2 does not tell the leading controller',
      'Acknowledged=Unknown ReplicaSilent: no node agent is connected; nothing is known of b: controller-2, controller-3 do not tell the leading controller',
      'Acknowledged=False Pending: 1 of 2 connected node agents have this version; waiting for b',
      'Acknowledged=False Refused: 1 of 2 connected node agents have this version; refused by b: see its log',
      'Acknowledged=False Pending: 1 of 1 connected node agent has this version; nothing heard from b',
      'Acknowledged=False Pending: no node agent is connected; nothing heard from n0, n1, n2, n3, n4 and 4 more',
      'Acknowledged=False Pending: 1 of 2 connected node agents have this version; waiting for b; nothing heard from c, d',
      'Acknowledged=False Refused: 1 of 2 connected node agents have this version; refused by b: see its log',
    ],
  );
});

test('decideBrokenStatus carries what the parser says', () => {
  const broken = { namespace: 'shop', reason: 'spec.action is missing', olderInForce: false };
  assert.deepEqual(told(decideBrokenStatus({ kind: 'AccessPolicy', ...broken })), [
    'Namespace /shop',
    'Accepted=False Invalid: spec.action is missing',
  ]);
  assert.deepEqual(told(decideBrokenStatus({ kind: 'ExternalWorkload', ...broken, olderInForce: true })), [
    'Accepted=False Invalid: spec.action is missing; the version before it stays in force',
  ]);
});

test('few() names five and counts the rest', () => {
  assert.equal(few(['a', 'b', 'c', 'd', 'e']), 'a, b, c, d, e');
  assert.equal(few(['a', 'b', 'c', 'd', 'e', 'f']), 'a, b, c, d, e and 1 more');
});
