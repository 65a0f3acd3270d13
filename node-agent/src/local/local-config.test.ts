import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LocalConfigError } from '@ambit/mesh/runtime';
import { createTestCa, testIdentity } from '@ambit/mesh/testing';
import { parseLocalConfig } from './local-config.ts';

const svid = createTestCa().issue(testIdentity('shop', 'web'));
const files: Readonly<Record<string, string>> = {
  'web.pem': svid.chainPem,
  'web.key': svid.privateKeyPem,
  'ca.pem': svid.trustBundle.rootsPem.join(''),
};
const read = (path: string): string => {
  const text = files[path];
  if (text === undefined) throw new Error(`no file ${path}`);
  return text;
};
const certificate = { chain: 'web.pem', privateKey: 'web.key', roots: 'ca.pem' };
const pod = { uid: 'u1', name: 'web', namespace: 'shop', serviceAccount: 'web', netns: '/run/netns/web' };

describe('parseLocalConfig()', () => {
  test('reads a mesh, its certificates and its pods', () => {
    const config = parseLocalConfig(
      JSON.stringify({
        workloads: [
          {
            uid: 'Kubernetes//Pod/shop/web',
            name: 'web',
            namespace: 'shop',
            serviceAccount: 'web',
            addresses: ['CgAAAQ=='],
            tunnelProtocol: 'HBONE',
          },
        ],
        services: [
          {
            name: 'web',
            namespace: 'shop',
            hostname: 'web.example',
            addresses: [{ address: 'CmAAAQ==' }],
            ports: [{ servicePort: 80, targetPort: 8080 }],
          },
        ],
        policies: [{ name: 'p', namespace: 'shop', action: 'DENY' }],
        certificates: [certificate],
        pods: [pod],
      }),
      read,
    );
    assert.deepEqual(
      config.workloads.map(({ uid, addresses, tunnelProtocol }) => [uid, addresses, tunnelProtocol]),
      [['Kubernetes//Pod/shop/web', ['10.0.0.1'], 'hbone']],
    );
    assert.deepEqual(
      config.services.map(({ key }) => key),
      ['shop/web.example'],
    );
    assert.deepEqual(
      config.policies.map(({ key, action }) => [key, action]),
      [['shop/p', 'deny']],
    );
    assert.deepEqual(config.svids, [svid]);
    assert.deepEqual(config.pods, [
      { uid: 'u1', names: { name: 'web', namespace: 'shop', serviceAccount: 'web' }, netnsPath: '/run/netns/web' },
    ]);
  });

  test('takes what is absent for empty', () => {
    assert.deepEqual(parseLocalConfig('{}', read), { workloads: [], services: [], policies: [], svids: [], pods: [] });
  });

  const refused: readonly (readonly [string, unknown])[] = [
    ['$', 'not json'],
    ['$', []],
    ['$.podz', { podz: [] }],
    ['$.pods', { pods: {} }],
    ['$.pods[0]', { pods: [1] }],
    ['$.pods[1].netns', { pods: [pod, { ...pod, netns: '' }] }],
    ['$.pods[0].netnsPath', { pods: [{ ...pod, netnsPath: '/run/netns/web' }] }],
    ['$.certificates[0].key', { certificates: [{ ...certificate, key: 'web.key' }] }],
    ['$.workloads[0]', { workloads: [{ name: 1 }] }],
    ['$.policies[0]', { policies: [{ action: 'MAYBE' }] }],
    ['$.certificates[0].chain', { certificates: [{ ...certificate, chain: 'missing.pem' }] }],
    ['$.certificates[0].roots', { certificates: [{ chain: 'web.pem', privateKey: 'web.key' }] }],
    ['$.certificates[0]', { certificates: [{ ...certificate, privateKey: 'web.pem' }] }],
  ];
  for (const [path, value] of refused) {
    test(`names ${path} when it cannot be used`, () => {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      assert.throws(
        () => parseLocalConfig(text, read),
        (error) => error instanceof LocalConfigError && error.data['path'] === path,
      );
    });
  }
});
