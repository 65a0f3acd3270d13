import { SERVER_NAMES, serverCa } from './field-world.ts';
import { type Json, without } from './fields.ts';
import { created, object } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

const TARGET = { group: '', kind: 'Service', name: 'a' } as const;
const REFS = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'authorities' }] } as const;
const AUTHORITIES: Json = {
  ...object('ConfigMap', 'authorities', undefined),
  data: { 'ca.crt': serverCa.rootPem },
};

function policy(metadata: Json, validation: Json = {}, target: Json = {}, more: Json = {}): Json {
  const spec = {
    targetRefs: [{ ...TARGET, ...target }],
    validation: { ...REFS, hostname: SERVER_NAMES.hostname, ...validation },
    ...more,
  };
  return object('BackendTLSPolicy', 'p', spec, metadata);
}

function scenario(
  name: string,
  { target = {}, validation = {}, more = {} }: { target?: Json; validation?: Json; more?: Json },
  changes: Readonly<Record<string, unknown>>,
): Scenario {
  return {
    name,
    object: policy({}, validation, target, more),
    beside: [AUTHORITIES],
    // A port whose servers speak TLS, and one whose do not.
    asks: [
      { to: 'shop/a', port: 83 },
      { to: 'shop/a', port: 80 },
    ],
    changes,
  };
}

export const TLS_POLICY_SCENARIOS: readonly Scenario[] = [
  scenario(
    'a Service',
    {},
    { 'spec.targetRefs[0].group': 'x.io', 'spec.targetRefs[0].kind': 'Pod', 'spec.targetRefs[0].name': 'b' },
  ),
  scenario('a port of a Service', { target: { sectionName: 'secure' } }, without('spec.targetRefs[0].sectionName')),
  scenario(
    'authorities',
    { target: { sectionName: 'secure' } },
    {
      'spec.validation.caCertificateRefs[0].group': 'x.io',
      'spec.validation.caCertificateRefs[0].kind': 'Secret',
      'spec.validation.caCertificateRefs[0].name': 'others',
    },
  ),
  scenario(
    'authorities of the machine',
    {
      target: { sectionName: 'secure' },
      validation: { caCertificateRefs: [], wellKnownCACertificates: 'System' },
    },
    { 'spec.validation.wellKnownCACertificates': 'Others' },
  ),
  scenario(
    'the name of the server',
    { target: { sectionName: 'secure' } },
    { 'spec.validation.hostname': 'other.example' },
  ),
  scenario(
    'names of the certificate',
    {
      target: { sectionName: 'secure' },
      validation: {
        hostname: 'front.example',
        subjectAltNames: [{ type: 'Hostname', hostname: SERVER_NAMES.hostname }],
      },
    },
    {
      ...without('spec.validation.subjectAltNames'),
      'spec.validation.subjectAltNames[0].hostname': 'other.example',
      'spec.validation.subjectAltNames[0].type': 'URI',
    },
  ),
  scenario(
    'a URI of the certificate',
    {
      target: { sectionName: 'secure' },
      validation: { hostname: 'front.example', subjectAltNames: [{ type: 'URI', uri: SERVER_NAMES.uri }] },
    },
    { 'spec.validation.subjectAltNames[0].uri': 'spiffe://servers.example/other' },
  ),
  {
    ...scenario('which of two is older', {}, { 'metadata.creationTimestamp': created(3).creationTimestamp }),
    object: policy(created(1)),
    beside: [AUTHORITIES, policy({ name: 'other', ...created(2) }, { hostname: 'other.example' })],
  },
  scenario(
    'an option of ours, of which there are none',
    { target: { sectionName: 'secure' }, more: { options: { 'ambit.dev/none': 'x' } } },
    without('spec.options'),
  ),
];
