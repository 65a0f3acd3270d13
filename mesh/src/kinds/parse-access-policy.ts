import { type Cidr, parseCidr } from '../model/address.ts';
import type { StringMatch } from '../model/access-policy.ts';
import { KindError } from './errors.ts';
import { type FieldReader, shown } from './field-reader.ts';
import { AMBIT_DOMAIN } from './labels.ts';
import type {
  AccessOperation,
  AccessPolicyObject,
  AccessRule,
  AccessSource,
  OneOf,
  PolicyTarget,
  ServiceAccountName,
} from './objects.ts';
import { isNamespaceName, isObjectName, parseLabels, parseMeta } from './parse-meta.ts';

const SPIFFE_SCHEME = 'spiffe://';
/** Longest principal or namespace match; a SPIFFE ID of Kubernetes names is shorter. */
const MATCH_LENGTH_MAX = 800;
/** Values of all lists of one policy together: it is walked for every new connection. */
const VALUES_MAX = 10_000;
const EXPECTED_BLOCK = 'an IP address or block such as 10.0.0.0/8';

/**
 * ambit.dev/v1alpha1 AccessPolicy, the part that holds at layer 4. Unknown fields are errors: a misspelt condition must
 * never make a policy wider. @throws KindError.
 */
export function parseAccessPolicy(object: FieldReader): AccessPolicyObject {
  object.allowOnly(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const meta = parseMeta(object, 'namespaced');
  const spec = object.object('spec') ?? object.fail('spec', 'an object with an action');
  spec.allowOnly(['targetRefs', 'selector', 'action', 'rules', 'dryRun']);
  const target = parseTarget(spec);
  const action = parseAction(spec);
  const rules = spec.objects('rules', (reader) => parseRule(reader, meta.namespace));
  if (countValues(rules) > VALUES_MAX)
    spec.unsupported('rules', `a policy may hold at most ${VALUES_MAX} values; make several`);
  return {
    kind: 'AccessPolicy',
    meta,
    target,
    action,
    rules,
    dryRun: spec.bool('dryRun', false),
  };
}

function countValues(rules: readonly AccessRule[]): number {
  const entries = rules.flatMap((rule) => [...rule.from, ...rule.to]);
  return entries.reduce((sum, entry) => {
    const lists = Object.values(entry).flatMap((pair: OneOf<unknown>) => [pair.any.length, pair.none.length]);
    return sum + lists.reduce((count, length) => count + length, 1);
  }, rules.length);
}

function parseAction(spec: FieldReader): AccessPolicyObject['action'] {
  // Known words of the API, but not offered to whoever misspells another.
  const action = spec.raw('action');
  if (action === 'Audit' || action === 'External')
    return spec.unsupported('action', 'only a waypoint can enforce it, and this version has none; use Allow or Deny');
  return spec.oneOf('action', ['Allow', 'Deny']);
}

function parseTarget(spec: FieldReader): PolicyTarget {
  const refs = spec.objects('targetRefs', (reader) => parseTargetRef(reader));
  const selector = parseSelector(spec);
  if (refs.length > 0 && selector !== null) spec.fail('selector', 'absent when targetRefs are given');
  if (refs.length > 0) return { kind: 'external-workloads', names: refs };
  return selector ?? { kind: 'namespace' };
}

/** `spec.selector.matchLabels`; null when absent. Empty selectors are refused: leave the selector out for the namespace. */
export function parseSelector(
  spec: FieldReader,
): { readonly kind: 'selector'; readonly matchLabels: ReadonlyMap<string, string> } | null {
  const selector = spec.object('selector');
  if (selector === null) return null;
  selector.allowOnly(['matchLabels']);
  const matchLabels = parseLabels(selector, 'matchLabels');
  if (matchLabels.size === 0)
    selector.fail('matchLabels', 'at least one label; leave the selector out for the whole namespace');
  return { kind: 'selector', matchLabels };
}

function parseTargetRef(reader: FieldReader): string {
  reader.allowOnly(['group', 'kind', 'name', 'sectionName']);
  const kind = reader.text('kind');
  const ours = kind === 'ExternalWorkload' && reader.text('group', '') === AMBIT_DOMAIN;
  if (!ours) {
    reader.unsupported(
      'kind',
      'only a waypoint can enforce it, and this version has none; use selector, or none for the namespace',
    );
  }
  if (reader.has('sectionName')) reader.unsupported('sectionName', 'an ExternalWorkload has no sections');
  const name = reader.text('name');
  return isObjectName(name) ? name : reader.fail('name', 'the name of an ExternalWorkload');
}

function parseRule(reader: FieldReader, namespace: string): AccessRule {
  reader.allowOnly(['from', 'to']);
  refuseEmptyList(reader, 'from');
  refuseEmptyList(reader, 'to');
  return {
    from: reader.objects('from', (source) => parseSource(source, namespace)),
    to: reader.objects('to', parseOperation),
  };
}

/** An empty list could be read as "nobody" or as "anybody": refuse what two people may read differently. */
function refuseEmptyList(reader: FieldReader, name: string): void {
  const value = reader.raw(name);
  if (Array.isArray(value) && value.length === 0) reader.fail(name, 'left out, or at least one entry');
}

function parseSource(reader: FieldReader, namespace: string): AccessSource {
  const fields = ['serviceAccounts', 'principals', 'namespaces', 'ipBlocks'];
  allowPairs(reader, fields);
  return {
    serviceAccounts: pair(reader, 'serviceAccounts', '"name" or "namespace/name"', (text) =>
      parseAccount(text, namespace),
    ),
    principals: pair(reader, 'principals', 'a principal, "prefix*", "*suffix" or "*"', (text) =>
      parseMatch(text.startsWith(SPIFFE_SCHEME) ? text.slice(SPIFFE_SCHEME.length) : text),
    ),
    namespaces: pair(reader, 'namespaces', 'a namespace, "prefix*", "*suffix" or "*"', parseMatch),
    ipBlocks: pair(reader, 'ipBlocks', EXPECTED_BLOCK, parseCidr),
  };
}

function parseOperation(reader: FieldReader): AccessOperation {
  allowPairs(reader, ['ports', 'ipBlocks']);
  return { ports: portPair(reader), ipBlocks: pair<Cidr>(reader, 'ipBlocks', EXPECTED_BLOCK, parseCidr) };
}

function allowPairs(reader: FieldReader, fields: readonly string[]): void {
  const all = fields.flatMap((name) => [name, negated(name)]);
  reader.allowOnly(all);
  for (const name of all) refuseEmptyList(reader, name);
  if (reader.names().length === 0) {
    const detail = {
      field: reader.path,
      value: shown({}),
      expected: `an object with at least one of ${all.join(', ')}`,
    };
    throw new KindError('invalid-value', detail);
  }
}

function negated(name: string): string {
  return `not${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

function pair<T>(reader: FieldReader, name: string, expected: string, parse: (text: string) => T): OneOf<T> {
  return {
    any: reader.parsedTexts(name, expected, parse),
    none: reader.parsedTexts(negated(name), expected, parse),
  };
}

function portPair(reader: FieldReader): OneOf<number> {
  const port = (item: unknown, field: string): number => {
    if (typeof item === 'number' && Number.isInteger(item) && item >= 1 && item <= 65_535) return item;
    throw new KindError('invalid-value', { field, value: shown(item), expected: 'a port from 1 to 65535' });
  };
  return { any: reader.list('ports', port), none: reader.list(negated('ports'), port) };
}

function parseAccount(text: string, namespace: string): ServiceAccountName {
  const slash = text.indexOf('/');
  const result = { namespace: slash === -1 ? namespace : text.slice(0, slash), name: text.slice(slash + 1) };
  if (!isNamespaceName(result.namespace) || !isObjectName(result.name)) throw new RangeError('not a service account');
  return result;
}

/** `*` any, `a*` prefix, `*a` suffix, else exact. A `*` elsewhere is refused rather than taken literally. */
function parseMatch(text: string): StringMatch {
  if (text === '*') return { kind: 'presence' };
  const inner = text.endsWith('*') ? text.slice(0, -1) : text.startsWith('*') ? text.slice(1) : text;
  if (!/^[!-~]+$/.test(inner) || inner.length > MATCH_LENGTH_MAX || inner.includes('*'))
    throw new RangeError('not a match');
  if (text.endsWith('*')) return { kind: 'prefix', value: inner };
  return text.startsWith('*') ? { kind: 'suffix', value: inner } : { kind: 'exact', value: inner };
}
