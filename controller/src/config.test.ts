import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEnvironment, EnvironmentError, UsageError } from '@ambit/mesh/runtime';
import { describeConfig, parseCommand, USAGE } from './config.ts';

const NOTHING = createEnvironment({});
const RUN = ['--manifests', 'm', '--state', 's'];

test('parseCommand fills in what a run leaves out', () => {
  const command = parseCommand(RUN, NOTHING);
  assert.deepEqual(command, {
    kind: 'run',
    config: {
      manifestsDirectory: 'm',
      kubernetes: null,
      stateDirectory: 's',
      listen: { ip: '127.0.0.1', port: 15012 },
      metricsListen: { ip: '127.0.0.1', port: 15014 },
      healthListen: { ip: '127.0.0.1', port: 8080 },
      debugListen: { ip: '127.0.0.1', port: 15016 },
      kubernetesListen: null,
      serverNames: [],
      mesh: {
        clusterId: 'Kubernetes',
        clusterDomain: 'cluster.local',
        trustDomain: 'cluster.local',
        rootNamespace: 'ambit-system',
        defaultNetwork: '',
        excludedNamespaces: ['kube-system', 'ambit-system'],
      },
      logFilter: 'info',
      logFormat: 'text',
    },
  });
});

test('parseCommand takes every option and variable', () => {
  const environment = createEnvironment({
    AMBIT_CLUSTER_ID: 'c1',
    AMBIT_CLUSTER_DOMAIN: 'example.org',
    AMBIT_TRUST_DOMAIN: 'td',
    AMBIT_ROOT_NAMESPACE: 'root',
    AMBIT_NETWORK: 'net',
    AMBIT_EXCLUDED_NAMESPACES: 'a, b',
    AMBIT_SERVER_NAMES: 'controller.example.org,FD00::1',
    AMBIT_LOG_LEVEL: 'debug,xds=info',
    AMBIT_LOG_FORMAT: 'json',
    HOME: '/nowhere',
  });
  const addresses = [
    '--listen',
    '[fd00::1]:1',
    '--metrics',
    '0.0.0.0:0',
    '--health',
    '127.0.0.1:3',
    '--debug',
    '[::1]:0',
  ];
  const command = parseCommand([...RUN, ...addresses], environment);
  assert.deepEqual(command.kind === 'run' && describeConfig(command.config), {
    manifestsDirectory: 'm',
    kubernetes: null,
    stateDirectory: 's',
    listen: '[fd00::1]:1',
    metricsListen: '0.0.0.0:0',
    healthListen: '127.0.0.1:3',
    debugListen: '[::1]:0',
    admissionListen: null,
    peersListen: null,
    serverNames: ['controller.example.org', 'fd00::1'],
    mesh: {
      clusterId: 'c1',
      clusterDomain: 'example.org',
      trustDomain: 'td',
      rootNamespace: 'root',
      defaultNetwork: 'net',
      excludedNamespaces: ['a', 'b'],
    },
    logFilter: 'debug,xds=info',
    logFormat: 'json',
  });
});

test('parseCommand reads what a controller on Kubernetes is told, and listens at all addresses', () => {
  const run = parseCommand(['--kubernetes', '--state', 's'], NOTHING);
  const config = run.kind === 'run' ? run.config : assert.fail();
  assert.deepEqual(config.kubernetes, {
    namespace: 'ambit-system',
    podName: 'controller',
    audiences: ['ambit-ca'],
    nodeAgentAccounts: ['ambit-system/ambit-node-agent'],
    caSecret: null,
    caDirectory: null,
    startupTaint: false,
    waypoints: null,
  });
  assert.equal(config.manifestsDirectory, null);
  const { listen, metricsListen, healthListen, debugListen, admissionListen, peersListen } = describeConfig(config);
  assert.deepEqual(
    [listen, metricsListen, healthListen, debugListen, admissionListen, peersListen],
    ['[::]:15012', '[::]:15014', '[::]:8080', '127.0.0.1:15016', '[::]:15017', '[::]:15018'],
  );
  assert.deepEqual(config.serverNames, [
    'ambit-controller.ambit-system.svc',
    'ambit-controller.ambit-system',
    'ambit-controller.ambit-system.svc.cluster.local',
  ]);
});

test('parseCommand takes every variable of Kubernetes, and adds what Istio expects when it is to be compatible', () => {
  const environment = createEnvironment({
    AMBIT_POD_NAMESPACE: 'mesh',
    AMBIT_POD_NAME: 'controller-7',
    AMBIT_CA_SECRET: 'company-ca',
    AMBIT_CA_DIRECTORY: '/ca',
    AMBIT_STARTUP_TAINT: 'true',
    AMBIT_WAYPOINT_IMAGE: 'registry.test/ambit/waypoint:1',
    AMBIT_WAYPOINT_IMAGE_PULL_POLICY: 'Always',
    AMBIT_WAYPOINT_PULL_SECRETS: 'a,b',
    AMBIT_WAYPOINT_REPLICAS_MIN: '3',
    AMBIT_WAYPOINT_REPLICAS_MAX: '4',
    AMBIT_WAYPOINT_RESOURCES: '{"requests":{"cpu":"1"}}',
    AMBIT_WAYPOINT_WORKERS: '2',
    AMBIT_WAYPOINT_ACCESS_LOG: 'off',
    AMBIT_WAYPOINT_FORWARD_CLIENT_CERT: 'set',
    AMBIT_WAYPOINT_TRUST_DOMAIN_ALIASES: 'old.local, older.local',
    AMBIT_WAYPOINT_TERMINATION_DEADLINE: '1m',
    AMBIT_ISTIO_COMPATIBILITY: 'true',
    AMBIT_CLUSTER_DOMAIN: 'c.org',
  });
  const args = ['--kubernetes', '--manifests', 'm', '--state', 's', '--listen', '127.0.0.1:0'];
  const run = parseCommand(args, environment);
  const config = run.kind === 'run' ? run.config : assert.fail();
  assert.deepEqual(config.kubernetes, {
    namespace: 'mesh',
    podName: 'controller-7',
    audiences: ['ambit-ca', 'istio-ca'],
    nodeAgentAccounts: ['mesh/ambit-node-agent', 'istio-system/ztunnel'],
    caSecret: 'company-ca',
    caDirectory: '/ca',
    startupTaint: true,
    waypoints: {
      image: 'registry.test/ambit/waypoint:1',
      imagePullPolicy: 'Always',
      imagePullSecrets: ['a', 'b'],
      replicas: { min: 3, max: 4 },
      resources: { requests: { cpu: '1' } },
      workers: 2,
      accessLog: 'off',
      forwardClientCert: 'set',
      trustDomainAliases: ['old.local', 'older.local'],
      terminationDeadlineMs: 60_000,
    },
  });
  assert.deepEqual([config.manifestsDirectory, config.listen], ['m', { ip: '127.0.0.1', port: 0 }]);
  assert.ok(config.serverNames.includes('istiod.istio-system.svc.c.org'));
  const own = createEnvironment({ AMBIT_NODE_AGENT_ACCOUNTS: 'a/b, c/d' });
  const other = parseCommand(['--kubernetes', '--state', 's'], own);
  assert.deepEqual(other.kind === 'run' && other.config.kubernetes?.nodeAgentAccounts, ['a/b', 'c/d']);
});

test('parseCommand reads the commands for operators', () => {
  assert.deepEqual(parseCommand(['token', '--state', 's', '--node', 'host-a'], NOTHING), {
    kind: 'token',
    stateDirectory: 's',
    node: 'host-a',
  });
  assert.deepEqual(parseCommand(['token', '--state', 's', '--node', 'host-a', '--valid', '90s'], NOTHING), {
    kind: 'token',
    stateDirectory: 's',
    node: 'host-a',
    validityMs: 90_000,
  });
  assert.deepEqual(parseCommand(['revoke', '--node', 'host-a', '--state', 's'], NOTHING), {
    kind: 'revoke',
    stateDirectory: 's',
    node: 'host-a',
  });
  const inCluster = parseCommand(['revoke', '--kubernetes', '--certificate', '-'], NOTHING);
  assert.ok(inCluster.kind === 'revoke-on-kubernetes');
  assert.deepEqual([inCluster.certificateFile, inCluster.kubernetes.namespace], ['-', 'ambit-system']);
  assert.deepEqual(parseCommand(['revoke', '--certificate', 'web.pem', '--state', 's'], NOTHING), {
    kind: 'revoke-certificate',
    stateDirectory: 's',
    certificateFile: 'web.pem',
  });
});

test('parseCommand refuses wrong arguments in words', () => {
  const cases: [readonly string[], RegExp][] = [
    [[], /--state is missing: expected a directory/],
    [['--state', 's'], /--manifests is missing: expected a directory of manifests/],
    [
      [...RUN, '--nodde', 'a'],
      /^--nodde is not a known option: expected one of --manifests, .*--node, --certificate, --valid, --kubernetes$/,
    ],
    [['--state', '--manifests', 'm'], /^--state has no value: expected --state VALUE/],
    [[...RUN, '--certificate', 'a'], /--certificate goes with revoke only/],
    [['revoke', '--state', 's', '--node', 'a', '--certificate', 'b'], /--certificate does not go with --node/],
    [['revoke', '--kubernetes'], /--certificate is missing: expected a file/],
    [['revoke', '--kubernetes', '--node', 'a'], /--node does not go with --kubernetes/],
    [['revoke', '--kubernetes', '--state', 's', '--certificate', 'a'], /--state does not go with revoke --kubernetes/],
    [[...RUN, '--node', 'a'], /--node goes with token and revoke only/],
    [[...RUN, '--listen', '127.0.0.1'], /--listen "127\.0\.0\.1" is not IP:PORT/],
    [[...RUN, '--listen', 'localhost:1'], /is not IP:PORT/],
    [[...RUN, '--admission', '127.0.0.1:0'], /--admission goes with --kubernetes only/],
    [[...RUN, '--peers', '127.0.0.1:0'], /--peers goes with --kubernetes only/],
    [['token', '--kubernetes', '--state', 's', '--node', 'a'], /--kubernetes does not go with token/],
    [['start', ...RUN], /unknown command "start"/],
    [['token', 'x', ...RUN], /unexpected argument "x"/],
    [['token', '--state', 's'], /--node is missing/],
    [['token', '--state', 's', '--node', 'a', '--valid', 'soon'], /--valid "soon" is not a duration/],
    [[...RUN, '--valid', '1m'], /--valid goes with token only/],
    [['token', '--state', 's', '--node', 'a/b'], /--node "a\/b" is not the name of a node/],
  ];
  for (const [args, message] of cases) {
    assert.throws(
      () => parseCommand(args, NOTHING),
      (error) => error instanceof UsageError && message.test(error.message),
      args.join(' '),
    );
  }
});

test('parseCommand refuses wrong and unknown variables by name', () => {
  for (const [variable, value] of [
    ['AMBIT_TRUST_DOMAIN', 'Upper Case'],
    ['AMBIT_LOG_FORMAT', 'xml'],
    ['AMBIT_LOG_LEVEL', 'loud'],
    ['AMBIT_CLUSTER_ID', 'a/b'],
    ['AMBIT_SERVER_NAMES', 'ok,not ok'],
    ['AMBIT_TRUSTDOMAIN', 'x'],
    ['AMBIT_POD_NAME', 'only-on-kubernetes'],
  ] as const) {
    assert.throws(
      () => parseCommand(RUN, createEnvironment({ [variable]: value })),
      (error) => error instanceof EnvironmentError && error.data['variable'] === variable,
      variable,
    );
  }
});

test('USAGE names every option and variable that is read', () => {
  for (const word of [
    '--manifests',
    '--kubernetes',
    '--state',
    '--listen',
    '--metrics',
    '--health',
    '--debug',
    '--node',
    'AMBIT_SERVER_NAMES',
    'AMBIT_NETWORK',
    'AMBIT_POD_NAMESPACE',
    'AMBIT_CA_DIRECTORY',
  ]) {
    assert.ok(USAGE.includes(word), word);
  }
});
