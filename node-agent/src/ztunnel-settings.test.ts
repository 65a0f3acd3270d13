import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, test } from 'node:test';
import { createEnvironment, EnvironmentError } from '@ambit/mesh/runtime';
import { referenceRows } from '@ambit/mesh/testing';
import { parseConfig, SETTINGS } from './config.ts';
import { withZtunnelSettings, ZTUNNEL_SETTINGS } from './ztunnel-settings.ts';

type Variables = Readonly<Record<string, string>>;

/** What is read of these variables, under our names alone. */
function ours(variables: Variables): Variables {
  const environment = withZtunnelSettings(createEnvironment(variables));
  const names = environment.names().filter((name) => name.startsWith('AMBIT_'));
  return Object.fromEntries(names.map((name) => [name, environment.get(name) ?? '']));
}

describe('withZtunnelSettings()', () => {
  const table: readonly (readonly [Variables, Variables])[] = [
    [{ NODE_NAME: 'n', PATH: '/bin' }, { AMBIT_NODE_NAME: 'n' }],
    [{ NODE_NAME: 'n', AMBIT_NODE_NAME: 'own' }, { AMBIT_NODE_NAME: 'own' }],
    [{ NETWORK: '' }, {}],
    [{ LOG_FORMAT: 'json', AMBIT_LOG_FORMAT: '' }, { AMBIT_LOG_FORMAT: '' }],
    [
      { XDS_ADDRESS: 'https://istiod.istio-system.svc:15012', CA_ADDRESS: 'https://istiod.istio-system.svc' },
      {
        AMBIT_CONTROLLER_ADDRESS: 'istiod.istio-system.svc:15012',
        AMBIT_CONTROLLER_SERVER_NAME: 'istiod.istio-system.svc',
      },
    ],
    [
      { CA_ADDRESS: 'https://[fd00::1]:443', ALT_XDS_HOSTNAME: 'istiod' },
      { AMBIT_CONTROLLER_ADDRESS: '[fd00::1]:443', AMBIT_CONTROLLER_SERVER_NAME: 'istiod' },
    ],
    [{ CLUSTER_ID: 'a', ISTIO_META_CLUSTER_ID: 'b' }, { AMBIT_CLUSTER_ID: 'a' }],
    [{ ZTUNNEL_WORKER_THREADS: '3' }, { AMBIT_WORKERS: '3' }],
    [{ ZTUNNEL_WORKER_THREADS: '100%' }, { AMBIT_WORKERS: String(availableParallelism()) }],
    [{ ZTUNNEL_WORKER_THREADS: '0%' }, { AMBIT_WORKERS: '1' }],
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '30' }, { AMBIT_TERMINATION_DEADLINE: '25s' }],
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '10' }, { AMBIT_TERMINATION_DEADLINE: '9s' }],
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '1' }, { AMBIT_TERMINATION_DEADLINE: '1s' }],
    [
      { TERMINATION_GRACE_PERIOD_SECONDS: '30', CONNECTION_TERMINATION_DEADLINE: '7s' },
      { AMBIT_TERMINATION_DEADLINE: '7s' },
    ],
    [{ RUST_LOG: 'TRACE' }, { AMBIT_LOG_LEVEL: 'debug' }],
    [{ RUST_LOG: 'access=off,warn,ztunnel::proxy=trace' }, { AMBIT_LOG_LEVEL: 'warn,access=off,ztunnel::proxy=debug' }],
    [{ RUST_LOG: 'access=off' }, { AMBIT_LOG_LEVEL: 'info,access=off' }],
    [{ LOG_FORMAT: 'plain' }, { AMBIT_LOG_FORMAT: 'text' }],
  ];
  for (const [given, expected] of table) {
    test(JSON.stringify(given), () => assert.deepEqual(ours(given), expected));
  }

  const refused: readonly (readonly [string, Variables])[] = [
    ['XDS_ADDRESS', { XDS_ADDRESS: 'http://istiod:15010' }],
    ['XDS_ADDRESS', { XDS_ADDRESS: 'istiod:15012' }],
    ['CA_ADDRESS', { XDS_ADDRESS: 'https://a:1', CA_ADDRESS: 'https://b:1' }],
    ['XDS_ROOT_CA', { XDS_ROOT_CA: 'SYSTEM' }],
    ['CA_ROOT_CA', { XDS_ROOT_CA: '/a', CA_ROOT_CA: '/b' }],
    ['ZTUNNEL_WORKER_THREADS', { ZTUNNEL_WORKER_THREADS: 'many' }],
    ['ZTUNNEL_WORKER_THREADS', { ZTUNNEL_WORKER_THREADS: '0' }],
    ['TERMINATION_GRACE_PERIOD_SECONDS', { TERMINATION_GRACE_PERIOD_SECONDS: '5s' }],
    ['RUST_LOG', { RUST_LOG: 'loud' }],
    ['PACKET_MARK', { PACKET_MARK: '0' }],
  ];
  for (const [variable, given] of refused) {
    test(`${JSON.stringify(given)} is refused by the name that was used`, () => {
      const local = { AMBIT_LOCAL_CONFIG: '/mesh.json', ...given };
      assert.throws(
        () => parseConfig(createEnvironment(local)),
        (error: unknown) => error instanceof EnvironmentError && error.data['variable'] === variable,
      );
    });
  }

  test('what a manifest of ztunnel sets is enough to start by', () => {
    const config = parseConfig(
      createEnvironment({
        NODE_NAME: 'node-1',
        CA_ADDRESS: 'https://istiod.istio-system.svc:15012',
        XDS_ADDRESS: 'https://istiod.istio-system.svc:15012',
        XDS_ROOT_CA: '/var/run/secrets/istio/root-cert.pem',
        AUTH_TOKEN: '/var/run/secrets/tokens/istio-token',
        INPOD_UDS: '/var/run/ztunnel/ztunnel.sock',
        RUST_LOG: 'info',
        TERMINATION_GRACE_PERIOD_SECONDS: '30',
      }),
    );
    assert.deepEqual(config.upstream, {
      kind: 'controller',
      address: 'istiod.istio-system.svc:15012',
      serverName: 'istiod.istio-system.svc',
      joinTokenFile: undefined,
      bearer: { tokenFile: '/var/run/secrets/tokens/istio-token', rootFile: '/var/run/secrets/istio/root-cert.pem' },
      stateDirectory: '/var/lib/ambit/node-agent',
      zdsSocket: '/var/run/ztunnel/ztunnel.sock',
    });
    assert.equal(config.terminationDeadlineMs, 25_000);
  });
});

test('the reference page names every variable of ztunnel that is read, and no other', () => {
  assert.deepEqual(
    referenceRows('node-agent', "ztunnel's names"),
    ZTUNNEL_SETTINGS.map(({ name, meaning, note }) => [name, meaning, note === '' ? '-' : note.replaceAll('`', '')]),
  );
  const settings = new Set(SETTINGS.map(({ name }) => name));
  for (const { meaning } of ZTUNNEL_SETTINGS) assert.ok(settings.has(meaning), meaning);
});
