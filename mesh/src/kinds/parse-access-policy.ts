import { type Cidr, parseCidr } from '../model/address.ts';
import type { StringMatch } from '../model/access-policy.ts';
import { KindError } from './errors.ts';
import { type FieldReader, shown } from './field-reader.ts';
import {
  ACCESS_ACTIONS,
  ACCOUNT_NAME,
  KIND_LIMITS,
  NAMESPACE_MATCH,
  NAMESPACE_MATCH_LENGTH_MAX,
  PRINCIPAL_LENGTH_MAX,
  PRINCIPAL_MATCH,
} from './limits.ts';
import type {
  AccessOperation,
  AccessPolicyObject,
  AccessRule,
  AccessSource,
  OneOf,
  PolicyTarget,
  ServiceAccountName,
} from './objects.ts';
import { httpPairs, parseHttpConditions } from './parse-http-conditions.ts';
import { parseLabels, parseMeta } from './parse-meta.ts';
import { parsePolicyTargets } from './parse-policy-targets.ts';
import { allowPairs, negated, pair, toMatch } from './policy-pairs.ts';

const SPIFFE_SCHEME = 'spiffe://';
const EXPECTED_BLOCK = 'an IP address or block such as 10.0.0.0/8';

/**
 * ambit.dev/v1alpha1 AccessPolicy. Unknown fields are errors: a misspelt condition must
 * never make a policy wider. @throws KindError.
 */
export function parseAccessPolicy(object: FieldReader): AccessPolicyObject {
  object.allowOnly(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const meta = parseMeta(object, 'namespaced');
  const spec = object.object('spec') ?? object.fail('spec', 'an object with an action');
  spec.allowOnly(['targetRefs', 'selector', 'action', 'rules', 'dryRun']);
  const target = parseTarget(spec);
  const action = parseAction(spec);
  const rules = spec.objects('rules', (reader) => parseRule(reader, meta.namespace), KIND_LIMITS.rules);
  if (countValues(rules) > KIND_LIMITS.policyValues)
    spec.unsupported('rules', `a policy may hold at most ${KIND_LIMITS.policyValues} values; make several`);
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
  const pairs = rules.flatMap(({ from, to }): readonly OneOf<unknown>[] => [
    ...from.flatMap((source) => Object.values(source)),
    ...to.flatMap(({ http, ...operation }) => [...Object.values(operation), ...httpPairs(http)]),
  ]);
  const entries = rules.reduce((sum, { from, to }) => sum + 1 + from.length + to.length, 0);
  return pairs.reduce((sum, { any, none }) => sum + any.length + none.length, entries);
}

function parseAction(spec: FieldReader): AccessPolicyObject['action'] {
  // A known word of the API, but not offered to whoever misspells another.
  const action = spec.raw('action');
  if (action === 'External') return spec.unsupported('action', 'this version asks nobody else; use Allow or Deny');
  return spec.oneOf('action', ACCESS_ACTIONS);
}

function parseTarget(spec: FieldReader): PolicyTarget {
  const refs = parsePolicyTargets(spec);
  const selector = parseSelector(spec);
  if (refs.length > 0 && selector !== null) spec.fail('selector', 'absent when targetRefs are given');
  if (refs.length > 0) return { kind: 'objects', refs };
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
  if (matchLabels.size > KIND_LIMITS.selectorLabels)
    selector.unsupported('matchLabels', `a selector may name at most ${KIND_LIMITS.selectorLabels} labels`);
  return { kind: 'selector', matchLabels };
}

function parseRule(reader: FieldReader, namespace: string): AccessRule {
  reader.allowOnly(['from', 'to']);
  reader.refuseEmptyList('from');
  reader.refuseEmptyList('to');
  return {
    from: reader.objects('from', (source) => parseSource(source, namespace), KIND_LIMITS.ruleEntries),
    to: reader.objects('to', parseOperation, KIND_LIMITS.ruleEntries),
  };
}

function parseSource(reader: FieldReader, namespace: string): AccessSource {
  const fields = ['serviceAccounts', 'principals', 'namespaces', 'ipBlocks'];
  allowPairs(reader, fields);
  return {
    serviceAccounts: pair(reader, 'serviceAccounts', '"name" or "namespace/name"', (text) =>
      parseAccount(text, namespace),
    ),
    principals: pair(reader, 'principals', 'a principal, "prefix*", "*suffix" or "*"', parsePrincipal),
    namespaces: pair(reader, 'namespaces', 'a namespace, "prefix*", "*suffix" or "*"', parseNamespaceMatch),
    ipBlocks: blockPair(reader),
  };
}

function parseOperation(reader: FieldReader): AccessOperation {
  allowPairs(reader, ['ports', 'ipBlocks', 'methods', 'paths', 'hosts'], ['headers']);
  return { ports: portPair(reader), ipBlocks: blockPair(reader), http: parseHttpConditions(reader) };
}

function blockPair(reader: FieldReader): OneOf<Cidr> {
  return pair(reader, 'ipBlocks', EXPECTED_BLOCK, parseCidr, KIND_LIMITS.ruleBlocks);
}

function portPair(reader: FieldReader): OneOf<number> {
  const port = (item: unknown, field: string): number => {
    if (typeof item === 'number' && Number.isInteger(item) && item >= 1 && item <= 65_535) return item;
    throw new KindError('invalid-value', { field, value: shown(item), expected: 'a port from 1 to 65535' });
  };
  const { ruleValues } = KIND_LIMITS;
  return { any: reader.list('ports', port, ruleValues), none: reader.list(negated('ports'), port, ruleValues) };
}

function parseAccount(text: string, namespace: string): ServiceAccountName {
  if (!ACCOUNT_NAME.test(text)) throw new RangeError('not a service account');
  const slash = text.indexOf('/');
  return { namespace: slash === -1 ? namespace : text.slice(0, slash), name: text.slice(slash + 1) };
}

function parsePrincipal(text: string): StringMatch {
  if (!PRINCIPAL_MATCH.test(text) || text.length > PRINCIPAL_LENGTH_MAX) throw new RangeError('not a principal');
  return toMatch(text.startsWith(SPIFFE_SCHEME) ? text.slice(SPIFFE_SCHEME.length) : text);
}

function parseNamespaceMatch(text: string): StringMatch {
  if (!NAMESPACE_MATCH.test(text) || text.length > NAMESPACE_MATCH_LENGTH_MAX) throw new RangeError('not a namespace');
  return toMatch(text);
}
