import { buildService } from '@ambit/mesh/testing';
import {
  address,
  allowedTo,
  type AdmissionRow,
  connectionTo,
  OPEN,
  refused400,
  refused503,
  testAdmissions,
} from '../../test/inbound-decision.ts';

const webService = buildService({ ports: ['80:8080', '443:0'] });
const otherNamespaceService = buildService({ namespace: 'other', hostname: webService.hostname, ports: ['80:9090'] });

const rows: readonly AdmissionRow[] = [
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

function bad(authority: string): AdmissionRow {
  return {
    name: `the unparsable authority ${JSON.stringify(authority.slice(0, 30))}`,
    authority,
    expected: refused400('bad-authority'),
  };
}

const hostnameRows: readonly AdmissionRow[] = [
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

testAdmissions('admitInbound()', [...rows, ...hostnameRows]);
