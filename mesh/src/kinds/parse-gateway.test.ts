import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../model/address.ts';
import { META } from '../testing/object-manifests.ts';
import type { Json } from '../testing/route-manifests.ts';
import { KindError } from './errors.ts';
import type { MeshObject } from './objects.ts';
import { parseObject } from './parse-object.ts';

function gateway(spec: Json, status?: Json): Json {
  const meta = { name: 'waypoint', namespace: 'ns', labels: { 'ambit.dev/waypoint-for': 'service' } };
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: meta, spec, status };
}

test('parseObject reads what a reference to a Gateway needs, whoever runs it', () => {
  const listeners = [
    { name: 'mesh', port: 15_008, protocol: 'ambit.dev/HBONE', allowedRoutes: {} },
    {
      name: 'web',
      port: 443,
      protocol: 'HTTPS',
      hostname: '*.shop.example',
      tls: {},
      allowedRoutes: { kinds: [{ kind: 'HTTPRoute' }], namespaces: { from: 'All' } },
    },
  ];
  const addresses = [
    { value: '10.0.0.7' },
    { type: 'Hostname', value: 'gateway.example' },
    { type: 'IPAddress', value: 'FD00::7' },
    { type: 'IPAddress' },
    { type: 'example.com/named', value: 'static-1' },
  ];
  const labels = new Map([['ambit.dev/waypoint-for', 'service']]);
  const expected: MeshObject = {
    kind: 'Gateway',
    meta: { ...META, name: 'waypoint', labels },
    className: 'ambit-waypoint',
    listeners: [
      {
        name: 'mesh',
        port: 15_008,
        protocol: 'ambit.dev/HBONE',
        hostname: null,
        tlsMode: null,
        allowedRoutes: { from: { kind: 'same' }, kinds: null },
      },
      {
        name: 'web',
        port: 443,
        protocol: 'HTTPS',
        hostname: '*.shop.example',
        tlsMode: 'Terminate',
        allowedRoutes: { from: { kind: 'all' }, kinds: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' }] },
      },
    ],
    infrastructure: {
      labels: new Map([['team', 'shop']]),
      annotations: new Map([['note', 'any text']]),
      parametersRef: { group: '', kind: 'ConfigMap', name: 'larger' },
    },
    requestedAddresses: [],
    unserved: [],
    addresses: [
      { kind: 'ip', ip: parseIpAddress('10.0.0.7') },
      { kind: 'hostname', hostname: 'gateway.example' },
      { kind: 'ip', ip: parseIpAddress('fd00::7') },
    ],
  };
  const infrastructure = {
    labels: { team: 'shop' },
    annotations: { note: 'any text' },
    parametersRef: { group: '', kind: 'ConfigMap', name: 'larger' },
  };
  const none = { allowedListeners: { namespaces: { from: 'None' } }, defaultScope: 'None' };
  const full = gateway({ gatewayClassName: 'ambit-waypoint', listeners, infrastructure, ...none }, { addresses });
  assert.deepEqual(parseObject(full), expected);
  const bare = gateway({
    gatewayClassName: 'ambit-waypoint',
    addresses: [{ value: '10.0.0.7' }],
    tls: {},
    defaultScope: 'All',
  });
  assert.deepEqual(parseObject(bare), {
    ...expected,
    listeners: [],
    infrastructure: { labels: new Map(), annotations: new Map(), parametersRef: null },
    requestedAddresses: [{ kind: 'ip', ip: parseIpAddress('10.0.0.7') }],
    unserved: ['tls', 'defaultScope'],
    addresses: [],
  });
  const refused: readonly [Json, RegExp][] = [
    [{}, /spec\.gatewayClassName is missing/],
    [{ gatewayClassName: 'Not A Name' }, /spec\.gatewayClassName must be a name/],
    [{ gatewayClassName: 'x', listeners: [{ name: 'a', protocol: 'TCP', port: 0 }] }, /spec\.listeners\[0\]\.port/],
    [{ gatewayClassName: 'x', listeners: [{ name: 'a', port: 1 }] }, /spec\.listeners\[0\]\.protocol is missing/],
    [
      { gatewayClassName: 'x', infrastructure: { labels: { a: 'not a label' } } },
      /spec\.infrastructure\.labels\.a must be/,
    ],
    [
      { gatewayClassName: 'x', infrastructure: { parametersRef: { group: '', kind: 'ConfigMap' } } },
      /spec\.infrastructure\.parametersRef\.name is missing/,
    ],
    [{ gatewayClassName: 'x', addresses: [{ value: 'ten' }] }, /spec\.addresses\[0\]\.value must be an IPv4 or IPv6/],
    [{ gatewayClassName: 'x', addresses: [{ type: 'Hostname', value: '-' }] }, /value must be a host name/],
  ];
  for (const [spec, message] of refused) {
    assert.throws(
      () => parseObject(gateway(spec)),
      (error: unknown) => error instanceof KindError && message.test(error.message),
    );
  }
  assert.equal(parseObject({ ...gateway({}), apiVersion: 'gateway.networking.k8s.io/v1alpha2' }), null);
});
