import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseCidr, parseIpAddress } from '@ambit/mesh/model';
import { createEnvironment, EnvironmentError } from '@ambit/mesh/runtime';
import { parseConfig, SETTINGS } from './config.ts';

const minimal = { AMBIT_NODE_NAME: 'node-1', AMBIT_CONTROLLER_ADDRESS: 'controller:15012' };
const parse = (variables: Readonly<Record<string, string>>): ReturnType<typeof parseConfig> =>
  parseConfig(createEnvironment(variables));

describe('parseConfig()', () => {
  test('needs a name and a controller, and has defaults for the rest', () => {
    assert.deepEqual(parse(minimal), {
      nodeName: 'node-1',
      upstream: {
        kind: 'controller',
        address: 'controller:15012',
        serverName: 'controller.ambit.dev',
        joinTokenFile: undefined,
        bearer: undefined,
        stateDirectory: '/var/lib/ambit/node-agent',
        zdsSocket: '/var/run/ambit/zds.sock',
      },
      meshRanges: [],
      followNodeRanges: false,
      xdsOnDemand: false,
      clusterDomain: 'cluster.local',
      network: '',
      clusterId: 'Kubernetes',
      trustDomains: { own: 'cluster.local', aliases: [] },
      revocationFile: null,
      packetMark: 1337,
      localhostApplicationTunnel: true,
      workers: 1,
      sameNodeEncryption: false,
      adminAddress: { ip: parseIpAddress('127.0.0.1'), port: 15000 },
      metricsAddress: { ip: parseIpAddress('0.0.0.0'), port: 15020 },
      readinessAddress: { ip: parseIpAddress('0.0.0.0'), port: 15021 },
      accessLog: 'stdout',
      logFilter: 'info',
      logFormat: 'text',
      httpMetrics: false,
      certificateTtlMs: 86_400_000,
      terminationDeadlineMs: 5000,
      podConnectionsMax: 65_536,
      podConnectionRate: 10_000,
      podBufferMaxMib: 256,
      podSendRateKib: 0,
      traces: null,
      heapSnapshotDirectory: '',
      aloneTerminationDeadlineMs: 5000,
      slot: 'a',
      handoverDirectory: null,
      dns: {
        naming: { clusterDomain: 'cluster.local', preferredNamespace: '' },
        resolvConf: '/etc/resolv.conf',
      },
    });
  });

  test('needs neither with a local configuration', () => {
    const config = parse({
      AMBIT_LOCAL_CONFIG: '/etc/ambit/mesh.json',
      AMBIT_MESH_CIDRS: '10.0.0.0/8, fd00::/8',
      AMBIT_FOLLOW_NODE_RANGES: 'true',
      AMBIT_ADMIN_ADDRESS: '[::1]:0',
    });
    assert.deepEqual(config.upstream, { kind: 'local', file: '/etc/ambit/mesh.json' });
    assert.deepEqual(config.meshRanges, [parseCidr('10.0.0.0/8'), parseCidr('fd00::/8')]);
    assert.equal(config.followNodeRanges, true);
    assert.deepEqual(config.adminAddress, { ip: parseIpAddress('::1'), port: 0 });
  });

  test('takes a token together with the roots of whom it is shown to', () => {
    const files = { AMBIT_TOKEN_FILE: '/t', AMBIT_CONTROLLER_ROOT_FILE: '/r' };
    const { upstream } = parse({ ...minimal, ...files });
    assert.ok(upstream.kind === 'controller');
    assert.deepEqual(upstream.bearer, { tokenFile: '/t', rootFile: '/r' });
  });

  const refused: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['AMBIT_CONTROLLER_ADDRESS', { AMBIT_NODE_NAME: 'n' }],
    ['AMBIT_CONTROLLER_ADDRESS', { ...minimal, AMBIT_CONTROLLER_ADDRESS: 'controller' }],
    ['AMBIT_CONTROLLER_ADDRESS', { ...minimal, AMBIT_CONTROLLER_ADDRESS: 'https://controller:15012' }],
    ['AMBIT_CONTROLLER_ADDRESS', { ...minimal, AMBIT_CONTROLLER_ADDRESS: '::1:15012' }],
    ['AMBIT_CONTROLLER_ADDRESS', { ...minimal, AMBIT_CONTROLLER_ADDRESS: 'controller:0' }],
    ['AMBIT_CONTROLLER_ADDRESS', { ...minimal, AMBIT_CONTROLLER_ADDRESS: 'controller:65536' }],
    ['AMBIT_CONTROLLER_ROOT_FILE', { ...minimal, AMBIT_TOKEN_FILE: '/t' }],
    ['AMBIT_TOKEN_FILE', { ...minimal, AMBIT_CONTROLLER_ROOT_FILE: '/r' }],
    ['AMBIT_NODE_NAME', { AMBIT_CONTROLLER_ADDRESS: 'c:1' }],
    ['AMBIT_MESH_CIDRS', { ...minimal, AMBIT_MESH_CIDRS: '10.0.0.0/33' }],
    ['AMBIT_TRUST_DOMAIN', { ...minimal, AMBIT_TRUST_DOMAIN: 'Not.Lower' }],
    ['AMBIT_PACKET_MARK', { ...minimal, AMBIT_PACKET_MARK: '4096' }],
    ['AMBIT_PACKET_MARK', { ...minimal, AMBIT_PACKET_MARK: '0' }],
    ['AMBIT_WORKERS', { ...minimal, AMBIT_WORKERS: '0' }],
    ['AMBIT_POD_BUFFER_MAX', { ...minimal, AMBIT_POD_BUFFER_MAX: '0' }],
    ['AMBIT_TRACE_ENDPOINT', { ...minimal, AMBIT_TRACE_ENDPOINT: 'collector:4318' }],
    ['AMBIT_TRACE_SAMPLING', { ...minimal, AMBIT_TRACE_SAMPLING: '100.1' }],
    ['AMBIT_TRACE_SAMPLING', { ...minimal, AMBIT_TRACE_SAMPLING: '1%' }],
    ['AMBIT_TRACE_ENDPOINT', { ...minimal, AMBIT_TRACE_ENDPOINT: 'http://me:secret@collector/v1/traces' }],
    ['AMBIT_ADMIN_ADDRESS', { ...minimal, AMBIT_ADMIN_ADDRESS: 'localhost:15000' }],
    ['AMBIT_ACCESS_LOG', { ...minimal, AMBIT_ACCESS_LOG: 'relative.log' }],
    ['AMBIT_LOG_LEVEL', { ...minimal, AMBIT_LOG_LEVEL: 'loud' }],
    ['AMBIT_LOG_FORMAT', { ...minimal, AMBIT_LOG_FORMAT: 'xml' }],
    ['AMBIT_TERMINATION_DEADLINE', { ...minimal, AMBIT_TERMINATION_DEADLINE: '5' }],
    ['AMBIT_TYPO', { ...minimal, AMBIT_TYPO: 'x' }],
  ];
  for (const [variable, variables] of refused) {
    test(`names ${variable} when it cannot be used`, () => {
      assert.throws(
        () => parse(variables),
        (error) => error instanceof EnvironmentError && error.data['variable'] === variable,
      );
    });
  }

  test('says what a name that is missing is of', () => {
    assert.throws(
      () => parse({ AMBIT_CONTROLLER_ADDRESS: 'c:1' }),
      (error) => error instanceof EnvironmentError && error.data['expected'] === 'the name of this node',
    );
  });

  test('reads every setting that is documented', () => {
    for (const { name, fallback } of SETTINGS) {
      // A known variable that is empty counts as absent; an unknown one is refused.
      assert.doesNotThrow(
        () => parse({ ...minimal, [name]: name in minimal ? 'x:1' : fallback === '' ? '' : fallback }),
        name,
      );
    }
  });
});
