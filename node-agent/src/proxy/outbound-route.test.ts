import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type LoadBalancing,
  type MeshViewUpdate,
  EXTERNAL_PLACE,
  parseCidr,
  parsePort,
  parseSocketAddress,
  parseWorkloadUid,
  type Service,
  type Workload,
} from '@ambit/mesh/model';
import { buildService, buildWorkload } from '@ambit/mesh/testing';
import { backing, client, decide, endpoint, hbone, identity, service } from '../../test/outbound-decision.ts';

const web = buildWorkload({ addresses: ['10.0.0.1', 'fd00::1'] });
const legacy = buildWorkload({ name: 'legacy', addresses: ['10.0.0.2'], tunnelProtocol: 'none' });

describe('decideOutbound() for an address', () => {
  test('of an enrolled workload opens a tunnel to it as exactly that workload', () => {
    assert.deepEqual(decide({ workloads: [web] }, '10.0.0.1:8080'), {
      kind: 'direct-hbone',
      workload: web,
      hboneAddress: hbone('10.0.0.1'),
      authority: '10.0.0.1:8080',
      expectedIdentities: [identity('web')],
    });
  });

  test('of a dual-stack workload goes to the very address that was dialled', () => {
    assert.deepEqual(decide({ workloads: [web] }, '[fd00::1]:8080'), {
      kind: 'direct-hbone',
      workload: web,
      hboneAddress: hbone('fd00::1'),
      authority: '[fd00::1]:8080',
      expectedIdentities: [identity('web')],
    });
  });

  test('of a workload that is not enrolled is plain TCP', () => {
    assert.deepEqual(decide({ workloads: [legacy] }, '10.0.0.2:8080'), {
      kind: 'direct-tcp',
      address: parseSocketAddress('10.0.0.2:8080'),
      workload: legacy,
    });
  });

  test('outside the mesh is refused when egress is locked, unless it is allowed', () => {
    const allowed = [{ block: parseCidr('203.0.113.0/24'), ports: [parsePort(443)] }];
    const locked = (egress: Workload['egress'], to: string, world: MeshViewUpdate = {}): string => {
      const route = decide(world, to, { source: { ...client, ...(egress === undefined ? {} : { egress }) } });
      return route.kind === 'refused' ? route.reason : route.kind;
    };
    assert.deepEqual(
      [
        locked({ allowed: [] }, '203.0.113.5:443'),
        locked({ allowed }, '203.0.113.5:443'),
        locked({ allowed }, '203.0.113.5:80'),
        locked({ allowed }, '198.51.100.5:443'),
        // What the mesh knows is not outside, and what is inside its ranges is waited for as ever.
        locked({ allowed: [] }, '198.51.100.5:443', {
          workloads: [buildWorkload({ name: 'far', addresses: ['198.51.100.5'], tunnelProtocol: 'none' })],
        }),
        locked({ allowed: [] }, '10.0.0.77:443'),
      ],
      ['egress-locked', 'passthrough', 'egress-locked', 'egress-locked', 'direct-tcp', 'wait'],
    );
  });

  test('of a place of an ExternalService is called on its ports where egress is locked, by who may see it', () => {
    const place: Workload = {
      ...buildWorkload({
        name: 'api',
        addresses: ['198.51.100.5'],
        tunnelProtocol: 'none',
        services: { 'shop/api.example.com': ['443:8443'] },
      }),
      uid: parseWorkloadUid(`c1${EXTERNAL_PLACE}shop/api/198.51.100.5`),
    };
    const api = buildService({ hostname: 'api.example.com', addresses: ['240.240.0.7'], ports: ['443:8443'] });
    const from = (namespace: string, to: string, visibility: Service['visibility']): string => {
      const world: MeshViewUpdate = { workloads: [place], services: [{ ...api, visibility }] };
      const route = decide(world, to, { source: { ...client, namespace, egress: { allowed: [] } } });
      return route.kind === 'refused' ? route.reason : route.kind;
    };
    assert.deepEqual(
      [
        from('shop', '198.51.100.5:8443', 'namespace'),
        from('shop', '198.51.100.5:443', 'namespace'),
        from('other', '198.51.100.5:8443', 'namespace'),
        from('other', '198.51.100.5:8443', 'public'),
        from('shop', '240.240.0.7:443', 'namespace'),
        from('other', '240.240.0.7:443', 'namespace'),
      ],
      ['direct-tcp', 'egress-locked', 'egress-locked', 'direct-tcp', 'direct-tcp', 'egress-locked'],
    );
  });

  test('outside the mesh passes through', () => {
    assert.deepEqual(decide({}, '203.0.113.5:443'), {
      kind: 'passthrough',
      address: parseSocketAddress('203.0.113.5:443'),
    });
  });

  test('inside the mesh but unknown waits, then is refused', () => {
    for (const destination of ['10.0.0.77:80', '[fd00::77]:80']) {
      assert.deepEqual(decide({}, destination), { kind: 'wait', for: 'destination' });
      assert.deepEqual(decide({}, destination, { waited: true }), { kind: 'refused', reason: 'unknown-destination' });
    }
  });

  test('inside a range that was pushed is inside the mesh, in the network of the caller', () => {
    const own = { name: 'Node/n1', network: '', blocks: [parseCidr('192.0.2.0/24')] };
    const far = { name: 'Node/n2', network: 'far', blocks: [parseCidr('198.51.100.0/24')] };
    const world = { ranges: [own, far] };
    assert.deepEqual(decide(world, '192.0.2.9:80'), { kind: 'wait', for: 'destination' });
    assert.deepEqual(decide(world, '192.0.2.9:80', { meshRanges: [], waited: true }), {
      kind: 'refused',
      reason: 'unknown-destination',
    });
    assert.equal(decide(world, '198.51.100.9:80').kind, 'passthrough');
  });

  test('of a workload on the host network is unknown: nobody is found by the address of a node', () => {
    const onHost = buildWorkload({ name: 'agent', addresses: ['10.0.0.3'], networkMode: 'host-network' });
    assert.deepEqual(decide({ workloads: [onHost] }, '10.0.0.3:80'), { kind: 'wait', for: 'destination' });
  });

  test('of another network is unknown', () => {
    const far = buildWorkload({ addresses: ['10.0.0.3'], network: 'far' });
    assert.deepEqual(decide({ workloads: [far] }, '10.0.0.3:80', { waited: true }), {
      kind: 'refused',
      reason: 'unknown-destination',
    });
  });

  test('from an unknown source waits, then is refused, wherever it goes', () => {
    for (const destination of ['10.0.0.1:80', '203.0.113.5:443']) {
      assert.deepEqual(decide({ workloads: [web] }, destination, { source: undefined }), {
        kind: 'wait',
        for: 'source',
      });
      assert.deepEqual(decide({ workloads: [web] }, destination, { source: undefined, waited: true }), {
        kind: 'refused',
        reason: 'unknown-source',
      });
    }
  });

  for (const port of [15001, 15006, 15008]) {
    test(`that leads back to the agent's own port ${port} is refused`, () => {
      for (const destination of [`127.0.0.1:${port}`, `[::1]:${port}`, `10.0.0.9:${port}`, `[fd00::9]:${port}`]) {
        assert.deepEqual(decide({}, destination), { kind: 'refused', reason: 'illegal-port' });
      }
      assert.deepEqual(decide({}, `127.0.0.1:${port}`, { source: undefined }), {
        kind: 'refused',
        reason: 'illegal-port',
      });
    });
  }

  test("at another pod's port 15008 is that pod's affair", () => {
    assert.equal(decide({ workloads: [web] }, '10.0.0.1:15008').kind, 'direct-hbone');
  });
});

describe('decideOutbound() for a service', () => {
  test('goes to an endpoint on its target port, as the workload or what the service claims to be', () => {
    const claimed = buildService({
      subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/alias', 'not an identity', identity('web')],
    });
    const one = buildWorkload({ services: backing });
    assert.deepEqual(decide({ services: [claimed], workloads: [one] }, '10.96.0.1:80'), {
      kind: 'direct-hbone',
      workload: one,
      hboneAddress: hbone('10.0.0.1'),
      authority: '10.0.0.1:8080',
      expectedIdentities: [identity('web'), identity('alias')],
      service: claimed,
    });
  });

  test('wins over a workload at the same address', () => {
    const shadow = buildWorkload({ name: 'shadow', addresses: ['10.96.0.1'] });
    const route = decide({ services: [service], workloads: [shadow, endpoint('a')] }, '10.96.0.1:80');
    assert.equal('workload' in route && route.workload?.name, 'a');
  });

  test('prefers the address family that was dialled, else takes what the endpoint has', () => {
    const dual = buildService({ addresses: ['10.96.0.1', 'fd00:96::1'] });
    const both = endpoint('a', { addresses: ['10.0.0.1', 'fd00::1'] });
    const only4 = endpoint('a', { addresses: ['10.0.0.1'] });
    const address = (world: MeshViewUpdate, destination: string): unknown => {
      const route = decide(world, destination);
      return route.kind === 'direct-hbone' && [route.hboneAddress.ip, route.authority];
    };
    assert.deepEqual(address({ services: [dual], workloads: [both] }, '[fd00:96::1]:80'), [
      'fd00::1',
      '[fd00::1]:8080',
    ]);
    assert.deepEqual(address({ services: [dual], workloads: [both] }, '10.96.0.1:80'), ['10.0.0.1', '10.0.0.1:8080']);
    assert.deepEqual(address({ services: [dual], workloads: [only4] }, '[fd00:96::1]:80'), [
      '10.0.0.1',
      '10.0.0.1:8080',
    ]);
  });

  test('reaches its endpoint at an address of a family that the service has', () => {
    const both = buildWorkload({ addresses: ['10.0.0.1', 'fd00::1'], services: backing });
    const rows = [
      ['automatic', '10.96.0.1:80', '10.0.0.1'],
      ['dual', '[fd00:96::1]:80', 'fd00::1'],
      ['ipv6-only', '10.96.0.1:80', 'fd00::1'],
      ['ipv4-only', '[fd00:96::1]:80', '10.0.0.1'],
    ] as const;
    for (const [ipFamilies, destination, ip] of rows) {
      const to = buildService({ addresses: ['10.96.0.1', 'fd00:96::1'], ipFamilies });
      const route = decide({ services: [to], workloads: [both] }, destination);
      assert.equal(route.kind === 'direct-hbone' && route.hboneAddress.ip, ip);
    }
    const only6 = buildService({ ipFamilies: 'ipv6-only' });
    const only4 = buildWorkload({ services: backing, hostname: 'not.asked.example' });
    assert.deepEqual(decide({ services: [only6], workloads: [only4] }, '10.96.0.1:80'), {
      kind: 'refused',
      reason: 'no-address',
      service: only6,
    });
  });

  test('of a block is meant where nobody has the address: in the own namespace, then of the longest prefix', () => {
    const block = (name: string, cidr: string, namespace = 'other'): Service =>
      buildService({ name, namespace, addresses: [cidr], loadBalancing: passthrough });
    const passthrough: LoadBalancing = { mode: 'passthrough', routingPreference: [], healthPolicy: 'only-healthy' };
    const wide = block('wide', '203.0.0.0/16', 'shop');
    const narrow = block('narrow', '203.0.113.0/24');
    const narrowest = block('narrowest', '203.0.113.8/29');
    const exact = buildService({
      name: 'exact',
      namespace: 'other',
      addresses: ['203.0.113.9'],
      loadBalancing: passthrough,
    });
    const meant = (services: readonly Service[], workloads: readonly Workload[] = []): unknown => {
      const route = decide({ services, workloads }, '203.0.113.9:443');
      return route.kind === 'passthrough' ? route.service?.name : route.kind;
    };
    assert.equal(meant([narrow, narrowest]), 'narrowest');
    assert.equal(meant([narrow, narrowest, wide]), 'wide');
    assert.equal(meant([narrow, narrowest, wide, exact]), 'exact');
    const pod = buildWorkload({ name: 'pod', addresses: ['203.0.113.9'] });
    assert.equal(meant([narrow, narrowest, wide], [pod]), 'direct-hbone');
    assert.equal(meant([exact], [pod]), 'exact');
  });

  test('reaches an endpoint that is not enrolled in plain TCP on the target port', () => {
    const plain = endpoint('a', { tunnelProtocol: 'none', addresses: ['10.0.0.5'] });
    assert.deepEqual(decide({ services: [service], workloads: [plain] }, '10.96.0.1:80'), {
      kind: 'direct-tcp',
      address: parseSocketAddress('10.0.0.5:8080'),
      workload: plain,
      service,
    });
  });

  test('that only its own namespace may see is not there for others', () => {
    const hidden = buildService({ namespace: 'other', visibility: 'namespace' });
    assert.deepEqual(decide({ services: [hidden] }, '10.96.0.1:80'), { kind: 'wait', for: 'destination' });
  });

  const refusals: readonly (readonly [string, Service, readonly Workload[], string, string])[] = [
    ['without endpoints', service, [], '10.96.0.1:80', 'no-healthy-endpoint'],
    [
      'with unhealthy endpoints only',
      service,
      [endpoint('a', { status: 'unhealthy' })],
      '10.96.0.1:80',
      'no-healthy-endpoint',
    ],
    [
      'with endpoints of capacity 0 only',
      service,
      [endpoint('a', { capacity: 0 })],
      '10.96.0.1:80',
      'no-healthy-endpoint',
    ],
    ['at a port it does not have', service, [endpoint('a')], '10.96.0.1:81', 'no-service-port'],
    [
      'whose endpoints are in another network',
      service,
      [endpoint('a', { network: 'far' })],
      '10.96.0.1:80',
      'no-network-gateway',
    ],
    ['whose endpoint has no address', service, [endpoint('a', { addresses: [] })], '10.96.0.1:80', 'no-address'],
    [
      'whose endpoint does not map the port',
      buildService({ ports: ['80:0'] }),
      [endpoint('a', { services: { [service.key]: ['81:1'] } })],
      '10.96.0.1:80',
      'no-healthy-endpoint',
    ],
  ];
  for (const [name, to, workloads, destination, reason] of refusals) {
    test(`${name} is refused`, () => {
      assert.deepEqual(decide({ services: [to], workloads }, destination), { kind: 'refused', reason, service: to });
    });
  }

  test('that publishes unready endpoints uses them', () => {
    const balancing: LoadBalancing = { mode: 'unspecified', routingPreference: [], healthPolicy: 'allow-all' };
    const ready = buildService({ loadBalancing: balancing });
    assert.equal(
      decide({ services: [ready], workloads: [endpoint('a', { status: 'unhealthy' })] }, '10.96.0.1:80').kind,
      'direct-hbone',
    );
  });

  test('in passthrough mode goes where the application wanted', () => {
    const through = buildService({
      loadBalancing: { mode: 'passthrough', routingPreference: [], healthPolicy: 'only-healthy' },
    });
    assert.deepEqual(decide({ services: [through] }, '10.96.0.1:80'), {
      kind: 'passthrough',
      address: parseSocketAddress('10.96.0.1:80'),
      service: through,
    });
  });

  test('finds a port that only its endpoints name, and leaves the port of an application tunnel to the agent there', () => {
    const headless = buildService({ ports: [] });
    assert.equal(decide({ services: [headless], workloads: [endpoint('a')] }, '10.96.0.1:80').kind, 'direct-hbone');
    const open = buildService({ ports: ['80:0'] });
    const tunnelled = endpoint('a', {
      services: { [service.key]: [] },
      applicationTunnel: { protocol: 'proxy', port: 15088 },
    });
    const route = decide({ services: [open], workloads: [tunnelled] }, '10.96.0.1:80');
    assert.equal(route.kind === 'direct-hbone' && route.authority, '10.0.1.1:80');
  });
});
