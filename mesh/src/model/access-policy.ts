import type { Cidr } from './address.ts';
import { type Brand, branded } from './brand.ts';
import { ModelError } from './errors.ts';
import { isObjectName } from './name.ts';
import type { PathTemplate } from './path-template.ts';

/** `namespace/name`: the xDS resource name of a policy; the mesh-wide namespace is the empty text. */
export type PolicyKey = Brand<string, 'PolicyKey'>;

export type StringMatch =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: string }
  | { readonly kind: 'suffix'; readonly value: string }
  | { readonly kind: 'presence' };

/** Positive list and its negation: matches when (positive empty or any matches) and no negative matches. */
export interface FieldMatch<T> {
  readonly any: readonly T[];
  readonly none: readonly T[];
}

export interface ServiceAccountMatch {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** A header that a request has, and what its value may be. */
export interface HeaderPolicyMatch {
  /** In lower case. */
  readonly name: string;
  readonly values: FieldMatch<StringMatch>;
}

/** AND over its fields, of a request. */
export interface HttpPolicyMatch {
  readonly methods: FieldMatch<string>;
  readonly paths: FieldMatch<PathTemplate>;
  /** In lower case; a suffix begins with its dot. */
  readonly hosts: FieldMatch<StringMatch>;
  readonly headers: readonly HeaderPolicyMatch[];
}

/** AND over its fields (protocol.md 3.4, 4.9). Principals are compared without `spiffe://`. */
export interface PolicyMatch {
  readonly namespaces: FieldMatch<StringMatch>;
  readonly serviceAccounts: FieldMatch<ServiceAccountMatch>;
  readonly principals: FieldMatch<StringMatch>;
  readonly sourceIps: FieldMatch<Cidr>;
  readonly destinationIps: FieldMatch<Cidr>;
  readonly destinationPorts: FieldMatch<number>;
  /** Says something of requests: only a waypoint can tell. Absent: it does not. */
  readonly http?: HttpPolicyMatch;
}

/** OR over its matches; empty is true. */
export interface PolicyClause {
  readonly matches: readonly PolicyMatch[];
}

/** AND over its clauses. */
export interface PolicyRule {
  readonly clauses: readonly PolicyClause[];
}

/** One `istio.security.Authorization`. OR over its rules; none means it never matches. */
export interface AccessPolicy {
  readonly key: PolicyKey;
  readonly name: string;
  readonly namespace: string;
  readonly scope: 'mesh' | 'namespace' | 'workload';
  readonly action: 'allow' | 'deny';
  readonly rules: readonly PolicyRule[];
  readonly dryRun: boolean;
}

/** A policy as it is enforced where requests are read. */
export interface RequestPolicy extends Omit<AccessPolicy, 'scope' | 'action'> {
  /** `audit` changes nothing: what matches is told. */
  readonly action: AccessPolicy['action'] | 'audit';
}

export function policyKey(name: { readonly namespace: string; readonly name: string }): PolicyKey {
  return branded(`${name.namespace}/${name.name}`);
}

/** @throws ModelError `invalid-name` on anything but `namespace/name`; the namespace may be empty. */
export function parsePolicyKey(text: string): PolicyKey {
  const slash = text.indexOf('/');
  const namespace = text.slice(0, slash);
  if (slash === -1 || !isObjectName(text.slice(slash + 1)) || (namespace !== '' && !isObjectName(namespace))) {
    throw new ModelError('invalid-name', { value: text, expected: 'namespace/name of a policy' });
  }
  return branded(text);
}
