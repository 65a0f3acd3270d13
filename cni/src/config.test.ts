import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCidr } from '@ambit/mesh/model';
import { createEnvironment, EnvironmentError } from '@ambit/mesh/runtime';
import { type CniConfig, parseConfig, SETTINGS, usage } from './config.ts';

const required = { AMBIT_MANIFESTS: '/etc/mesh', AMBIT_NODE_NAME: 'host-a' };

test('parseConfig() needs two variables and has a default for the rest', () => {
  const expected = {
    manifests: '/etc/mesh',
    kubernetes: null,
    nodeName: 'host-a',
    netnsDirectory: '/run/netns',
    zdsSocket: '/var/run/ambit/zds.sock',
    stateDirectory: '/var/lib/ambit/cni',
    packetMark: 1337,
    excludedNamespaces: ['kube-system', 'ambit-system'],
    rootNamespace: 'ambit-system',
    meshRanges: [],
    dnsCapture: true,
    graceMs: 0,
    agentUserIds: [],
    removeOnExit: false,
    metricsAddress: { ip: '0.0.0.0', port: 15014 },
    readinessAddress: { ip: '0.0.0.0', port: 8000 },
    logFilter: 'info',
    logFormat: 'text',
  };
  assert.deepEqual(parseConfig(createEnvironment(required)), expected);
});

test('parseConfig() takes every variable of the list', () => {
  const environment = createEnvironment({
    ...required,
    AMBIT_NETNS_DIR: '/netns',
    AMBIT_ZDS_SOCKET: '/zds',
    AMBIT_STATE_DIR: '/state',
    AMBIT_PACKET_MARK: '42',
    AMBIT_EXCLUDED_NAMESPACES: 'a, b',
    AMBIT_ROOT_NAMESPACE: 'mesh',
    AMBIT_MESH_CIDRS: '10.0.0.0/8',
    AMBIT_DNS_CAPTURE: 'false',
    AMBIT_KUBERNETES: 'true',
    AMBIT_CONNECTION_GRACE: '30s',
    AMBIT_PLUGIN_SOCKET: '/cni.sock',
    AMBIT_CNI_PLUGIN: '/plugin',
    AMBIT_CNI_BIN_DIR: '/bin-dir',
    AMBIT_CNI_CONF_DIR: '/conf-dir',
    AMBIT_HOST_PROC: '/host/proc',
    AMBIT_HOST_ROOT: '/',
    AMBIT_POD_NAMESPACE: 'mesh',
    AMBIT_DAEMON_SET: 'mesh-cni',
    AMBIT_AWAY_ADMITS: 'excluded',
    AMBIT_ENROLMENT_TIMEOUT: '2s',
    AMBIT_NODE_AGENT_USERS: '1337,7',
    AMBIT_REMOVE_ON_EXIT: 'true',
    AMBIT_METRICS_ADDRESS: '127.0.0.1:0',
    AMBIT_READINESS_ADDRESS: '[::1]:9',
    AMBIT_LOG_LEVEL: 'warn,zds=debug',
    AMBIT_LOG_FORMAT: 'json',
  });
  assert.deepEqual(new Set(environment.names()), new Set(SETTINGS.map(({ name }) => name)));
  const expected: unknown = {
    manifests: '/etc/mesh',
    kubernetes: {
      podNamespace: 'mesh',
      daemonSet: 'mesh-cni',
      pluginSocket: '/cni.sock',
      plugin: '/plugin',
      binDirectory: '/bin-dir',
      confDirectory: '/conf-dir',
      procDirectory: '/host/proc',
      hostRoot: '',
      awayAdmits: 'excluded',
      enrolmentMs: 2000,
    },
    nodeName: 'host-a',
    netnsDirectory: '/netns',
    zdsSocket: '/zds',
    stateDirectory: '/state',
    packetMark: 42,
    excludedNamespaces: ['a', 'b', 'mesh'],
    rootNamespace: 'mesh',
    meshRanges: [parseCidr('10.0.0.0/8')],
    dnsCapture: false,
    graceMs: 30_000,
    agentUserIds: [1337, 7],
    removeOnExit: true,
    metricsAddress: { ip: '127.0.0.1', port: 0 },
    readinessAddress: { ip: '::1', port: 9 },
    logFilter: 'warn,zds=debug',
    logFormat: 'json',
  };
  const parsed: CniConfig = parseConfig(environment);
  assert.deepEqual(parsed, expected);
});

const refused: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['AMBIT_MANIFESTS', { AMBIT_NODE_NAME: 'a' }],
  ['AMBIT_NODE_NAME', { AMBIT_MANIFESTS: '/a' }],
  ['AMBIT_PACKET_MARK', { ...required, AMBIT_PACKET_MARK: '4096' }],
  ['AMBIT_PACKET_MARK', { ...required, AMBIT_PACKET_MARK: '0' }],
  ['AMBIT_REMOVE_ON_EXIT', { ...required, AMBIT_REMOVE_ON_EXIT: 'yes' }],
  ['AMBIT_NODE_AGENT_USERS', { ...required, AMBIT_NODE_AGENT_USERS: 'root' }],
  ['AMBIT_METRICS_ADDRESS', { ...required, AMBIT_METRICS_ADDRESS: 'localhost:1' }],
  ['AMBIT_LOG_LEVEL', { ...required, AMBIT_LOG_LEVEL: 'loud' }],
  ['AMBIT_NETNS_DIRECTORY', { ...required, AMBIT_NETNS_DIRECTORY: '/x' }],
];

for (const [variable, variables] of refused) {
  test(`parseConfig() names ${variable} when it refuses ${JSON.stringify(variables[variable] ?? null)}`, () => {
    assert.throws(
      () => parseConfig(createEnvironment(variables)),
      (error: unknown) => error instanceof EnvironmentError && error.data['variable'] === variable,
    );
  });
}

test('usage() names every variable and option', () => {
  for (const { name, flag } of SETTINGS) {
    assert.ok(usage().includes(`  ${name} `), name);
    if (flag !== undefined) assert.ok(usage().includes(`--${flag}`), flag);
  }
});
