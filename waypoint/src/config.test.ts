import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseIpAddress } from '@ambit/mesh/model';
import { createEnvironment, EnvironmentError } from '@ambit/mesh/runtime';
import { parseConfig, SETTINGS } from './config.ts';

const minimal = { AMBIT_LOCAL_CONFIG: '/etc/ambit/waypoint.json' };
const pod = {
  AMBIT_CONTROLLER_ADDRESS: 'controller:15012',
  AMBIT_NODE_NAME: 'node-1',
  AMBIT_POD_NAMESPACE: 'shop',
  AMBIT_POD_NAME: 'wp-1',
  AMBIT_SERVICE_ACCOUNT: 'wp',
};
const parse = (variables: Readonly<Record<string, string>>): ReturnType<typeof parseConfig> =>
  parseConfig(createEnvironment(variables));

describe('parseConfig()', () => {
  test('needs a file, and has defaults for the rest', () => {
    const any = parseIpAddress('0.0.0.0');
    assert.deepEqual(parse(minimal), {
      upstream: { kind: 'local', file: '/etc/ambit/waypoint.json' },
      network: '',
      revocationFile: null,
      trustDomains: { own: 'cluster.local', aliases: [] },
      workers: 1,
      memoryLimitBytes: 0,
      hboneAddress: { ip: any, port: 15008 },
      adminAddress: { ip: parseIpAddress('127.0.0.1'), port: 15000 },
      metricsAddress: { ip: any, port: 15020 },
      readinessAddress: { ip: any, port: 15021 },
      accessLog: 'stdout',
      forwardClientCert: 'off',
      logFilter: 'info',
      logFormat: 'text',
      terminationDeadlineMs: 5000,
    });
  });

  test('takes a controller instead of a file, and knows who it is', () => {
    const { upstream } = parse(pod);
    assert.ok(upstream.kind === 'controller');
    const { identity, podName, address, bearer } = upstream;
    assert.deepEqual(
      [identity, podName, address, bearer],
      ['spiffe://cluster.local/ns/shop/sa/wp', 'wp-1', 'controller:15012', undefined],
    );
  });

  for (const [name, variables] of [
    ['AMBIT_CONTROLLER_ADDRESS', {}],
    ['AMBIT_POD_NAME', { ...pod, AMBIT_POD_NAME: '' }],
    ['AMBIT_SERVICE_ACCOUNT', { ...pod, AMBIT_SERVICE_ACCOUNT: '' }],
    ['AMBIT_CONTROLLER_ROOT_FILE', { ...pod, AMBIT_TOKEN_FILE: '/t' }],
    ['AMBIT_WORKERS', { ...minimal, AMBIT_WORKERS: '0' }],
    ['AMBIT_MEMORY_LIMIT', { ...minimal, AMBIT_MEMORY_LIMIT: '100Mi' }],
    ['AMBIT_HBONE_ADDRESS', { ...minimal, AMBIT_HBONE_ADDRESS: 'localhost:1' }],
    ['AMBIT_FORWARD_CLIENT_CERT', { ...minimal, AMBIT_FORWARD_CLIENT_CERT: 'append' }],
    ['AMBIT_ACCESS_LOG', { ...minimal, AMBIT_ACCESS_LOG: 'file' }],
    ['AMBIT_LOG_LEVEL', { ...minimal, AMBIT_LOG_LEVEL: 'loud' }],
    ['AMBIT_LOG_FORMAT', { ...minimal, AMBIT_LOG_FORMAT: 'xml' }],
    ['AMBIT_TRUST_DOMAIN', { ...minimal, AMBIT_TRUST_DOMAIN: 'a b' }],
    ['AMBIT_TERMINATION_DEADLINE', { ...minimal, AMBIT_TERMINATION_DEADLINE: 'soon' }],
    ['AMBIT_WORKER', { ...minimal, AMBIT_WORKER: '1' }],
  ] as const) {
    test(`names ${name} when it is wrong`, () => {
      assert.throws(
        () => parse(variables),
        (error) => error instanceof EnvironmentError && JSON.stringify(error.data).includes(name),
      );
    });
  }

  test('reads every setting that is documented', () => {
    const read = new Set<string>();
    const environment = createEnvironment(minimal);
    parseConfig({
      ...environment,
      get: (name) => {
        read.add(name);
        return environment.get(name);
      },
    });
    assert.deepEqual([...read].toSorted(), SETTINGS.map(({ name }) => name).toSorted());
  });
});
