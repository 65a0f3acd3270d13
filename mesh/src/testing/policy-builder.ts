import {
  type AccessPolicy,
  type FieldMatch,
  type HttpPolicyMatch,
  type PolicyMatch,
  type PolicyRule,
  policyKey,
  type ServiceAccountMatch,
  type StringMatch,
} from '../model/access-policy.ts';
import { parseCidr } from '../model/address.ts';
import { parsePathTemplate, type PathTemplate } from '../model/path-template.ts';

type Texts = readonly string[];

/**
 * One match in plain text. Names follow Istio's notation: `web` exact, `web*` prefix, `*web` suffix, `*` presence.
 * Accounts are `namespace/account`, blocks `10.0.0.0/8`. `not…` lists are the negations.
 */
export interface MatchOptions {
  readonly namespaces?: Texts;
  readonly notNamespaces?: Texts;
  readonly serviceAccounts?: Texts;
  readonly notServiceAccounts?: Texts;
  readonly principals?: Texts;
  readonly notPrincipals?: Texts;
  readonly sourceIps?: Texts;
  readonly notSourceIps?: Texts;
  readonly destinationIps?: Texts;
  readonly notDestinationIps?: Texts;
  readonly ports?: readonly number[];
  readonly notPorts?: readonly number[];
  readonly methods?: Texts;
  readonly notMethods?: Texts;
  /** Templates. */
  readonly paths?: Texts;
  readonly notPaths?: Texts;
  readonly hosts?: Texts;
  readonly notHosts?: Texts;
  readonly headers?: Readonly<Record<string, { readonly any?: Texts; readonly none?: Texts }>>;
}

export interface PolicyOptions extends Partial<Omit<AccessPolicy, 'key'>> {
  /** Shorthand for one rule of one clause of these matches. */
  readonly match?: readonly MatchOptions[];
}

/** An ALLOW policy `shop/policy` for the whole namespace, without rules unless given, so that it matches nothing. */
export function buildPolicy(options: PolicyOptions = {}): AccessPolicy {
  const { match, ...rest } = options;
  const name = options.name ?? 'policy';
  const namespace = options.namespace ?? 'shop';
  return {
    key: policyKey({ namespace, name }),
    name,
    namespace,
    scope: 'namespace',
    action: 'allow',
    rules: match === undefined ? [] : [buildRule([match])],
    dryRun: false,
    ...rest,
  };
}

/** A rule from its clauses, each a list of matches. */
export function buildRule(clauses: readonly (readonly MatchOptions[])[]): PolicyRule {
  return { clauses: clauses.map((matches) => ({ matches: matches.map(buildMatch) })) };
}

export function buildMatch(options: MatchOptions): PolicyMatch {
  return {
    namespaces: field(options.namespaces, options.notNamespaces, buildStringMatch),
    serviceAccounts: field(options.serviceAccounts, options.notServiceAccounts, buildAccountMatch),
    principals: field(options.principals, options.notPrincipals, buildStringMatch),
    sourceIps: field(options.sourceIps, options.notSourceIps, parseCidr),
    destinationIps: field(options.destinationIps, options.notDestinationIps, parseCidr),
    destinationPorts: { any: options.ports ?? [], none: options.notPorts ?? [] },
    ...(isOfRequests(options) ? { http: buildHttpMatch(options) } : {}),
  };
}

function isOfRequests(options: MatchOptions): boolean {
  const names = ['methods', 'notMethods', 'paths', 'notPaths', 'hosts', 'notHosts', 'headers'] as const;
  return names.some((name) => options[name] !== undefined);
}

function buildHttpMatch(options: MatchOptions): HttpPolicyMatch {
  return {
    methods: { any: options.methods ?? [], none: options.notMethods ?? [] },
    paths: field(options.paths, options.notPaths, buildTemplate),
    hosts: field(options.hosts, options.notHosts, buildStringMatch),
    headers: Object.entries(options.headers ?? {}).map(([name, { any, none }]) => ({
      name,
      values: field(any, none, buildStringMatch),
    })),
  };
}

function buildTemplate(text: string): PathTemplate {
  const template = parsePathTemplate(text);
  if (template === null) throw new Error(`${text} is no template`);
  return template;
}

export function buildStringMatch(text: string): StringMatch {
  if (text === '*') return { kind: 'presence' };
  if (text.startsWith('*')) return { kind: 'suffix', value: text.slice(1) };
  if (text.endsWith('*')) return { kind: 'prefix', value: text.slice(0, -1) };
  return { kind: 'exact', value: text };
}

function buildAccountMatch(text: string): ServiceAccountMatch {
  const [namespace = '', serviceAccount = ''] = text.split('/');
  return { namespace, serviceAccount };
}

function field<T>(any: Texts = [], none: Texts = [], build: (text: string) => T): FieldMatch<T> {
  return { any: any.map(build), none: none.map(build) };
}
