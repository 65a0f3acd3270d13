import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KindError } from './errors.ts';
import { parseObject } from './parse-object.ts';

type Json = Readonly<Record<string, unknown>>;

function ours(kind: string, spec: unknown, more: Json = {}): Json {
  return { apiVersion: 'ambit.dev/v1alpha1', kind, metadata: { name: 'p', namespace: 'shop' }, spec, ...more };
}

function withoutMeta(json: Json): unknown {
  const parsed = parseObject(json);
  if (parsed === null) return null;
  const { meta: _meta, ...rest } = parsed;
  return rest;
}

test('parseObject reads an AccessPolicy with every field', () => {
  const spec = {
    selector: { matchLabels: { app: 'web' } },
    action: 'Deny',
    dryRun: true,
    rules: [
      {
        from: [
          {
            serviceAccounts: ['web', 'other/db'],
            notServiceAccounts: ['bad'],
            principals: ['spiffe://td/ns/a/sa/b', 'td/*', '*/sa/b', '*'],
            notPrincipals: ['x'],
            namespaces: ['a*'],
            notNamespaces: ['ab'],
            ipBlocks: ['10.0.0.0/8', 'fd00::1'],
            notIpBlocks: ['10.1.0.0/16'],
          },
        ],
        to: [{ ports: [80, 443], notPorts: [22], ipBlocks: ['10.9.9.9'], notIpBlocks: ['::/0'] }],
      },
      {},
    ],
  };
  const cidr = (prefixLength: number, ...bytes: number[]) => ({ bytes: Uint8Array.from(bytes), prefixLength });
  assert.deepEqual(withoutMeta(ours('AccessPolicy', spec, { status: { anything: true } })), {
    kind: 'AccessPolicy',
    target: { kind: 'selector', matchLabels: new Map([['app', 'web']]) },
    action: 'Deny',
    dryRun: true,
    rules: [
      {
        from: [
          {
            serviceAccounts: {
              any: [
                { namespace: 'shop', name: 'web' },
                { namespace: 'other', name: 'db' },
              ],
              none: [{ namespace: 'shop', name: 'bad' }],
            },
            principals: {
              any: [
                { kind: 'exact', value: 'td/ns/a/sa/b' },
                { kind: 'prefix', value: 'td/' },
                { kind: 'suffix', value: '/sa/b' },
                { kind: 'presence' },
              ],
              none: [{ kind: 'exact', value: 'x' }],
            },
            namespaces: { any: [{ kind: 'prefix', value: 'a' }], none: [{ kind: 'exact', value: 'ab' }] },
            ipBlocks: {
              any: [cidr(8, 10, 0, 0, 0), cidr(128, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)],
              none: [cidr(16, 10, 1, 0, 0)],
            },
          },
        ],
        to: [
          {
            ports: { any: [80, 443], none: [22] },
            ipBlocks: { any: [cidr(32, 10, 9, 9, 9)], none: [cidr(0, ...Array.from({ length: 16 }, () => 0))] },
            http: null,
          },
        ],
      },
      { from: [], to: [] },
    ],
  });
});

test('parseObject reads what an AccessPolicy says of requests', () => {
  const to = {
    methods: ['GET', 'M-SEARCH'],
    notMethods: ['DELETE'],
    paths: ['/users/{id}/%6Frders/', '/admin/**'],
    notPaths: ['/*'],
    hosts: ['web.shop', '*.example'],
    notHosts: ['*'],
    headers: [{ name: 'X-Tenant', values: ['a*', '*b'], notValues: ['a b'] }],
  };
  const parsed = parseObject(ours('AccessPolicy', { action: 'Allow', rules: [{ to: [to] }] }));
  const any = { any: [], none: [] };
  assert.deepEqual(parsed?.kind === 'AccessPolicy' && parsed.rules[0]?.to, [
    {
      ports: any,
      ipBlocks: any,
      http: {
        methods: { any: ['GET', 'M-SEARCH'], none: ['DELETE'] },
        paths: {
          any: [
            { source: '/users/{id}/%6Frders/', segments: ['users', null, 'orders'], open: false },
            { source: '/admin/**', segments: ['admin'], open: true },
          ],
          none: [{ source: '/*', segments: [null], open: false }],
        },
        hosts: {
          any: [
            { kind: 'exact', value: 'web.shop' },
            { kind: 'suffix', value: '.example' },
          ],
          none: [{ kind: 'presence' }],
        },
        headers: [
          {
            name: 'x-tenant',
            values: {
              any: [
                { kind: 'prefix', value: 'a' },
                { kind: 'suffix', value: 'b' },
              ],
              none: [{ kind: 'exact', value: 'a b' }],
            },
          },
        ],
      },
    },
  ]);
});

test('parseObject attaches an AccessPolicy to its namespace or to objects by name', () => {
  const target = (spec: Json): unknown => {
    const parsed = parseObject(ours('AccessPolicy', { action: 'Allow', ...spec }));
    return parsed?.kind === 'AccessPolicy' ? [parsed.target, parsed.rules] : null;
  };
  assert.deepEqual(target({}), [{ kind: 'namespace' }, []]);
  const gateway = 'gateway.networking.k8s.io';
  const refs: readonly (readonly [group: string, kind: string, name: string])[] = [
    ['ambit.dev', 'ExternalWorkload', 'a'],
    ['', 'Service', 'a'],
    ['', 'Service', 'b'],
    ['', 'Service', 'a'],
    [gateway, 'Gateway', 'a'],
    [gateway, 'GatewayClass', 'ambit-waypoint'],
  ];
  assert.deepEqual(target({ targetRefs: refs.map(([group, kind, name]) => ({ group, kind, name })) }), [
    { kind: 'objects', refs: refs.filter((_, index) => index !== 3).map(([, kind, name]) => ({ kind, name })) },
    [],
  ]);
});

test('parseObject reads a MutualTLSPolicy with exceptions', () => {
  assert.deepEqual(withoutMeta(ours('MutualTLSPolicy', { mode: 'Strict' })), {
    kind: 'MutualTLSPolicy',
    target: { kind: 'namespace' },
    mode: 'Strict',
    ports: new Map(),
  });
  const spec = { selector: { matchLabels: { a: 'b' } }, ports: [{ port: 80, mode: 'Permissive' }] };
  assert.deepEqual(withoutMeta(ours('MutualTLSPolicy', spec)), {
    kind: 'MutualTLSPolicy',
    target: { kind: 'selector', matchLabels: new Map([['a', 'b']]) },
    mode: null,
    ports: new Map([[80, 'Permissive']]),
  });
});

test('parseObject reads an ExternalWorkload and fills in what it leaves out', () => {
  assert.deepEqual(withoutMeta(ours('ExternalWorkload', { addresses: ['192.0.2.1', 'FD00::1'] })), {
    kind: 'ExternalWorkload',
    addresses: ['192.0.2.1', 'fd00::1'],
    serviceAccountName: 'default',
    services: [],
    ports: new Map(),
    tunnel: 'None',
    network: null,
    nodeName: '',
    locality: { region: '', zone: '', subzone: '' },
    ready: true,
    weight: 1,
  });
});

test('parseObject refuses in own kinds whatever could make a policy mean something else', () => {
  const rule = (rules: unknown): Json => ours('AccessPolicy', { action: 'Allow', rules: [rules] });
  const mtls = (spec: unknown): Json => ours('MutualTLSPolicy', spec);
  const external = (spec: Json): Json => ours('ExternalWorkload', { addresses: ['192.0.2.1'], ...spec });
  const cases: [Json, string][] = [
    [ours('AccessPolicy', {}), 'spec.action is missing: expected one of Allow, Deny, Audit'],
    [
      ours('AccessPolicy', { action: 'deny' }),
      'spec.action must be one of Allow, Deny, Audit but is "deny" (did you mean Deny?)',
    ],
    [
      ours('AccessPolicy', { action: 'External' }),
      'spec.action "External" is not supported: this version asks nobody else; use Allow or Deny',
    ],
    [
      ours('AccessPolicy', { action: 'Allow', rule: [] }),
      'spec.rule is not a known field (did you mean rules?): expected one of targetRefs, selector, action, rules, dryRun',
    ],
    [
      ours('AccessPolicy', { action: 'Allow' }, { sepc: {} }),
      'sepc is not a known field (did you mean spec?): expected one of apiVersion, kind, metadata, spec, status',
    ],
    [
      rule({ from: [{ serviceAcounts: ['a'] }] }),
      'spec.rules[0].from[0].serviceAcounts is not a known field (did you mean serviceAccounts?): expected one of serviceAccounts, notServiceAccounts, principals, notPrincipals, namespaces, notNamespaces, ipBlocks, notIpBlocks',
    ],
    [rule({ from: [] }), 'spec.rules[0].from must be left out, or at least one entry but is []'],
    [
      rule({ from: [{}] }),
      'spec.rules[0].from[0] must be an object with at least one of serviceAccounts, notServiceAccounts, principals, notPrincipals, namespaces, notNamespaces, ipBlocks, notIpBlocks but is {}',
    ],
    [rule({ to: [{ methods: ['get'] }] }), 'spec.rules[0].to[0].methods[0] must be a method such as GET but is "get"'],
    [
      rule({ to: [{ paths: ['/a/../b'] }] }),
      'spec.rules[0].to[0].paths[0] must be a path whose segments are names, "*" or "{name}" for any one, and at the end "**" for all below but is "/a/../b"',
    ],
    [
      rule({ to: [{ notHosts: ['A'] }] }),
      'spec.rules[0].to[0].notHosts[0] must be a host name in lower case, "*.name" or "*" but is "A"',
    ],
    [rule({ to: [{ headers: [] }] }), 'spec.rules[0].to[0].headers must be left out, or at least one entry but is []'],
    [
      rule({ to: [{ headers: [{ name: 'a' }] }] }),
      'spec.rules[0].to[0].headers[0].values is missing: expected a list, unless notValues is one',
    ],
    [
      rule({ to: [{ headers: [{ name: 'a:', values: ['b'] }] }] }),
      'spec.rules[0].to[0].headers[0].name must be the name of a header but is "a:"',
    ],
    [
      rule({ to: [{ headers: [{ name: 'Host', values: ['b'] }] }] }),
      'spec.rules[0].to[0].headers[0].name must be the name of another header: hosts are named in "hosts" but is "Host"',
    ],
    [rule({ to: [{ ports: [] }] }), 'spec.rules[0].to[0].ports must be left out, or at least one entry but is []'],
    [rule({ to: [{ ports: ['80'] }] }), 'spec.rules[0].to[0].ports[0] must be a port from 1 to 65535 but is "80"'],
    [rule({ to: [{ notPorts: [0] }] }), 'spec.rules[0].to[0].notPorts[0] must be a port from 1 to 65535 but is 0'],
    [
      rule({ from: [{ serviceAccounts: ['a/b/c'] }] }),
      'spec.rules[0].from[0].serviceAccounts[0] must be "name" or "namespace/name" but is "a/b/c"',
    ],
    [
      rule({ from: [{ namespaces: ['a*b'] }] }),
      'spec.rules[0].from[0].namespaces[0] must be a namespace, "prefix*", "*suffix" or "*" but is "a*b"',
    ],
    [
      rule({ from: [{ principals: [''] }] }),
      'spec.rules[0].from[0].principals[0] must be a principal, "prefix*", "*suffix" or "*" but is ""',
    ],
    [
      rule({ from: [{ ipBlocks: ['10.0.0.0/33'] }] }),
      'spec.rules[0].from[0].ipBlocks[0] must be an IP address or block such as 10.0.0.0/8 but is "10.0.0.0/33"',
    ],
    [
      ours('AccessPolicy', { action: 'Allow', selector: {} }),
      'spec.selector.matchLabels is missing: expected at least one label; leave the selector out for the whole namespace',
    ],
    [
      ours('AccessPolicy', { action: 'Allow', targetRefs: [{ group: '', kind: 'Pod', name: 'web' }] }),
      'spec.targetRefs[0].kind must be one of Service, Gateway, GatewayClass, ExternalWorkload but is "Pod"',
    ],
    [
      ours('AccessPolicy', { action: 'Allow', targetRefs: [{ group: '', kind: 'Gateway', name: 'web' }] }),
      'spec.targetRefs[0].group must be "gateway.networking.k8s.io" for a Gateway but is ""',
    ],
    [
      ours('AccessPolicy', {
        action: 'Allow',
        targetRefs: [{ group: '', kind: 'Service', name: 'web', sectionName: 'http' }],
      }),
      'spec.targetRefs[0].sectionName "http" is not supported: a policy holds for the whole object',
    ],
    [mtls({}), 'spec.mode is missing: expected Strict or Permissive'],
    [mtls({ mode: 'STRICT' }), 'spec.mode must be one of Strict, Permissive but is "STRICT" (did you mean Strict?)'],
    [
      mtls({ mode: 'Strict', ports: [{ port: 80, mode: 'Strict' }] }),
      'spec.ports must be absent unless a selector says which workloads but is [{"port":80,"mode":"Strict"}]',
    ],
    [
      mtls({
        selector: { matchLabels: { a: 'b' } },
        ports: [
          { port: 1, mode: 'Strict' },
          { port: 1, mode: 'Strict' },
        ],
      }),
      'spec.ports must be a list that names each port once but is [{"port":1,"mode":"Strict"},{"port":1,"mode":"Strict"}]',
    ],
    [ours('ExternalWorkload', { addresses: [] }), 'spec.addresses must be at least one IP address but is []'],
    [external({ tunnel: 'hbone' }), 'spec.tunnel must be one of HBONE, None but is "hbone" (did you mean HBONE?)'],
    [
      external({ serviceAccount: 'x' }),
      'spec.serviceAccount is not a known field (did you mean serviceAccountName?): expected one of addresses, serviceAccountName, services, ports, tunnel, network, nodeName, locality, ready, weight',
    ],
  ];
  for (const [json, message] of cases) {
    assert.throws(
      () => parseObject(json),
      (error) => {
        assert.ok(error instanceof KindError);
        assert.equal(error.message, message);
        return true;
      },
    );
  }
});
