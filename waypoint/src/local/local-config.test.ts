import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LocalConfigError } from '@ambit/mesh/runtime';
import { createTestCa, testIdentity } from '@ambit/mesh/testing';
import { parseLocalConfig } from './local-config.ts';

const svid = createTestCa().issue(testIdentity('shop', 'waypoint'));
const files: Readonly<Record<string, string>> = {
  'waypoint.pem': svid.chainPem,
  'waypoint.key': svid.privateKeyPem,
  'ca.pem': svid.trustBundle.rootsPem.join(''),
};
const read = (path: string): string => {
  const text = files[path];
  if (text === undefined) throw new Error(`no file ${path}`);
  return text;
};
const certificate = { chain: 'waypoint.pem', privateKey: 'waypoint.key', roots: 'ca.pem' };
const listener = { address: '127.0.0.1:0', service: 'shop/web.example', port: 80 };
const service = {
  name: 'web',
  namespace: 'shop',
  hostname: 'web.example',
  addresses: [{ address: 'CmAAAQ==' }],
  ports: [{ servicePort: 80, targetPort: 8080 }],
};
const route = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'r', namespace: 'shop' },
  spec: {
    parentRefs: [{ group: '', kind: 'Service', name: 'web' }],
    rules: [{ backendRefs: [{ name: 'web', port: 80 }] }],
  },
};

describe('parseLocalConfig()', () => {
  test('gives a session key, the same for the same private key', () => {
    const keys = (): readonly string[] =>
      parseLocalConfig(JSON.stringify({ certificate }), read).sessionKeys.map((key) =>
        Buffer.from(key).toString('hex'),
      );
    assert.equal(keys().length, 1);
    assert.deepEqual(keys(), keys());
  });

  test('reads a mesh, its routes, listeners and the certificate', () => {
    const config = parseLocalConfig(
      JSON.stringify({
        workloads: [{ uid: 'w', name: 'web', namespace: 'shop', serviceAccount: 'web', addresses: ['CgAAAQ=='] }],
        services: [service],
        routes: [route],
        certificate,
        listeners: [listener],
      }),
      read,
    );
    assert.deepEqual(
      config.workloads.map(({ uid, addresses }) => [uid, addresses]),
      [['w', ['10.0.0.1']]],
    );
    assert.deepEqual(
      config.services.map(({ key }) => key),
      ['shop/web.example'],
    );
    assert.deepEqual(
      config.routes.map((routes) => [routes.service, [...routes.ports.keys()]]),
      [['shop/web.example', [80]]],
    );
    assert.deepEqual(config.svid, svid);
    assert.deepEqual(config.listeners, [{ host: '127.0.0.1', port: 0, service: 'shop/web.example', servicePort: 80 }]);
  });

  const refused: readonly (readonly [path: string, changed: Readonly<Record<string, unknown>>])[] = [
    ['$.route', { route: [] }],
    ['$.routes', { routes: {} }],
    ['$.routes[0]', { routes: [{ ...route, kind: 'TCPRoute', apiVersion: 'gateway.networking.k8s.io/v1alpha2' }] }],
    ['$.routes[0].spec.rules[0].backendRefs[0]', { services: [] }],
    ['$.routes[0].spec.rules[0].backendRefs[0]', { services: [{ ...service, ports: [] }] }],
    ['$.routes[1]', { routes: [route, { ...route, metadata: {} }] }],
    ['$.policies[0]', { policies: [route] }],
    ['$.certificate', { certificate: undefined }],
    ['$.certificate', { certificate: { ...certificate, privateKey: 'waypoint.pem' } }],
    ['$.certificate.key', { certificate: { ...certificate, key: 'waypoint.key' } }],
    ['$.certificate.roots', { certificate: { ...certificate, roots: 'missing.pem' } }],
    ['$.listeners[0].address', { listeners: [{ ...listener, address: 'localhost:80' }] }],
    ['$.listeners[0].service', { listeners: [{ ...listener, service: 'web' }] }],
    ['$.listeners[0].port', { listeners: [{ ...listener, port: 0 }] }],
    ['$.listeners[0].name', { listeners: [{ ...listener, name: 'x' }] }],
    ['$.workloads[0]', { workloads: [{ name: 1 }] }],
  ];
  for (const [path, changed] of refused) {
    test(`names ${path} of ${JSON.stringify(changed)} when it cannot be used`, () => {
      const text = JSON.stringify({
        services: [service],
        routes: [route],
        certificate,
        listeners: [listener],
        ...changed,
      });
      assert.throws(
        () => parseLocalConfig(text, read),
        (error) => error instanceof LocalConfigError && error.data['path'] === path,
      );
    });
  }
});
