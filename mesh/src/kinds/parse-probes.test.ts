import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Pod } from './objects.ts';
import { parseObject } from './parse-object.ts';

type Json = Readonly<Record<string, unknown>>;

function probesOf(spec: Json): Pod['probes'] {
  const pod = parseObject({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a', namespace: 'shop' },
    spec,
    status: { podIPs: [{ ip: '10.0.0.1' }] },
  });
  return pod?.kind === 'Pod' ? pod.probes : assert.fail('not a pod');
}

const readiness = (probe: Json, ports: readonly Json[] = []): Json => ({
  containers: [{ name: 'c', ports, readinessProbe: probe }],
});

describe('parseProbes()', () => {
  const named = [
    { name: 'metrics', containerPort: 9090 },
    { name: 'http', containerPort: 8080 },
  ];
  const rows: readonly [what: string, spec: Json, expected: readonly Json[]][] = [
    ['no containers', {}, []],
    ['a command', readiness({ exec: { command: ['true'] } }), []],
    [
      'HTTP with defaults',
      readiness({ httpGet: { port: 80 } }),
      [{ kind: 'http', port: 80, timeoutMs: 1000, target: '/', secure: false, headers: [] }],
    ],
    [
      'HTTP with everything',
      readiness(
        {
          timeoutSeconds: 5,
          httpGet: {
            path: '/a b?x=1',
            port: 'http',
            host: '10.0.0.1',
            scheme: 'HTTPS',
            httpHeaders: [{ name: 'X-Token', value: ' t ' }, { name: 'Host' }],
          },
        },
        named,
      ),
      [
        {
          kind: 'http',
          port: 8080,
          timeoutMs: 5000,
          target: '/a%20b?x=1',
          secure: true,
          headers: [
            { name: 'x-token', value: 't' },
            { name: 'host', value: '' },
          ],
        },
      ],
    ],
    ['TCP', readiness({ tcpSocket: { port: '5432' } }), [{ kind: 'tcp', port: 5432, timeoutMs: 1000 }]],
    [
      'gRPC',
      readiness({ grpc: { port: 9000, service: 'live' }, timeoutSeconds: 90_000 }),
      [{ kind: 'grpc', port: 9000, timeoutMs: 60_000, service: 'live' }],
    ],
    [
      'gRPC of the whole server',
      readiness({ grpc: { port: 9000, service: null } }),
      [{ kind: 'grpc', port: 9000, timeoutMs: 1000, service: '' }],
    ],
    ['a port name that the container does not have', readiness({ tcpSocket: { port: 'other' } }, named), []],
    ['a port beyond the last', readiness({ tcpSocket: { port: '70000' } }), []],
    ['another host', readiness({ httpGet: { port: 80, host: '127.0.0.1' } }), []],
    ['a host by name', readiness({ tcpSocket: { port: 80, host: 'localhost' } }), []],
    ['a path beyond the limit', readiness({ httpGet: { port: 80, path: `/${'x'.repeat(2048)}` } }), []],
    [
      'a header beyond ASCII',
      readiness({ httpGet: { port: 80, httpHeaders: [{ name: 'A', value: 'größe ≥ 1' }] } }),
      [
        {
          kind: 'http',
          port: 80,
          timeoutMs: 1000,
          target: '/',
          secure: false,
          headers: [{ name: 'a', value: 'größe ≥ 1' }],
        },
      ],
    ],
    [
      'a header that splits the request',
      readiness({ httpGet: { port: 80, httpHeaders: [{ name: 'a', value: 'b\r\nc: d' }] } }),
      [],
    ],
    [
      'all containers, sidecars and all three probes, equal ones once with the longest timeout',
      {
        containers: [
          {
            name: 'a',
            startupProbe: { tcpSocket: { port: 1 }, timeoutSeconds: 9 },
            readinessProbe: { tcpSocket: { port: 2 } },
            livenessProbe: { tcpSocket: { port: 1 } },
          },
        ],
        initContainers: [{ name: 'side', restartPolicy: 'Always', readinessProbe: { grpc: { port: 3 } } }],
      },
      [
        { kind: 'tcp', port: 1, timeoutMs: 9000 },
        { kind: 'tcp', port: 2, timeoutMs: 1000 },
        { kind: 'grpc', port: 3, timeoutMs: 1000, service: '' },
      ],
    ],
  ];
  for (const [what, spec, expected] of rows) {
    test(what, () => assert.deepEqual(JSON.parse(JSON.stringify(probesOf(spec))), expected));
  }

  test('takes no more than its limit of a pod', () => {
    const containers = Array.from({ length: 100 }, (_, port) => ({
      readinessProbe: { tcpSocket: { port: port + 1 } },
    }));
    assert.equal(probesOf({ containers }).length, 64);
  });

  for (const [what, probe, field] of [
    ['a probe that is no object', 5, 'spec.containers[0].readinessProbe'],
    ['a port of another type', { httpGet: { port: true } }, 'spec.containers[0].readinessProbe.httpGet.port'],
    ['no port', { tcpSocket: {} }, 'spec.containers[0].readinessProbe.tcpSocket.port'],
    ['a path of another type', { httpGet: { port: 1, path: 5 } }, 'spec.containers[0].readinessProbe.httpGet.path'],
  ] as const) {
    test(`names the field of ${what}`, () =>
      assert.throws(
        () => probesOf({ containers: [{ readinessProbe: probe }] }),
        (error) => error instanceof Error && error.message.startsWith(`${field} `),
      ));
  }
});

test('parseObject reads the internal addresses and pod ranges of a node', () => {
  const node = parseObject({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n' },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'] },
    status: {
      addresses: [
        { type: 'InternalIP', address: '192.0.2.1' },
        { type: 'ExternalIP', address: '198.51.100.1' },
        { type: 'InternalIP', address: '2001:DB8::1' },
        { type: 'Hostname', address: 'n' },
      ],
    },
  });
  assert.ok(node?.kind === 'Node');
  assert.deepEqual(node.addresses, ['192.0.2.1', '2001:db8::1']);
  assert.deepEqual(
    node.podCidrs.map(({ prefixLength }) => prefixLength),
    [24, 64],
  );
});
