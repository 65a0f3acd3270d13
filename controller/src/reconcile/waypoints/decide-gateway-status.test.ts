import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Gateway, parseObject } from '@ambit/mesh/kinds';
import { decideGatewayStatus, type WaypointState } from './decide-gateway-status.ts';
import type { ParametersDecision } from './decide-waypoint-parameters.ts';

type Json = Readonly<Record<string, unknown>>;

const MESH = { name: 'mesh', port: 15_008, protocol: 'HBONE' };
const TAKEN: ParametersDecision = { kind: 'taken', parameters: { labels: new Map(), annotations: new Map() } };
const READY: WaypointState = { clusterIps: ['10.96.0.7'], pods: 2, readyPods: 1, failure: null };

function gateway(spec: Json = {}, meta: Json = {}): Gateway {
  const object = parseObject({
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway' },
    metadata: { name: 'wp', namespace: 'shop', ...meta },
    spec: { gatewayClassName: 'ambit-waypoint', listeners: [MESH], ...spec },
  });
  return object?.kind === 'Gateway' ? object : assert.fail();
}

function statusOf(
  of: Gateway,
  { parameters = TAKEN, state = READY }: { parameters?: ParametersDecision; state?: WaypointState | null } = {},
): ReturnType<typeof decideGatewayStatus> {
  return decideGatewayStatus({ gateway: of, parameters, state, attachedRoutes: new Map([['mesh', 3]]) });
}

test('decideGatewayStatus() of a waypoint that serves', () => {
  const kinds = ['GRPCRoute', 'HTTPRoute', 'TCPRoute', 'TLSRoute'];
  const programmed = { type: 'Programmed', status: 'True', reason: 'Programmed', message: '1 of 2 pods ready' };
  assert.deepEqual(statusOf(gateway()), {
    conditions: [
      { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'a waypoint is made for it' },
      programmed,
    ],
    addresses: [{ type: 'IPAddress', value: '10.96.0.7' }],
    listeners: [
      {
        name: 'mesh',
        supportedKinds: kinds.map((kind) => ({ group: 'gateway.networking.k8s.io', kind })),
        attachedRoutes: 3,
        conditions: [
          { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'routes may be attached' },
          { type: 'Conflicted', status: 'False', reason: 'NoConflicts', message: 'no other listener is in its way' },
          {
            ...{ type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs' },
            message: 'every kind of route that it allows is known',
          },
          programmed,
        ],
      },
    ],
  });
});

describe('decideGatewayStatus()', () => {
  const refusedParameters: ParametersDecision = { kind: 'refused', message: 'why not' };
  const failing = (kind: 'invalid' | 'taken' | 'failed'): WaypointState => ({
    ...READY,
    failure: { kind, message: 'what went wrong' },
  });
  const rows: readonly (readonly [
    what: string,
    gateway: Gateway,
    options: Parameters<typeof statusOf>[1],
    accepted: string,
    programmed: string,
    message: RegExp,
  ])[] = [
    ['not written yet', gateway(), { state: null }, 'True Accepted', 'False Pending', /not written yet/],
    [
      'no pod is ready',
      gateway(),
      { state: { ...READY, readyPods: 0 } },
      'True Accepted',
      'False Pending',
      /^0 of 2 pods ready/,
    ],
    [
      'no address',
      gateway(),
      { state: { ...READY, clusterIps: [] } },
      'True Accepted',
      'False AddressNotAssigned',
      /no address yet/,
    ],
    ['an object of others', gateway(), { state: failing('taken') }, 'True Accepted', 'False NoResources', /went wrong/],
    ['a quota', gateway(), { state: failing('failed') }, 'True Accepted', 'False NoResources', /went wrong/],
    [
      'what the API server refuses',
      gateway(),
      { state: failing('invalid') },
      'False InvalidParameters',
      'False Invalid',
      /not accepted: what went wrong/,
    ],
    [
      'parameters that are refused',
      gateway(),
      { parameters: refusedParameters },
      'False InvalidParameters',
      'False Invalid',
      /not accepted: why not/,
    ],
    [
      'an address',
      gateway({ addresses: [{ value: '10.0.0.1' }] }),
      {},
      'False UnsupportedAddress',
      'False Invalid',
      /spec\.addresses/,
    ],
    [
      'TLS of its own',
      gateway({ tls: { frontend: {} } }),
      {},
      'False Invalid',
      'False Invalid',
      /spec\.tls: a waypoint/,
    ],
    ['a name with a dot', gateway({}, { name: 'w.p' }), {}, 'False Invalid', 'False Invalid', /metadata\.name/],
    [
      'a misspelt word',
      gateway({}, { labels: { 'ambit.dev/waypoint-for': 'servce' } }),
      {},
      'False Invalid',
      'False Invalid',
      /ambit\.dev\/waypoint-for is servce: expected one of service, workload, all, none/,
    ],
    [
      'no listener of a waypoint',
      gateway({ listeners: [{ name: 'web', port: 80, protocol: 'HTTP' }] }),
      {},
      'False ListenersNotValid',
      'False Invalid',
      /no listener has protocol HBONE/,
    ],
    [
      'one listener too many',
      gateway({ listeners: [MESH, { name: 'web', port: 80, protocol: 'HTTP' }] }),
      {},
      'True ListenersNotValid',
      'True Programmed',
      /ready/,
    ],
  ];
  for (const [what, of, options, accepted, programmed, message] of rows) {
    test(what, () => {
      const [first, second] = statusOf(of, options).conditions;
      assert.deepEqual(
        [first, second].map((one) => `${one?.status} ${one?.reason}`),
        [accepted, programmed],
      );
      assert.match(second?.message ?? '', message);
    });
  }
});

describe('listeners of decideGatewayStatus()', () => {
  const group = 'gateway.networking.k8s.io';
  const rows: readonly (readonly [what: string, listener: Json, kinds: string, conditions: readonly string[]])[] = [
    ['HTTP', { name: 'l', port: 80, protocol: 'HTTP' }, '', ['UnsupportedProtocol', 'ResolvedRefs', 'Invalid']],
    ['another port', { ...MESH, port: 80 }, 'all', ['PortUnavailable', 'ResolvedRefs', 'Invalid']],
    ['a hostname', { ...MESH, hostname: 'a.example' }, 'all', ['UnsupportedProtocol', 'ResolvedRefs', 'Invalid']],
    [
      'our own name of the protocol',
      { ...MESH, protocol: 'ambit.dev/HBONE' },
      'all',
      ['Accepted', 'ResolvedRefs', 'Programmed'],
    ],
    [
      'one kind of route and one that nobody knows',
      {
        ...MESH,
        allowedRoutes: {
          kinds: [
            { group, kind: 'HTTPRoute' },
            { group: 'example.com', kind: 'FooRoute' },
          ],
        },
      },
      'HTTPRoute',
      ['Accepted', 'InvalidRouteKinds', 'Programmed'],
    ],
  ];
  for (const [what, listener, kinds, reasons] of rows) {
    test(what, () => {
      const [status] = statusOf(gateway({ listeners: [listener] })).listeners;
      const all = ['GRPCRoute', 'HTTPRoute', 'TCPRoute', 'TLSRoute'];
      assert.deepEqual(
        status?.supportedKinds.map(({ kind }) => kind),
        kinds === 'all' ? all : kinds.split(',').filter((kind) => kind !== ''),
      );
      const conditions = status?.conditions.filter(({ type }) => type !== 'Conflicted').map(({ reason }) => reason);
      assert.deepEqual(conditions, reasons);
    });
  }
});
