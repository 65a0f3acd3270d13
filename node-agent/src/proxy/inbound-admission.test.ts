import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type AccessPolicy,
  createMeshViewStore,
  type MeshView,
  type MeshViewUpdate,
  parseIpAddress,
  parsePort,
  parseSocketAddress,
  parseSpiffeId,
  type PolicyKey,
  type Probe,
  type SpiffeId,
  type WaypointRef,
  type Workload,
} from '@ambit/mesh/model';
import { buildPolicy, buildService, buildWaypointRef, buildWorkload, type WorkloadOptions } from '@ambit/mesh/testing';
import {
  type Admission,
  admitInbound,
  admitPlaintext,
  type InboundConnection,
  reauthorize,
} from './inbound-admission.ts';

const client: SpiffeId = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/client');
const stranger: SpiffeId = parseSpiffeId('spiffe://cluster.local/ns/other/sa/client');

function viewOf(update: MeshViewUpdate): MeshView {
  const store = createMeshViewStore();
  store.apply(update);
  return store.view;
}

function connectionTo(destination: string, peer: SpiffeId = client, source = '10.0.0.9:40000'): InboundConnection {
  return { source: parseSocketAddress(source), destination: parseSocketAddress(destination), peer };
}

const OPEN = { verdict: 'allow', reason: 'no-allow-policy', dryRun: [] } as const;

interface Row {
  readonly name: string;
  /** The captured workload; null while it is unknown. */
  readonly local?: WorkloadOptions | null;
  readonly world?: MeshViewUpdate;
  readonly connection?: InboundConnection;
  readonly authority: string;
  /** Default: true. */
  readonly localhostApplicationTunnel?: boolean;
  /** The whole admission, its workload left out. */
  readonly expected: object;
}

const refused400 = (reason: string): object => ({ kind: 'refused', status: 400, flag: '-', reason });
const refused503 = (reason: string): object => ({ kind: 'refused', status: 503, flag: '-', reason });
const address = parseSocketAddress;

const webService = buildService({ ports: ['80:8080', '443:0'] });
const otherNamespaceService = buildService({ namespace: 'other', hostname: webService.hostname, ports: ['80:9090'] });

const rows: readonly Row[] = [
  {
    name: 'an address and port of the pod itself',
    authority: '10.0.0.1:8080',
    expected: {
      kind: 'allowed',
      policyTarget: address('10.0.0.1:8080'),
      target: address('10.0.0.1:8080'),
      decision: OPEN,
    },
  },
  {
    name: 'IPv6 in brackets',
    local: { addresses: ['fd00::1'] },
    connection: connectionTo('[fd00::1]:15008'),
    authority: '[fd00::1]:8080',
    expected: {
      kind: 'allowed',
      policyTarget: address('[fd00::1]:8080'),
      target: address('[fd00::1]:8080'),
      decision: OPEN,
    },
  },
  {
    name: 'another spelling of the same IPv6 address',
    local: { addresses: ['fd00::1'] },
    connection: connectionTo('[fd00::1]:15008'),
    authority: '[FD00:0:0:0::1]:8080',
    expected: {
      kind: 'allowed',
      policyTarget: address('[fd00::1]:8080'),
      target: address('[fd00::1]:8080'),
      decision: OPEN,
    },
  },
  ...[
    '',
    ':80',
    '10.0.0.1',
    '10.0.0.1:',
    '10.0.0.1:0',
    '10.0.0.1:65536',
    '10.0.0.1:8080x',
    '10.0.0.256:80',
    '10.0.1:80',
  ].map(bad),
  ...[
    'fd00::1:8080',
    '[fd00::1:8080',
    '[fd00::1]8080',
    '[10.0.0.1]:8080',
    '[web]:80',
    'we b:80',
    '-web:80',
    'web/:80',
  ].map(bad),
  ...['010.0.0.1:80', '[fd00::1%eth0]:80', `${'a'.repeat(260)}:80`, 'web.:80'].map(bad),
  { name: 'an unknown workload', local: null, authority: '10.0.0.1:8080', expected: refused503('unknown-workload') },
  {
    name: 'an unparsable authority for an unknown workload',
    local: null,
    authority: '?',
    expected: refused400('bad-authority'),
  },
  {
    name: 'an address that is not the destination',
    authority: '10.0.0.2:8080',
    expected: refused400('authority-mismatch'),
  },
  { name: 'a loopback address', authority: '127.0.0.1:8080', expected: refused400('authority-mismatch') },
  {
    name: 'the other address of a dual-stack pod',
    local: { addresses: ['10.0.0.1', 'fd00::1'] },
    authority: '[fd00::1]:8080',
    expected: refused400('authority-mismatch'),
  },
  {
    name: 'the VIP of a service that the pod backs',
    local: { services: { [webService.key]: ['80:8080'] } },
    world: { services: [webService] },
    authority: '10.96.0.1:80',
    expected: refused400('authority-mismatch'),
  },
  ...[15001, 15006, 15008].map((port) => ({
    name: `a mismatched address wins over the illegal port ${port}`,
    authority: `10.0.0.2:${port}`,
    expected: refused400('authority-mismatch'),
  })),
  ...[15001, 15006, 15008].map((port) => ({
    name: `the agent's own port ${port}`,
    authority: `10.0.0.1:${port}`,
    expected: refused503('illegal-port'),
  })),
  {
    name: "a hostname whose service maps the port to the agent's own",
    local: { services: { [webService.key]: ['80:15006'] } },
    world: { services: [webService] },
    authority: `${webService.hostname}:80`,
    expected: refused503('illegal-port'),
  },
];

function bad(authority: string): Row {
  return {
    name: `the unparsable authority ${JSON.stringify(authority.slice(0, 30))}`,
    authority,
    expected: refused400('bad-authority'),
  };
}

const hostnameRows: readonly Row[] = [
  {
    name: "a hostname and the workload's own port mapping",
    local: { services: { [webService.key]: ['80:8081'] } },
    world: { services: [webService] },
    authority: `${webService.hostname}:80`,
    expected: allowedTo('10.0.0.1:8081', { service: webService }),
  },
  {
    name: 'a hostname in capitals',
    world: { services: [webService] },
    authority: `${webService.hostname.toUpperCase()}:80`,
    expected: allowedTo('10.0.0.1:8080', { service: webService }),
  },
  {
    name: "a hostname and, without an own mapping, the service's port",
    world: { services: [webService] },
    authority: `${webService.hostname}:80`,
    expected: allowedTo('10.0.0.1:8080', { service: webService }),
  },
  {
    name: "an own mapping without a target falls back to the service's",
    local: { services: { [webService.key]: ['80:0'] } },
    world: { services: [webService] },
    authority: `${webService.hostname}:80`,
    expected: allowedTo('10.0.0.1:8080', { service: webService }),
  },
  {
    name: "the service of the workload's own namespace before others of the same name",
    world: { services: [otherNamespaceService, webService] },
    authority: `${webService.hostname}:80`,
    expected: allowedTo('10.0.0.1:8080', { service: webService }),
  },
  {
    name: 'a service of another namespace when there is no own one',
    world: { services: [otherNamespaceService] },
    authority: `${webService.hostname}:80`,
    expected: allowedTo('10.0.0.1:9090', { service: otherNamespaceService }),
  },
  {
    name: 'a service port without target anywhere',
    world: { services: [webService] },
    authority: `${webService.hostname}:443`,
    expected: refused503('unresolvable-port'),
  },
  {
    name: 'a port that the service does not have',
    world: { services: [webService] },
    authority: `${webService.hostname}:81`,
    expected: refused503('unresolvable-port'),
  },
  {
    name: 'a hostname whose services are all for other namespaces alone',
    world: { services: [buildService({ namespace: 'other', hostname: 'api.example', visibility: 'namespace' })] },
    authority: 'api.example:80',
    expected: refused503('unknown-hostname'),
  },
  {
    name: 'a hostname of several other namespaces: the canonical service',
    world: {
      services: [
        buildService({ namespace: 'a', hostname: 'api.example', ports: ['80:1'], canonical: false }),
        buildService({ namespace: 'b', hostname: 'api.example', ports: ['80:2'] }),
      ],
    },
    authority: 'api.example:80',
    expected: allowedTo('10.0.0.1:2', {
      service: buildService({ namespace: 'b', hostname: 'api.example', ports: ['80:2'] }),
    }),
  },
  { name: 'an unknown hostname', authority: 'nobody.example:80', expected: refused503('unknown-hostname') },
  {
    name: "the workload's own hostname, port unchanged",
    local: { hostname: 'web-0.example' },
    authority: 'web-0.example:8080',
    expected: allowedTo('10.0.0.1:8080'),
  },
  {
    name: 'an unknown hostname while the workload has none',
    local: { hostname: '' },
    authority: '_x:8080',
    expected: refused503('unknown-hostname'),
  },
];

const waypointService = buildService({ name: 'gateway', addresses: ['10.96.0.99'], ports: ['15008:15088'] });
const otherNetworkWaypoint: WaypointRef = {
  destination: { kind: 'address', network: 'net-2', ip: address('10.0.0.1:80').ip },
  hboneMtlsPort: address('10.0.0.1:15008').port,
};
const denyPort = buildPolicy({ name: 'deny-port', action: 'deny', match: [{ ports: [8080] }] });
const key = (name: string): PolicyKey => `shop/${name}` as PolicyKey;
const denied = (reason: string, more: object = {}): object => ({
  kind: 'refused',
  status: 401,
  flag: 'DENY',
  reason,
  decision: { verdict: 'deny', reason, dryRun: [], ...more },
});
const tunnelRows: readonly Row[] = [
  {
    name: 'a VIP whose service names this workload as its waypoint by hostname',
    local: { services: { [waypointService.key]: ['15008:15088'] } },
    world: { services: [buildService({ waypoint: buildWaypointRef(waypointService.key) }), waypointService] },
    authority: '10.96.0.1:80',
    expected: allowedTo('10.0.0.1:80'),
  },
  {
    name: 'a VIP whose service names this workload as its waypoint by VIP',
    local: { services: { [waypointService.key]: ['15008:15088'] } },
    world: { services: [buildService({ waypoint: buildWaypointRef('10.96.0.99') }), waypointService] },
    authority: '10.96.0.1:80',
    expected: allowedTo('10.0.0.1:80'),
  },
  {
    name: 'a VIP whose service names this workload as the waypoint of callers of one namespace',
    local: { services: { [waypointService.key]: ['15008:15088'] } },
    world: {
      services: [
        buildService({
          callerWaypoints: new Map([
            ['first', buildWaypointRef('10.96.0.98')],
            ['second', buildWaypointRef(waypointService.key)],
          ]),
        }),
        waypointService,
      ],
    },
    authority: '10.96.0.1:80',
    expected: allowedTo('10.0.0.1:80'),
  },
  {
    name: 'a VIP whose service names others alone as waypoints of callers',
    local: { services: { [waypointService.key]: ['15008:15088'] } },
    world: {
      services: [
        buildService({ callerWaypoints: new Map([['first', buildWaypointRef('10.96.0.98')]]) }),
        waypointService,
      ],
    },
    authority: '10.96.0.1:80',
    expected: refused400('authority-mismatch'),
  },
  {
    name: 'a VIP whose service names this workload as one of several waypoints',
    local: { services: { [waypointService.key]: ['15008:15088'] } },
    world: {
      services: [
        buildService({
          waypoint: buildWaypointRef('10.96.0.98'),
          weightedWaypoints: [
            { waypoint: buildWaypointRef('10.96.0.98'), weight: 90 },
            { waypoint: buildWaypointRef(waypointService.key), weight: 10 },
          ],
        }),
        waypointService,
      ],
    },
    authority: '10.96.0.1:80',
    expected: allowedTo('10.0.0.1:80'),
  },
  {
    name: 'an address within the block of a service that names this workload as its waypoint',
    world: { services: [buildService({ addresses: ['203.0.113.0/24'], waypoint: buildWaypointRef('10.0.0.1') })] },
    authority: '203.0.113.9:80',
    expected: allowedTo('10.0.0.1:80'),
  },
  {
    name: 'a workload within the block of a service that names this workload as its waypoint',
    world: {
      services: [buildService({ addresses: ['203.0.113.0/24'], waypoint: buildWaypointRef('10.0.0.1') })],
      workloads: [buildWorkload({ name: 'db', addresses: ['203.0.113.9'] })],
    },
    authority: '203.0.113.9:80',
    expected: refused400('authority-mismatch'),
  },
  {
    name: 'a workload that names this one as its waypoint by name',
    local: { hostname: 'gw.example' },
    world: {
      workloads: [
        buildWorkload({ name: 'db', addresses: ['10.0.0.7'], waypoint: buildWaypointRef('shop/gw.example') }),
      ],
    },
    authority: '10.0.0.7:5432',
    expected: allowedTo('10.0.0.1:5432'),
  },
  {
    name: 'a workload that names this one as its waypoint by address',
    world: {
      workloads: [buildWorkload({ name: 'db', addresses: ['10.0.0.7'], waypoint: buildWaypointRef('10.0.0.1') })],
    },
    authority: '10.0.0.7:5432',
    expected: allowedTo('10.0.0.1:5432'),
  },
  {
    name: 'a VIP whose service has another waypoint',
    world: { services: [buildService({ waypoint: buildWaypointRef(waypointService.key) }), waypointService] },
    authority: '10.96.0.1:80',
    expected: refused400('authority-mismatch'),
  },
  {
    name: 'a workload whose waypoint has another address',
    world: {
      workloads: [buildWorkload({ name: 'db', addresses: ['10.0.0.7'], waypoint: buildWaypointRef('10.0.0.8') })],
    },
    authority: '10.0.0.7:5432',
    expected: refused400('authority-mismatch'),
  },
  {
    name: 'a workload whose waypoint has the same address in another network',
    world: {
      workloads: [buildWorkload({ name: 'db', addresses: ['10.0.0.7'], waypoint: otherNetworkWaypoint })],
    },
    authority: '10.0.0.7:5432',
    expected: refused400('authority-mismatch'),
  },
  {
    name: 'an application tunnel with PROXY goes to loopback with what was asked for',
    local: { applicationTunnel: { protocol: 'proxy', port: 15088 } },
    authority: '10.96.0.1:80',
    expected: {
      kind: 'allowed',
      policyTarget: address('10.0.0.1:15088'),
      target: address('127.0.0.1:15088'),
      applicationTunnel: {
        source: address('10.0.0.9:40000'),
        destination: address('10.96.0.1:80'),
        sourceIdentity: client,
      },
      decision: OPEN,
    },
  },
  {
    name: 'an application tunnel of an IPv6 pod without a port of its own',
    local: { addresses: ['fd00::1'], applicationTunnel: { protocol: 'proxy', port: 0 } },
    connection: connectionTo('[fd00::1]:15008'),
    authority: '[fd00::1]:81',
    expected: {
      kind: 'allowed',
      policyTarget: address('[fd00::1]:81'),
      target: address('[::1]:81'),
      applicationTunnel: {
        source: address('10.0.0.9:40000'),
        destination: address('[fd00::1]:81'),
        sourceIdentity: client,
      },
      decision: OPEN,
    },
  },
  {
    name: 'an application tunnel for a hostname names the IPv4 VIP of the own network',
    local: { network: 'net-1', applicationTunnel: { protocol: 'proxy', port: 15088 } },
    world: { services: [buildService({ addresses: ['10.96.0.5', 'net-1/fd00::96', 'net-1/10.96.0.1'] })] },
    authority: 'web.shop.svc.cluster.local:80',
    expected: {
      kind: 'allowed',
      policyTarget: address('10.0.0.1:15088'),
      target: address('127.0.0.1:15088'),
      applicationTunnel: {
        source: address('10.0.0.9:40000'),
        destination: address('10.96.0.1:80'),
        sourceIdentity: client,
      },
      service: buildService({ addresses: ['10.96.0.5', 'net-1/fd00::96', 'net-1/10.96.0.1'] }),
      decision: OPEN,
    },
  },
  {
    name: 'an application tunnel for a service without VIP, which no header could name',
    local: { applicationTunnel: { protocol: 'proxy', port: 15088 } },
    world: { services: [buildService({ addresses: [] })] },
    authority: 'web.shop.svc.cluster.local:80',
    expected: refused503('hostname-without-address'),
  },
  {
    name: 'an application tunnel with PROXY that is not dialled on loopback',
    local: { applicationTunnel: { protocol: 'proxy', port: 15088 } },
    authority: '10.96.0.1:80',
    localhostApplicationTunnel: false,
    expected: {
      kind: 'allowed',
      policyTarget: address('10.0.0.1:15088'),
      target: address('10.0.0.1:15088'),
      applicationTunnel: {
        source: address('10.0.0.9:40000'),
        destination: address('10.96.0.1:80'),
        sourceIdentity: client,
      },
      decision: OPEN,
    },
  },
  {
    name: 'a DENY for the port of an application tunnel, whatever port is asked for',
    local: { applicationTunnel: { protocol: 'proxy', port: 8080 } },
    world: { policies: [denyPort] },
    authority: '10.96.0.1:80',
    expected: denied('deny-policy-matched', { policy: key('deny-port') }),
  },
  {
    name: 'an application tunnel without a protocol only changes the port',
    local: { applicationTunnel: { protocol: 'none', port: 15088 } },
    authority: '10.96.0.1:80',
    expected: {
      kind: 'allowed',
      policyTarget: address('10.0.0.1:15088'),
      target: address('10.0.0.1:15088'),
      decision: OPEN,
    },
  },
  {
    name: "an application tunnel into the agent's own port",
    local: { applicationTunnel: { protocol: 'none', port: 15008 } },
    authority: '10.0.0.1:80',
    expected: refused503('illegal-port'),
  },
  {
    name: "an application tunnel does not make the agent's own port legal",
    local: { applicationTunnel: { protocol: 'proxy', port: 15088 } },
    authority: '10.0.0.1:15006',
    expected: refused503('illegal-port'),
  },
];

function allowedTo(target: string, more: object = {}): object {
  return { kind: 'allowed', policyTarget: address(target), target: address(target), ...more, decision: OPEN };
}

const allowClient = buildPolicy({ name: 'allow-client', match: [{ principals: ['cluster.local/ns/shop/sa/client'] }] });
const denyOther = buildPolicy({ name: 'deny-other', action: 'deny', match: [{ namespaces: ['other'] }] });
const denyTunnelPort = buildPolicy({ name: 'deny-tunnel-port', action: 'deny', match: [{ ports: [15008] }] });
const denySource = buildPolicy({ name: 'deny-source', action: 'deny', match: [{ sourceIps: ['10.0.0.9'] }] });
const denyDestination = buildPolicy({
  name: 'deny-destination',
  action: 'deny',
  match: [{ destinationIps: ['10.0.0.1'] }],
});

const policyRows: readonly Row[] = [
  {
    name: 'an ALLOW policy that names the peer',
    world: { policies: [allowClient] },
    authority: '10.0.0.1:8080',
    expected: {
      ...allowedTo('10.0.0.1:8080'),
      decision: { verdict: 'allow', reason: 'allow-policy-matched', policy: key('allow-client'), dryRun: [] },
    },
  },
  {
    name: 'an ALLOW policy that names somebody else',
    world: { policies: [allowClient] },
    connection: connectionTo('10.0.0.1:15008', stranger),
    authority: '10.0.0.1:8080',
    expected: denied('no-allow-policy-matched'),
  },
  {
    name: 'DENY before ALLOW',
    world: { policies: [buildPolicy({ name: 'allow-all', match: [{ principals: ['*'] }] }), denyOther] },
    connection: connectionTo('10.0.0.1:15008', stranger),
    authority: '10.0.0.1:8080',
    expected: denied('deny-policy-matched', { policy: key('deny-other') }),
  },
  {
    name: "a DENY for the application's port",
    world: { policies: [denyPort] },
    authority: '10.0.0.1:8080',
    expected: denied('deny-policy-matched', { policy: key('deny-port') }),
  },
  {
    name: "a DENY for the application's port behind a hostname",
    world: { policies: [denyPort], services: [webService] },
    authority: `${webService.hostname}:80`,
    expected: denied('deny-policy-matched', { policy: key('deny-port') }),
  },
  {
    name: 'a DENY for the tunnel port says nothing about the application',
    world: { policies: [denyTunnelPort] },
    authority: '10.0.0.1:8080',
    expected: allowedTo('10.0.0.1:8080'),
  },
  {
    name: 'a DENY for the source address',
    world: { policies: [denySource] },
    authority: '10.0.0.1:8080',
    expected: denied('deny-policy-matched', { policy: key('deny-source') }),
  },
  {
    name: 'a DENY for the destination address',
    world: { policies: [denyDestination] },
    authority: '10.0.0.1:8080',
    expected: denied('deny-policy-matched', { policy: key('deny-destination') }),
  },
  {
    name: 'a policy that has not arrived',
    local: { policies: ['shop/late'] },
    authority: '10.0.0.1:8080',
    expected: denied('policy-not-received', { policy: key('late') }),
  },
  {
    name: 'an illegal port is not worth asking policy about',
    local: { policies: ['shop/late'] },
    authority: '10.0.0.1:15008',
    expected: refused503('illegal-port'),
  },
  {
    name: 'a DENY in dry run only speaks',
    world: { policies: [{ ...denySource, dryRun: true }] },
    authority: '10.0.0.1:8080',
    expected: {
      ...allowedTo('10.0.0.1:8080'),
      decision: { ...OPEN, dryRun: [{ policy: key('deny-source'), would: 'deny' }] },
    },
  },
];

describe('admitInbound()', () => {
  for (const row of [...rows, ...hostnameRows, ...tunnelRows, ...policyRows]) {
    test(row.name, () => {
      const local = row.local === null ? undefined : buildWorkload(row.local);
      const world = row.world ?? {};
      const view = viewOf({
        ...world,
        workloads: [...(local === undefined ? [] : [local]), ...(world.workloads ?? [])],
      });
      const admission = admitInbound(view, local, row.connection ?? connectionTo('10.0.0.1:15008'), row.authority, {
        localhostApplicationTunnel: row.localhostApplicationTunnel ?? true,
      });
      assert.deepEqual(admission, withWorkload(row.expected, local, row.authority));
    });
  }
});

/** An admission names the workload it is about once that is known and the authority could be read. */
function withWorkload(expected: object, workload: Admission['workload'], authority: string): object {
  const unreadable = 'reason' in expected && expected.reason === 'bad-authority';
  return workload === undefined || unreadable || authority === '' ? expected : { ...expected, workload };
}

describe('admitPlaintext()', () => {
  const workload = buildWorkload({ policies: ['mesh/strict'] });
  const strict = buildPolicy({
    name: 'strict',
    namespace: 'mesh',
    scope: 'workload',
    action: 'deny',
    match: [{ notPrincipals: ['*'] }],
  });
  const plaintext = (destination: string): InboundConnection & { readonly peer: null } => ({
    source: address('10.9.9.9:1'),
    destination: address(destination),
    peer: null,
  });

  test('keeps the original destination of an admitted connection', () => {
    const open = buildWorkload();
    assert.deepEqual(admitPlaintext(viewOf({ workloads: [open] }), open, plaintext('10.0.0.1:8080'), []), {
      ...allowedTo('10.0.0.1:8080'),
      workload: open,
    });
  });

  test('has no identity: strict mutual TLS refuses it', () => {
    const view = viewOf({ workloads: [workload], policies: [strict] });
    assert.deepEqual(admitPlaintext(view, workload, plaintext('10.0.0.1:8080'), []), {
      ...denied('deny-policy-matched', { policy: 'mesh/strict' }),
      workload,
    });
  });

  test('an ALLOW policy for everybody with an identity does not admit it', () => {
    const open = buildWorkload();
    const view = viewOf({ workloads: [open], policies: [buildPolicy({ match: [{ principals: ['*'] }] })] });
    assert.deepEqual(admitPlaintext(view, open, plaintext('10.0.0.1:8080'), []), {
      ...denied('no-allow-policy-matched'),
      workload: open,
    });
  });

  test('refuses while a policy or the workload is missing', () => {
    assert.deepEqual(admitPlaintext(viewOf({ workloads: [workload] }), workload, plaintext('10.0.0.1:8080'), []), {
      ...denied('policy-not-received', { policy: 'mesh/strict' }),
      workload,
    });
    assert.deepEqual(
      admitPlaintext(viewOf({}), undefined, plaintext('10.0.0.1:8080'), []),
      refused503('unknown-workload'),
    );
  });

  for (const port of [15001, 15006, 15008]) {
    test(`refuses the agent's own port ${port}`, () => {
      const open = buildWorkload();
      assert.deepEqual(admitPlaintext(viewOf({ workloads: [open] }), open, plaintext(`10.0.0.1:${port}`), []), {
        ...refused503('illegal-port'),
        workload: open,
      });
    });
  }
});

describe('admitPlaintext() from the node', () => {
  const NODE = '192.0.2.1';
  const http: Probe = {
    kind: 'http',
    port: parsePort(8080),
    timeoutMs: 1000,
    target: '/healthz',
    secure: false,
    headers: [],
  };
  const tcp: Probe = { kind: 'tcp', port: parsePort(9090), timeoutMs: 1000 };
  const strict = buildPolicy({ name: 'strict', action: 'deny', match: [{ notPrincipals: ['*'] }] });
  const probed = (nodeAddresses: readonly string[]): Workload =>
    buildWorkload({ probes: { nodeAddresses: nodeAddresses.map(parseIpAddress), probes: [http, tcp] } });

  interface Row {
    readonly what: string;
    readonly workload: Workload;
    readonly source?: string;
    readonly port?: number;
    readonly announced?: readonly string[];
    readonly policies?: readonly AccessPolicy[];
    readonly others?: readonly Workload[];
    readonly expected: string;
  }
  const rows: readonly Row[] = [
    { what: 'a declared port', workload: probed([NODE]), expected: 'probe http' },
    { what: 'another declared port', workload: probed([NODE]), port: 9090, expected: 'probe tcp' },
    { what: 'a port that is not declared', workload: probed([NODE]), port: 8081, expected: 'deny-policy-matched' },
    { what: 'the tunnel port', workload: probed([NODE]), port: 15008, expected: 'illegal-port' },
    { what: 'policy that allows', workload: probed([NODE]), policies: [], expected: 'allowed' },
    {
      what: 'an ALLOW policy for others',
      workload: probed([NODE]),
      policies: [buildPolicy({ match: [{ principals: ['*'] }] })],
      expected: 'probe http',
    },
    { what: 'another address', workload: probed([NODE]), source: '192.0.2.2', expected: 'deny-policy-matched' },
    {
      what: 'an address that the CNI agent announced',
      workload: probed([]),
      announced: [NODE],
      expected: 'probe http',
    },
    { what: 'no address of the node known', workload: probed([]), expected: 'deny-policy-matched' },
    { what: 'no probes', workload: buildWorkload(), announced: [NODE], expected: 'deny-policy-matched' },
    {
      what: 'an address that is taken for the node and is a pod',
      workload: probed([NODE]),
      others: [buildWorkload({ name: 'other', addresses: [NODE] })],
      expected: 'deny-policy-matched',
    },
    {
      what: 'a pod in the network of the host, which has the address of the node',
      workload: probed([NODE]),
      others: [buildWorkload({ name: 'host', addresses: [NODE], networkMode: 'host-network' })],
      expected: 'probe http',
    },
  ];
  for (const { what, workload, source = NODE, port = 8080, announced = [], policies = [strict], ...row } of rows) {
    test(`${what}: ${row.expected}`, () => {
      const view = viewOf({ workloads: [workload, ...(row.others ?? [])], policies });
      const connection = { source: address(`${source}:1`), destination: address(`10.0.0.1:${port}`), peer: null };
      const admission = admitPlaintext(view, workload, connection, announced.map(parseIpAddress));
      const shown =
        admission.kind === 'probe'
          ? `probe ${admission.probes.map(({ kind }) => kind).join()}`
          : admission.kind === 'refused'
            ? admission.reason
            : admission.kind;
      assert.equal(shown, row.expected);
    });
  }

  test('is given with the port, the probes and why it is no more', () => {
    const workload = probed([NODE]);
    const connection = { source: address(`${NODE}:1`), destination: address('10.0.0.1:8080'), peer: null };
    const view = viewOf({ workloads: [workload], policies: [strict] });
    assert.deepEqual(admitPlaintext(view, workload, connection, []), {
      kind: 'probe',
      workload,
      policyTarget: address('10.0.0.1:8080'),
      probes: [http],
      reason: 'deny-policy-matched',
      decision: { verdict: 'deny', reason: 'deny-policy-matched', policy: 'shop/strict', dryRun: [] },
    });
  });
});

describe('reauthorize()', () => {
  test('asks about the admitted target under the policies of now', () => {
    const workload = buildWorkload();
    const store = createMeshViewStore();
    store.apply({ workloads: [workload] });
    const connection = connectionTo('10.0.0.1:15008');
    assert.deepEqual(reauthorize(store.view, workload, connection, address('10.0.0.1:8080')), OPEN);
    store.apply({ policies: [denyPort] });
    assert.deepEqual(reauthorize(store.view, workload, connection, address('10.0.0.1:8080')), {
      verdict: 'deny',
      reason: 'deny-policy-matched',
      policy: key('deny-port'),
      dryRun: [],
    });
    assert.deepEqual(reauthorize(store.view, workload, connection, address('10.0.0.1:8081')), OPEN);
  });

  test('does not lend an identity to a plaintext connection', () => {
    const workload = buildWorkload();
    const view = viewOf({
      workloads: [workload],
      policies: [buildPolicy({ action: 'deny', match: [{ notPrincipals: ['*'] }] })],
    });
    const connection = { ...connectionTo('10.0.0.1:8080'), peer: null };
    assert.equal(reauthorize(view, workload, connection, address('10.0.0.1:8080')).verdict, 'deny');
    assert.equal(reauthorize(view, workload, connectionTo('10.0.0.1:8080'), address('10.0.0.1:8080')).verdict, 'allow');
  });
});
