import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { parseCidr } from '../model/address.ts';
import { ModelError } from '../model/errors.ts';
import { buildService } from '../testing/service-builder.ts';
import { wireRefusal } from '../testing/wire-refusal.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import { WireError } from './errors.ts';
import { CallerWaypointsSchema } from './gen/ambit/workload/v1/callers_pb.ts';
import { PortNamesSchema } from './gen/ambit/workload/v1/port-names_pb.ts';
import {
  AddressSchema,
  type ExtensionSchema,
  ServiceSchema,
  WorkloadSchema,
} from './gen/istio/workload/workload_pb.ts';
import { parseAddressResource } from './push-to-model.ts';

type WorkloadInit = MessageInitShape<typeof WorkloadSchema>;
type ServiceInit = MessageInitShape<typeof ServiceSchema>;

const MINIMAL_WORKLOAD = { uid: 'c//Pod/shop/web', namespace: 'shop' } satisfies WorkloadInit;
const MINIMAL_SERVICE = { namespace: 'shop', hostname: 'web' } satisfies ServiceInit;
const V4 = Uint8Array.of(10, 0, 0, 1);

function workloadBytes(init: WorkloadInit): Uint8Array {
  const value = create(WorkloadSchema, { ...MINIMAL_WORKLOAD, ...init });
  return toBinary(AddressSchema, create(AddressSchema, { type: { case: 'workload', value } }));
}
function serviceBytes(init: ServiceInit): Uint8Array {
  const value = create(ServiceSchema, { ...MINIMAL_SERVICE, ...init });
  return toBinary(AddressSchema, create(AddressSchema, { type: { case: 'service', value } }));
}

function callers(
  waypoints: NonNullable<MessageInitShape<typeof CallerWaypointsSchema>['waypoints']>,
): MessageInitShape<typeof ExtensionSchema> {
  const value = toBinary(CallerWaypointsSchema, create(CallerWaypointsSchema, { waypoints }));
  const typeUrl = 'type.googleapis.com/ambit.workload.v1.CallerWaypoints';
  return { name: 'ambit.dev/caller-waypoints', config: { typeUrl, value } };
}

function portNames(
  names: NonNullable<MessageInitShape<typeof PortNamesSchema>['names']>,
): MessageInitShape<typeof ExtensionSchema> {
  const value = toBinary(PortNamesSchema, create(PortNamesSchema, { names }));
  return {
    name: 'ambit.dev/port-names',
    config: { typeUrl: 'type.googleapis.com/ambit.workload.v1.PortNames', value },
  };
}

test('parseAddressResource() takes a load balancer that a newer controller knows for none', () => {
  const typeUrl = 'type.googleapis.com/ambit.workload.v1.LoadBalancer';
  const balanceBy = (algorithm: number): unknown => {
    const value = Uint8Array.of(0x08, algorithm);
    const object = parseAddressResource(
      serviceBytes({ extensions: [{ name: 'ambit.dev/load-balancer', config: { typeUrl, value } }] }),
    );
    return object.kind === 'service' ? object.service.balanceBy : 'not a service';
  };
  assert.deepEqual([1, 2, 3, 4].map(balanceBy), ['least-request', 'round-robin', 'random', undefined]);
});

describe('parseAddressResource() of a workload', () => {
  test('fills in what the wire leaves out', () => {
    const { uid, namespace } = MINIMAL_WORKLOAD;
    const expected = buildWorkload({
      uid,
      namespace,
      name: '',
      addresses: [],
      tunnelProtocol: 'none',
      serviceAccount: 'default',
      node: '',
      canonicalName: '',
      canonicalRevision: '',
      workloadType: 'deployment',
      workloadName: '',
      clusterId: '',
    });
    assert.deepEqual(parseAddressResource(workloadBytes({})), { kind: 'workload', workload: expected });
  });

  test('keeps the cause of a refusal where the model gave one', () => {
    const cause = (init: WorkloadInit): unknown => {
      try {
        parseAddressResource(workloadBytes(init));
      } catch (error) {
        return error instanceof WireError ? error.cause : error;
      }
      return 'accepted';
    };
    assert.ok(cause({ uid: '' }) instanceof ModelError);
    assert.equal(cause({ waypoint: {} }), undefined);
  });

  test('takes port 15008 for a gateway that names none', () => {
    const waypoint = { destination: { case: 'address', value: { network: 'n', address: V4 } } } as const;
    const parsed = parseAddressResource(workloadBytes({ waypoint }));
    assert.deepEqual(parsed.kind === 'workload' && parsed.workload.waypoint, {
      destination: { kind: 'address', network: 'n', ip: '10.0.0.1' },
      hboneMtlsPort: 15008,
    });
  });

  const hostname = (namespace: string, name: string) =>
    ({ destination: { case: 'hostname', value: { namespace, hostname: name } } }) as const;
  const long = 'x'.repeat(1025);
  const bad: readonly [name: string, init: WorkloadInit, expected: string][] = [
    ['no uid', { uid: '' }, 'invalid-field workload.uid'],
    ['a uid with a line break', { uid: 'a\nb' }, 'invalid-field workload.uid'],
    ['no namespace', { namespace: '' }, 'invalid-field workload.namespace or service_account'],
    ['a namespace with a slash', { namespace: 'a/b' }, 'invalid-field workload.namespace or service_account'],
    ['an account with a slash', { serviceAccount: 'a/b' }, 'invalid-field workload.namespace or service_account'],
    ['a trust domain in capitals', { trustDomain: 'Cluster' }, 'invalid-field workload.trust_domain'],
    ['an address of 5 bytes', { addresses: [V4, new Uint8Array(5)] }, 'invalid-field workload.addresses[1]'],
    ['65 addresses', { addresses: Array.from({ length: 65 }, () => V4) }, 'over-limit workload.addresses'],
    ['legacy mTLS', { tunnelProtocol: 2 }, 'unknown-enum-value workload.tunnel_protocol'],
    ['an unknown tunnel', { tunnelProtocol: 9 as never }, 'unknown-enum-value workload.tunnel_protocol'],
    ['an unknown workload type', { workloadType: 4 as never }, 'unknown-enum-value workload.workload_type'],
    ['an unknown status', { status: 2 as never }, 'unknown-enum-value workload.status'],
    ['an unknown network mode', { networkMode: 2 as never }, 'unknown-enum-value workload.network_mode'],
    [
      'an unknown application tunnel',
      { applicationTunnel: { protocol: 2 as never } },
      'unknown-enum-value workload.application_tunnel.protocol',
    ],
    [
      'an application tunnel to port 65536',
      { applicationTunnel: { port: 65536 } },
      'invalid-field workload.application_tunnel.port',
    ],
    ['a waypoint without destination', { waypoint: {} }, 'invalid-field workload.waypoint.destination'],
    [
      'a waypoint without namespace',
      { waypoint: hostname('', 'w') },
      'invalid-field workload.waypoint.hostname.namespace',
    ],
    [
      'a waypoint without host name',
      { waypoint: hostname('n', '') },
      'invalid-field workload.waypoint.hostname.hostname',
    ],
    [
      'a waypoint on port 65536',
      { waypoint: { ...hostname('n', 'w'), hboneMtlsPort: 65536 } },
      'invalid-field workload.waypoint.hbone_mtls_port',
    ],
    [
      'a gateway that is a block',
      { networkGateway: { destination: { case: 'address', value: { address: V4, length: 8 } } } },
      'invalid-field workload.network_gateway.address.length',
    ],
    [
      'a gateway of no bytes',
      { networkGateway: { destination: { case: 'address', value: {} } } },
      'invalid-field workload.network_gateway.address.address',
    ],
    ['a service key without slash', { services: { web: {} } }, 'invalid-field workload.services["web"]'],
    [
      'a service on port 65536',
      { services: { 'a/b': { ports: [{ servicePort: 65536 }] } } },
      'invalid-field workload.services["a/b"].ports[0].service_port',
    ],
    [
      'a target port 65536',
      { services: { 'a/b': { ports: [{}, { targetPort: 65536 }] } } },
      'invalid-field workload.services["a/b"].ports[1].target_port',
    ],
    [
      'an unknown app protocol',
      { services: { 'a/b': { ports: [{ appProtocol: 6 as never }] } } },
      'unknown-enum-value workload.services["a/b"].ports[0].app_protocol',
    ],
    [
      'too many service ports',
      { services: { 'a/b': { ports: Array.from({ length: 4097 }, () => ({})) } } },
      'over-limit workload.services["a/b"].ports',
    ],
    [
      'too many services',
      { services: Object.fromEntries(Array.from({ length: 4097 }, (_, i) => [`a/${i}`, {}])) },
      'over-limit workload.services',
    ],
    [
      'a policy without slash',
      { authorizationPolicies: ['a/b', 'p'] },
      'invalid-field workload.authorization_policies[1]',
    ],
    [
      'too many policies',
      { authorizationPolicies: Array.from({ length: 1025 }, () => 'a/b') },
      'over-limit workload.authorization_policies',
    ],
    ['a long name', { name: long }, 'over-limit workload.name'],
    ['a long host name', { hostname: long }, 'over-limit workload.hostname'],
    ['a long network', { network: long }, 'over-limit workload.network'],
    ['a long node', { node: long }, 'over-limit workload.node'],
    ['a long canonical name', { canonicalName: long }, 'over-limit workload.canonical_name'],
    ['a long revision', { canonicalRevision: long }, 'over-limit workload.canonical_revision'],
    ['a long workload name', { workloadName: long }, 'over-limit workload.workload_name'],
    ['a long cluster', { clusterId: long }, 'over-limit workload.cluster_id'],
    ['a long region', { locality: { region: long } }, 'over-limit workload.locality.region'],
    ['a long zone', { locality: { zone: long } }, 'over-limit workload.locality.zone'],
    ['a long subzone', { locality: { subzone: long } }, 'over-limit workload.locality.subzone'],
  ];
  for (const [name, init, expected] of bad) {
    test(`refuses ${name}`, () =>
      assert.equal(
        wireRefusal(() => parseAddressResource(workloadBytes(init))),
        expected,
      ));
  }

  test('accepts exactly the limits', () => {
    const init: WorkloadInit = {
      name: 'x'.repeat(1024),
      addresses: Array.from({ length: 64 }, () => V4),
      applicationTunnel: { protocol: 1, port: 65535 },
      capacity: 0,
    };
    const parsed = parseAddressResource(workloadBytes(init));
    assert.equal(parsed.kind === 'workload' && parsed.workload.addresses.length, 64);
    assert.equal(parsed.kind === 'workload' && parsed.workload.capacity, 0);
  });
});

describe('parseAddressResource() of a service', () => {
  test('fills in what the wire leaves out', () => {
    const expected = buildService({ ...MINIMAL_SERVICE, name: '', addresses: [], ports: [], canonical: false });
    assert.deepEqual(parseAddressResource(serviceBytes({})), { kind: 'service', service: expected });
  });

  test('reads VIPs, and blocks with their host bits cleared', () => {
    const parsed = parseAddressResource(
      serviceBytes({
        addresses: [
          { network: 'n', address: V4 },
          { address: V4, length: 32 },
          { address: V4, length: 8 },
          { address: V4, length: 0 },
        ],
      }),
    );
    assert.deepEqual(parsed.kind === 'service' && parsed.service.addresses, [
      { network: 'n', ip: '10.0.0.1' },
      { network: '', ip: '10.0.0.1' },
      { network: '', ip: '10.0.0.1', cidr: parseCidr('10.0.0.0/8') },
      { network: '', ip: '10.0.0.1', cidr: parseCidr('0.0.0.0/0') },
    ]);
  });

  const bad: readonly [name: string, init: ServiceInit, expected: string][] = [
    ['no namespace', { namespace: '' }, 'invalid-field service.namespace'],
    ['no host name', { hostname: '' }, 'invalid-field service.hostname'],
    ['a host name with a slash', { hostname: 'a/b' }, 'invalid-field service.namespace or hostname'],
    ['a host name with a space', { hostname: 'a b' }, 'invalid-field service.namespace or hostname'],
    ['a long name', { name: 'x'.repeat(1025) }, 'over-limit service.name'],
    [
      'an address of 3 bytes',
      { addresses: [{ address: new Uint8Array(3) }] },
      'invalid-field service.addresses[0].address',
    ],
    ['a block of length 33', { addresses: [{ address: V4, length: 33 }] }, 'invalid-field service.addresses[0].length'],
    [
      'a long network',
      { addresses: [{ address: V4, network: 'x'.repeat(1025) }] },
      'over-limit service.addresses[0].network',
    ],
    [
      'too many addresses',
      { addresses: Array.from({ length: 4097 }, () => ({ address: V4 })) },
      'over-limit service.addresses',
    ],
    ['a port 65536', { ports: [{ servicePort: 65536 }] }, 'invalid-field service.ports[0].service_port'],
    ['too many ports', { ports: Array.from({ length: 4097 }, () => ({})) }, 'over-limit service.ports'],
    [
      'too many names',
      { subjectAltNames: Array.from({ length: 1025 }, () => 'x') },
      'over-limit service.subject_alt_names',
    ],
    ['a long subject name', { subjectAltNames: ['x'.repeat(1025)] }, 'over-limit service.subject_alt_names[0]'],
    ['a waypoint without destination', { waypoint: {} }, 'invalid-field service.waypoint.destination'],
    [
      'a weighted waypoint without any',
      { weightedWaypoints: [{}] },
      'invalid-field service.weighted_waypoints[0].destination',
    ],
    [
      'a weighted waypoint without destination',
      { weightedWaypoints: [{ destination: {} }] },
      'invalid-field service.weighted_waypoints[0].destination.destination',
    ],
    [
      'too many waypoints',
      { weightedWaypoints: Array.from({ length: 65 }, () => ({})) },
      'over-limit service.weighted_waypoints',
    ],
    [
      'a waypoint of callers without namespace',
      { extensions: [callers([{ waypoint: { destination: { case: 'address', value: { address: V4 } } } }])] },
      'invalid-field service.extensions.waypoints[0].namespace',
    ],
    [
      'callers without waypoint',
      { extensions: [callers([{ namespace: 'a' }])] },
      'invalid-field service.extensions.waypoints[0].waypoint',
    ],
    [
      'too many callers',
      { extensions: [callers(Array.from({ length: 4097 }, () => ({})))] },
      'over-limit service.extensions.waypoints',
    ],
    [
      'a port without a name',
      { extensions: [portNames([{ servicePort: 80 }])] },
      'invalid-field service.extensions.names[0].name',
    ],
    [
      'a name of a port 65536',
      { extensions: [portNames([{ name: 'http', servicePort: 65_536 }])] },
      'invalid-field service.extensions.names[0].service_port',
    ],
    [
      'too many names of ports',
      { extensions: [portNames(Array.from({ length: 4097 }, () => ({})))] },
      'over-limit service.extensions.names',
    ],
    [
      'an unknown balance mode',
      { loadBalancing: { mode: 4 as never } },
      'unknown-enum-value service.load_balancing.mode',
    ],
    [
      'an unspecified scope',
      { loadBalancing: { routingPreference: [1, 0] } },
      'unknown-enum-value service.load_balancing.routing_preference[1]',
    ],
    [
      'too many scopes',
      { loadBalancing: { routingPreference: Array.from({ length: 17 }, () => 1) } },
      'over-limit service.load_balancing.routing_preference',
    ],
    [
      'an unknown health policy',
      { loadBalancing: { healthPolicy: 2 as never } },
      'unknown-enum-value service.load_balancing.health_policy',
    ],
    ['unknown IP families', { ipFamilies: 4 as never }, 'unknown-enum-value service.ip_families'],
    ['an unknown visibility', { visibility: 2 as never }, 'unknown-enum-value service.visibility'],
  ];
  for (const [name, init, expected] of bad) {
    test(`refuses ${name}`, () =>
      assert.equal(
        wireRefusal(() => parseAddressResource(serviceBytes(init))),
        expected,
      ));
  }
  test('refuses neither a workload nor a service, and what is no message', () => {
    assert.equal(
      wireRefusal(() => parseAddressResource(new Uint8Array(0))),
      'invalid-field address',
    );
    assert.equal(
      wireRefusal(() => parseAddressResource(Uint8Array.of(0x0a, 0x7f))),
      'malformed Address',
    );
    assert.equal(
      wireRefusal(() => parseAddressResource(Uint8Array.of(0x0a, 3, 0x0a, 1, 0xff))),
      'malformed Address',
      'bad UTF-8',
    );
  });
});
