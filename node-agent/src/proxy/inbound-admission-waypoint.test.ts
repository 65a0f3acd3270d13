import { type WaypointRef } from '@ambit/mesh/model';
import { buildService, buildWaypointRef, buildWorkload } from '@ambit/mesh/testing';
import {
  address,
  allowedTo,
  type AdmissionRow,
  client,
  connectionTo,
  denied,
  denyPort,
  key,
  OPEN,
  refused400,
  refused503,
  testAdmissions,
} from '../../test/inbound-decision.ts';

const waypointService = buildService({ name: 'gateway', addresses: ['10.96.0.99'], ports: ['15008:15088'] });
const otherNetworkWaypoint: WaypointRef = {
  destination: { kind: 'address', network: 'net-2', ip: address('10.0.0.1:80').ip },
  hboneMtlsPort: address('10.0.0.1:15008').port,
};

const tunnelRows: readonly AdmissionRow[] = [
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

testAdmissions('admitInbound() of waypoints and application tunnels', tunnelRows);
