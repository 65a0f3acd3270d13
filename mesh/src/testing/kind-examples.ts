import { AMBIT_KINDS } from '../kinds/schema/custom-resource-definition.ts';
import { EXTERNAL_HOST } from '../kinds/limits.ts';
import { patternText } from '../kinds/schema/common-schema.ts';
import type { Schema } from '../kinds/schema/schema.ts';

// Examples of Ambit's own kinds: right ones that between them use every field, and for every constraint of the schemas
// one that breaks it. Parser, schema and API server are asked about the same ones.

export type JsonObject = Readonly<Record<string, unknown>>;
type Path = readonly (string | number)[];

/** Specs that are right; the first of a kind has every field that goes together. */
export const GOOD_SPECS: Readonly<Record<string, readonly [JsonObject, ...(readonly JsonObject[])]>> = {
  AccessPolicy: [
    {
      selector: { matchLabels: { app: 'payments', tier: '' } },
      action: 'Allow',
      dryRun: true,
      rules: [
        {
          from: [
            {
              serviceAccounts: ['checkout', 'ops/auditor'],
              notServiceAccounts: ['a.b'],
              principals: ['cluster.local/ns/shop/sa/cart', 'spiffe://td/*', '*/sa/cart', '*'],
              notPrincipals: ['spiffe://td/ns/a/sa/b'],
              namespaces: ['shop', 'shop-*', '*-test', '*'],
              notNamespaces: ['legacy'],
              ipBlocks: ['10.0.0.0/8', 'fd00::1', '192.0.2.7', '10.1.2.3/8'],
              notIpBlocks: ['::/0'],
            },
          ],
          to: [
            {
              ports: [1, 65_535],
              notPorts: [22],
              ipBlocks: ['192.0.2.0/24'],
              notIpBlocks: ['192.0.2.9'],
              methods: ['GET', 'M-SEARCH'],
              notMethods: ['DELETE'],
              paths: ['/', '/users/{id}/orders', '/files/*', '/admin/**', '/.well-known/%C3%A9'],
              notPaths: ['/**'],
              hosts: ['web.shop', '*.example.com', '*'],
              notHosts: ['10.0.0.1'],
              headers: [{ name: 'X-Tenant', values: ['a b', 'c*', '*d', '*'], notValues: ['e'] }],
            },
          ],
        },
        {},
      ],
    },
    { action: 'Deny' },
    { action: 'Deny', targetRefs: [{ group: 'ambit.dev', kind: 'ExternalWorkload', name: 'vm-1' }], rules: [] },
    {
      action: 'Audit',
      targetRefs: [
        { group: '', kind: 'Service', name: 'web' },
        { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'waypoint' },
        { group: 'gateway.networking.k8s.io', kind: 'GatewayClass', name: 'ambit-waypoint' },
      ],
    },
  ],
  MutualTLSPolicy: [
    { selector: { matchLabels: { app: 'payments' } }, mode: 'Strict', ports: [{ port: 9100, mode: 'Permissive' }] },
    { mode: 'Permissive' },
    { selector: { matchLabels: { app: 'payments' } }, ports: [{ port: 1, mode: 'Strict' }] },
  ],
  EgressPolicy: [
    {
      unknownDestinations: 'Refuse',
      allow: [{ cidrs: ['192.0.2.0/24', '2001:db8::7'], ports: [443, 1] }, { cidrs: ['198.51.100.7'] }],
    },
    { unknownDestinations: 'Refuse' },
    { unknownDestinations: 'Allow' },
  ],
  ExternalService: [
    {
      hosts: ['api.example.com', 'v2.api.example.com'],
      ports: [{ port: 443, targetPort: 8443, protocol: 'TLS' }, { port: 80 }],
      resolution: 'Static',
      addresses: ['192.0.2.80', '2001:db8::80'],
      endpoints: [{ address: '198.51.100.1', weight: 3 }, { address: '2001:db8::1' }],
    },
    { hosts: ['db.example.com'], ports: [{ port: 5432 }] },
    { hosts: ['db.example.com'], ports: [{ port: 5432 }], endpoints: [{ address: 'db-1.example.net' }] },
    { hosts: ['range.example.com'], ports: [{ port: 80 }], resolution: 'None', addresses: ['203.0.113.0/24'] },
  ],
  ExternalWorkload: [
    {
      addresses: ['192.0.2.17', 'fd00::17'],
      serviceAccountName: 'ledger',
      services: ['ledger', 'ledger-v2'],
      ports: [{ name: 'http', port: 8080 }],
      tunnel: 'HBONE',
      network: 'east',
      nodeName: 'vm-17.example',
      locality: { region: 'eu', zone: 'eu-1', subzone: 'a' },
      ready: false,
      weight: 1000,
    },
    { addresses: ['192.0.2.18'] },
  ],
};

const EXTERNAL = { hosts: ['api.example.com'], ports: [{ port: 443 }] };

/** What breaks a rule or a pattern, put where the rule is. Every rule and pattern of the schemas is here. */
const BREAKS_RULE: Readonly<Record<string, unknown>> = {
  "!self.contains(':')": 'cluster.local:a',
  "self.matches(r'^(\\*|\\*?[-a-z0-9]+|[-a-z0-9]+\\*)$')": 'a*b',
  'isIP(self) || isCIDR(self)': '10.0.0.0/33',
  'isIP(self)': '10.0.0.0/8',
  'has(self.serviceAccounts) || has(self.notServiceAccounts) || has(self.principals) || has(self.notPrincipals) || has(self.namespaces) || has(self.notNamespaces) || has(self.ipBlocks) || has(self.notIpBlocks)':
    {},
  'has(self.ports) || has(self.notPorts) || has(self.ipBlocks) || has(self.notIpBlocks) || has(self.methods) || has(self.notMethods) || has(self.paths) || has(self.notPaths) || has(self.hosts) || has(self.notHosts) || has(self.headers)':
    {},
  'has(self.values) || has(self.notValues)': { name: 'a' },
  '!(has(self.selector) && has(self.targetRefs))': {
    action: 'Deny',
    selector: { matchLabels: { a: 'b' } },
    targetRefs: [{ group: 'ambit.dev', kind: 'ExternalWorkload', name: 'vm-1' }],
  },
  "self.group + '/' + self.kind in ['/Service', 'gateway.networking.k8s.io/Gateway', 'gateway.networking.k8s.io/GatewayClass', 'ambit.dev/ExternalWorkload']":
    { group: 'ambit.dev', kind: 'Service', name: 'web' },
  "self.matches(r'^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$')": 'Vm_1',
  'self.size() > 0': {},
  "self.matches(r'^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$')": '-a',
  'has(self.mode) || has(self.ports)': { selector: { matchLabels: { a: 'b' } } },
  "self.unknownDestinations == 'Refuse' || !has(self.allow)": {
    unknownDestinations: 'Allow',
    allow: [{ cidrs: ['192.0.2.7'] }],
  },
  "(has(self.resolution) && self.resolution == 'Static') ? has(self.endpoints) : true": {
    ...EXTERNAL,
    resolution: 'Static',
  },
  "(has(self.resolution) && self.resolution == 'None') ? (has(self.addresses) && !has(self.endpoints)) : true": {
    ...EXTERNAL,
    resolution: 'None',
  },
  [`!has(self.endpoints) || self.endpoints.all(e, (has(self.resolution) && self.resolution == 'Static') ? isIP(e.address) : e.address.matches(r'${patternText(EXTERNAL_HOST)}'))`]:
    { ...EXTERNAL, endpoints: [{ address: '192.0.2.7' }, { address: 'A' }] },
  "!has(self.addresses) || (has(self.resolution) && self.resolution == 'None') || self.addresses.all(a, isIP(a))": {
    ...EXTERNAL,
    addresses: ['192.0.2.0/24'],
  },
  "!self.endsWith('.svc') && !self.endsWith('.svc.cluster.local') && !self.endsWith('.clusterset.local')":
    'web.shop.svc',
  '!has(self.ports) || has(self.selector)': { ports: [{ port: 80, mode: 'Strict' }] },
};
const BREAKS_PATTERN: Readonly<Record<string, string>> = {
  serviceAccounts: 'a/b/c',
  principals: 'td/ns/',
  methods: 'get',
  paths: '/a/../b',
  hosts: 'a.*',
  values: 'a*b',
  name: 'a b',
};

/** A spec that breaks one constraint. */
export interface BrokenSpec {
  /** Path and constraint; unique within a kind. */
  readonly what: string;
  readonly spec: JsonObject;
  /** In what the API server answers. */
  readonly refusal: string;
}

/** One for every constraint of the kind's schema. @throws Error when a rule has no example. */
export function brokenSpecs(kind: string): readonly BrokenSpec[] {
  const definition = AMBIT_KINDS.find((candidate) => candidate.kind === kind);
  const goods = GOOD_SPECS[kind];
  if (definition === undefined || goods === undefined) throw new Error(`no examples of ${kind}`);
  return brokenAt(definition.spec, [], goods);
}

function brokenAt(schema: Schema, path: Path, goods: readonly JsonObject[]): readonly BrokenSpec[] {
  const good = goods.find((spec) => valueAt(spec, path) !== undefined);
  if (good === undefined) throw new Error(`no good example has ${path.join('.')}`);
  const broken: BrokenSpec[] = [];
  const plant = (constraint: string, value: unknown, refusal: string, at: Path = path): void => {
    broken.push({ what: `${path.join('.')} ${constraint}`, spec: planted(good, at, value), refusal });
  };
  for (const { rule, message } of schema.rules ?? []) {
    if (!Object.hasOwn(BREAKS_RULE, rule)) throw new Error(`no example breaks ${rule}`);
    plant(rule, BREAKS_RULE[rule], message);
  }
  const children: [Schema, string | number][] = [];
  switch (schema.type) {
    case 'object':
      for (const name of schema.required ?? []) plant(`requires ${name}`, undefined, 'Required value', [...path, name]);
      for (const [name, field] of Object.entries(schema.fields)) children.push([field, name]);
      break;
    case 'map': {
      const entries = Array.from({ length: schema.entriesMax + 1 }, (_, index) => [`l${index}`, 'x']);
      plant('at most', Object.fromEntries(entries), `must have at most ${schema.entriesMax} items`);
      children.push([schema.values, Object.keys(objectAt(good, path))[0] ?? '']);
      break;
    }
    case 'list': {
      const first = valueAt(good, [...path, 0]);
      if (schema.itemsMin !== undefined) plant('at least', [], `should have at least ${schema.itemsMin} items`);
      const many = Array.from({ length: schema.itemsMax + 1 }, () => first);
      plant('at most', many, `must have at most ${schema.itemsMax} items`);
      if (schema.uniqueBy !== undefined) plant('unique', [first, first], 'Duplicate value');
      children.push([schema.items, 0]);
      break;
    }
    case 'text':
      if (schema.values !== undefined) plant('one of', 'other', 'Unsupported value: "other"');
      else plant('at most', 'a'.repeat(schema.lengthMax + 1), `may not be more than ${schema.lengthMax} bytes`);
      if (schema.lengthMin !== undefined) plant('at least', '', 'should be at least 1 chars long');
      if (schema.pattern !== undefined) plant('pattern', breaksPattern(path), 'should match');
      break;
    case 'integer':
      plant('minimum', schema.min - 1, `should be greater than or equal to ${schema.min}`);
      plant('maximum', schema.max + 1, `should be less than or equal to ${schema.max}`);
      plant('type', String(schema.min), 'must be of type integer');
      break;
    case 'boolean':
      plant('type', 'yes', 'must be of type boolean');
  }
  return [...broken, ...children.flatMap(([child, key]) => brokenAt(child, [...path, key], goods))];
}

function breaksPattern(path: Path): string {
  const last = path.at(-1);
  const name = typeof last === 'string' ? last : String(path.at(-2));
  const positive = name.startsWith('not') ? name.charAt(3).toLowerCase() + name.slice(4) : name;
  const value = BREAKS_PATTERN[positive];
  if (value === undefined) throw new Error(`no example breaks the pattern of ${name}`);
  return value;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), value);
}

function objectAt(value: unknown, path: Path): JsonObject {
  const found = valueAt(value, path);
  if (!isRecord(found)) throw new Error(`${path.join('.')} is no object`);
  return found;
}

/** A copy with another value at `path`; undefined removes what is there. */
export function planted(spec: JsonObject, path: Path, value: unknown): JsonObject {
  const result = replaced(spec, path, value);
  if (!isRecord(result)) throw new Error('a spec is an object');
  return result;
}

function replaced(old: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const inner = replaced(valueAt(old, [key]), rest, value);
  if (Array.isArray(old)) return old.toSpliced(Number(key), 1, ...(inner === undefined ? [] : [inner]));
  const copy: Record<string, unknown> = { ...Object(old), [key]: inner };
  if (inner === undefined) delete copy[key];
  return copy;
}

function isRecord(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null;
}
