import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendTlsPolicy, KubeService, MeshObject } from '@ambit/mesh/kinds';
import type { BackendSecurity } from '@ambit/mesh/routes';
import { configMap, OTHER_ROOT_PEM, ROOT_PEM, ROUTE_SETTINGS, routeObject } from '../../test/route-objects.ts';
import { decideTlsPolicyStatus } from './decide-tls-policy-status.ts';
import { ROOTS_LENGTH_MAX } from './resolve-authorities.ts';
import { createRouteWorld } from './route-world.ts';
import { translateBackend } from './translate-backend.ts';

const PORTS = [
  { name: 'https', port: 443 },
  { name: 'admin', port: 8443 },
  { port: 9443 },
  { name: 'quic', port: 443, protocol: 'UDP' },
];

function service(name: string, spec: Readonly<Record<string, unknown>> = {}): KubeService {
  const object = routeObject('Service', name, { clusterIP: '10.96.0.1', ports: PORTS, ...spec });
  assert.ok(object.kind === 'Service');
  return object;
}

const WEB = service('web');

interface PolicyOptions {
  readonly targets?: readonly (readonly [name: string, section?: string])[];
  /** ConfigMaps. */
  readonly roots?: readonly string[];
  readonly validation?: Readonly<Record<string, unknown>>;
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly created?: string;
}

function policy(name: string, options: PolicyOptions = {}): BackendTlsPolicy {
  const { targets = [['web']], roots = ['roots'], created = '2026-01-01T00:00:00Z' } = options;
  const object = routeObject(
    'BackendTLSPolicy',
    name,
    {
      targetRefs: targets.map(([target, sectionName]) => ({ group: '', kind: 'Service', name: target, sectionName })),
      validation: {
        hostname: `${name}.example`,
        caCertificateRefs: roots.map((ref) => ({ group: '', kind: 'ConfigMap', name: ref })),
        ...options.validation,
      },
      ...options.spec,
    },
    { creationTimestamp: created },
  );
  assert.ok(object.kind === 'BackendTLSPolicy');
  return object;
}

const ROOTS = configMap('roots', ROOT_PEM);
const OTHERS = configMap('others', OTHER_ROOT_PEM);
const BROKEN = configMap('broken', 'nothing');
const SYSTEM = { validation: { caCertificateRefs: [], wellKnownCACertificates: 'System' } };

const tls = (
  name: string,
  pem = ROOT_PEM,
): Extract<BackendSecurity['secured'][number]['security'], { readonly kind: 'tls' }> => ({
  kind: 'tls',
  serverName: `${name}.example`,
  roots: { kind: 'pem', pem },
  altNames: [],
});

test('translateBackend() gives each port the policy that counts there', () => {
  const older = { created: '2025-01-01T00:00:00Z' };
  const table: readonly (readonly [
    what: string,
    objects: readonly MeshObject[],
    secured: BackendSecurity['secured'],
  ])[] = [
    ['a whole Service', [policy('a')], [{ ports: [443, 8443, 9443], security: tls('a') }]],
    ['a port', [policy('a', { targets: [['web', 'admin']] })], [{ ports: [8443], security: tls('a') }]],
    [
      'a port before the whole, however old',
      [policy('a', older), policy('b', { targets: [['web', 'https']] })],
      [
        { ports: [443], security: tls('b') },
        { ports: [8443, 9443], security: tls('a') },
      ],
    ],
    ['the older', [policy('a'), policy('b', older)], [{ ports: [443, 8443, 9443], security: tls('b') }]],
    ['the first by name', [policy('b'), policy('a')], [{ ports: [443, 8443, 9443], security: tls('a') }]],
    [
      'the older though it is invalid',
      [policy('a'), policy('b', { ...older, roots: ['missing'] })],
      [{ ports: [443, 8443, 9443], security: { kind: 'invalid', reason: 'NoValidCACertificate' } }],
    ],
    [
      'all roots, each once',
      [policy('a', { roots: ['roots', 'others', 'roots', 'broken'] })],
      [{ ports: [443, 8443, 9443], security: tls('a', ROOT_PEM + OTHER_ROOT_PEM) }],
    ],
    [
      'names and roots of the system',
      [
        policy('a', {
          targets: [['web', 'https']],
          validation: { ...SYSTEM.validation, subjectAltNames: [{ type: 'URI', uri: 'spiffe://a/b' }] },
        }),
      ],
      [
        {
          ports: [443],
          security: {
            kind: 'tls',
            serverName: 'a.example',
            roots: { kind: 'system' },
            altNames: [{ kind: 'uri', uri: 'spiffe://a/b' }],
          },
        },
      ],
    ],
    [
      'what this version does not know',
      [policy('a', { targets: [['web', 'https']], validation: { crl: 'x' } })],
      [{ ports: [443], security: { kind: 'invalid', reason: 'Invalid' } }],
    ],
    [
      'an option of ours that there is not',
      [policy('a', { targets: [['web', 'https']], spec: { options: { 'ambit.dev/min': '1.3' } } })],
      [{ ports: [443], security: { kind: 'invalid', reason: 'Invalid' } }],
    ],
    [
      'options of others',
      [policy('a', { targets: [['web', 'https']], spec: { options: { 'other.dev/min': '1.3' } } })],
      [{ ports: [443], security: tls('a') }],
    ],
  ];
  for (const [what, objects, secured] of table) {
    const world = createRouteWorld([WEB, ROOTS, OTHERS, BROKEN, ...objects], ROUTE_SETTINGS);
    assert.deepEqual(translateBackend(WEB, world), { service: 'shop/web.shop.svc.cluster.local', secured }, what);
  }
});

test('translateBackend() gives nothing where no policy counts', () => {
  const world = createRouteWorld(
    [ROOTS, policy('a', { targets: [['web', 'quic'], ['other']] }), policy('b', { targets: [['named']] })],
    ROUTE_SETTINGS,
  );
  const named = service('named', { type: 'ExternalName', externalName: 'a.example' });
  assert.deepEqual([translateBackend(WEB, world), translateBackend(named, world)], [null, null]);
});

test('decideTlsPolicyStatus() says of each Service whether the policy counts, and what its references come to', () => {
  const fine = 'ResolvedRefs=True ResolvedRefs: everything that it names exists';
  const accepted = 'Accepted=True Accepted: connections of waypoints are secured by it';
  const older = { created: '2025-01-01T00:00:00Z' };
  const named = service('named', { type: 'ExternalName', externalName: 'a.example' });
  const table: readonly (readonly [
    what: string,
    policy: BackendTlsPolicy,
    others: readonly MeshObject[],
    status: Readonly<Record<string, readonly string[]>>,
  ])[] = [
    ['fine', policy('a'), [], { 'shop/web/': [accepted, fine] }],
    ['of the system', policy('a', SYSTEM), [], { 'shop/web/': [accepted, fine] }],
    [
      'targets that are not there',
      policy('a', {
        targets: [['gone'], ['web', 'https'], ['web', 'ftp'], ['web', 'quic'], ['named']],
      }),
      [],
      {
        'shop/gone/': ['Accepted=False TargetNotFound: there is no Service shop/gone', fine],
        'shop/web/https': [accepted, fine],
        'shop/web/ftp': ['Accepted=False TargetNotFound: Service shop/web lacks a TCP port named ftp', fine],
        'shop/web/quic': ['Accepted=False TargetNotFound: Service shop/web lacks a TCP port named quic', fine],
        'shop/named/': ['Accepted=False Invalid: Service shop/named is only another name (ExternalName)', fine],
      },
    ],
    [
      'another counts',
      policy('a'),
      [policy('b', older)],
      { 'shop/web/': ['Accepted=False Conflicted: what counts there is BackendTLSPolicy shop/b', fine] },
    ],
    [
      'another counts at a port',
      policy('a'),
      [policy('b', { targets: [['web', 'https']] })],
      { 'shop/web/': [accepted, fine] },
    ],
    [
      'some references',
      policy('a', { roots: ['roots', 'missing', 'broken'] }),
      [],
      {
        'shop/web/': [
          accepted,
          'ResolvedRefs=False InvalidCACertificateRef: there is no ConfigMap shop/missing; of ConfigMap shop/broken: its ca.crt is not made of certificates in PEM',
        ],
      },
    ],
    [
      'no reference',
      policy('a', { validation: { caCertificateRefs: [{ group: '', kind: 'Secret', name: 'roots' }] } }),
      [],
      {
        'shop/web/': [
          'Accepted=False NoValidCACertificate: Secret of group "" holds no certificates that are read: nothing is sent there',
          'ResolvedRefs=False InvalidKind: Secret of group "" holds no certificates that are read',
        ],
      },
    ],
    [
      'an option',
      policy('a', { spec: { options: { 'ambit.dev/min': '1.3' } } }),
      [],
      {
        'shop/web/': [
          'Accepted=False Invalid: spec.options.ambit.dev/min "1.3" is not supported: there is no such option: nothing is sent there',
          fine,
        ],
      },
    ],
    [
      'a target of another kind',
      policy('a', { spec: { targetRefs: [{ group: 'other.dev', kind: 'Bucket', name: 'web' }] } }),
      [],
      {},
    ],
  ];
  for (const [what, one, others, expected] of table) {
    const world = createRouteWorld([WEB, named, ROOTS, BROKEN, one, ...others], ROUTE_SETTINGS);
    const entries = decideTlsPolicyStatus(one, world).map(({ ref, conditions }) => [
      `${ref.namespace}/${ref.name}/${ref.sectionName ?? ''}`,
      conditions.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`),
    ]);
    assert.deepEqual(Object.fromEntries(entries), expected, what);
  }
});

test('decideTlsPolicyStatus() takes no more certificates than a waypoint does', () => {
  const large = (name: string): MeshObject => {
    const object = configMap(name, ROOT_PEM);
    assert.ok(object.kind === 'ConfigMap');
    return { ...object, authorities: { kind: 'pem', pem: name.repeat(ROOTS_LENGTH_MAX - 10) } };
  };
  const one = policy('a', { roots: ['x', 'y'] });
  const [ancestor] = decideTlsPolicyStatus(one, createRouteWorld([WEB, large('x'), large('y'), one], ROUTE_SETTINGS));
  assert.deepEqual(
    ancestor?.conditions.map(({ reason }) => reason),
    ['Accepted', 'InvalidCACertificateRef'],
  );
});
