import type {
  AccessPolicy,
  FieldMatch,
  HttpPolicyMatch,
  PolicyClause,
  PolicyKey,
  PolicyMatch,
  StringMatch,
} from './access-policy.ts';
import { type Cidr, cidrContainsBytes, type IpAddress, ipAddressToBytes } from './address.ts';
import type { EffectivePolicies } from './mesh-view.ts';
import type { NormalPath } from './normal-path.ts';
import { templateMatches } from './path-template.ts';
import { type SpiffeId, type SpiffeIdParts, spiffeIdParts } from './spiffe-id.ts';

/** What is known for certain of one connection, from its TLS session and its TCP peers; never from headers. */
export interface ConnectionFacts {
  /** Absent for plaintext: then nothing that names an identity, a namespace or an account matches. */
  readonly sourceIdentity?: SpiffeId;
  /** Other identities that count as that one, of aliases of its trust domain: a principal that names one of them names it. */
  readonly sourceAliases?: readonly SpiffeId[];
  readonly sourceIp: IpAddress;
  readonly destinationIp: IpAddress;
  /** The port the application listens on, not that of the tunnel. */
  readonly destinationPort: number;
}

/** What is known of one request inside of a connection; only who reads requests has it. */
export interface RequestFacts {
  readonly method: string;
  /** As the client named it, in lower case, without a port. A dot at the end does not count. */
  readonly host: string;
  /** The form that is sent on. */
  readonly path: NormalPath;
  /** By name in lower case, lines of one name joined; null when it is not there. */
  header(name: string): string | null;
  /** The same, each line by itself. */
  lines(name: string): readonly string[];
}

/** What a policy in dry run would have done to this connection, had it been enforced together with its like. */
export interface DryRunVerdict {
  readonly policy: PolicyKey;
  readonly would: 'allow' | 'deny';
}

/** Dry-run verdicts never change the verdict. */
export type AuthorizationDecision =
  | { readonly verdict: 'allow'; readonly reason: 'no-allow-policy'; readonly dryRun: readonly DryRunVerdict[] }
  | {
      readonly verdict: 'allow';
      readonly reason: 'allow-policy-matched';
      readonly policy: PolicyKey;
      readonly dryRun: readonly DryRunVerdict[];
    }
  | {
      readonly verdict: 'deny';
      /** `policy-not-received`: the destination names it, it has not arrived, so nobody knows what it forbids. */
      readonly reason: 'deny-policy-matched' | 'policy-not-received';
      readonly policy: PolicyKey;
      readonly dryRun: readonly DryRunVerdict[];
    }
  | { readonly verdict: 'deny'; readonly reason: 'no-allow-policy-matched'; readonly dryRun: readonly DryRunVerdict[] };

/**
 * Whether the policies in force at a destination admit a connection (protocol.md 4.9): any DENY match refuses; then
 * a policy that is referenced but has not arrived refuses, which is stricter than Istio; then without ALLOW policies
 * everything passes, with them only what one of them matches. Called for every connection and on every policy change, and
 * where requests are read for each of them. Without a request, what a policy says of requests is taken in the stricter
 * way: a DENY as if it matched, an ALLOW as if it did not.
 */
export function authorize(
  connection: ConnectionFacts,
  effective: EffectivePolicies,
  request: RequestFacts | null = null,
): AuthorizationDecision {
  const subject = new Subject(connection, request);
  const { policies } = effective;
  const dryRun = dryRunDenials(policies, subject);
  for (const policy of policies) {
    if (policy.action === 'deny' && !policy.dryRun && policyMatches(policy, subject)) {
      return { verdict: 'deny', reason: 'deny-policy-matched', policy: policy.key, dryRun };
    }
  }
  const [missing] = effective.missing;
  if (missing !== undefined) return { verdict: 'deny', reason: 'policy-not-received', policy: missing, dryRun };

  let allowPolicies = 0;
  let allowedBy: PolicyKey | undefined;
  for (const policy of policies) {
    if (policy.action !== 'allow' || policy.dryRun) continue;
    allowPolicies++;
    if (!policyMatches(policy, subject)) continue;
    allowedBy = policy.key;
    break;
  }
  addDryRunAllows(policies, subject, allowedBy !== undefined, dryRun);
  if (allowedBy !== undefined) return { verdict: 'allow', reason: 'allow-policy-matched', policy: allowedBy, dryRun };
  if (allowPolicies === 0) return { verdict: 'allow', reason: 'no-allow-policy', dryRun };
  return { verdict: 'deny', reason: 'no-allow-policy-matched', dryRun };
}

function dryRunDenials(policies: readonly AccessPolicy[], subject: Subject): DryRunVerdict[] {
  const verdicts: DryRunVerdict[] = [];
  for (const policy of policies) {
    if (policy.dryRun && policy.action === 'deny' && policyMatches(policy, subject)) {
      verdicts.push({ policy: policy.key, would: 'deny' });
    }
  }
  return verdicts;
}

/** An ALLOW policy in dry run that matches nothing would refuse, unless another ALLOW policy matched. */
function addDryRunAllows(
  policies: readonly AccessPolicy[],
  subject: Subject,
  allowed: boolean,
  verdicts: DryRunVerdict[],
): void {
  const unmatched: PolicyKey[] = [];
  let anyMatched = allowed;
  for (const policy of policies) {
    if (!policy.dryRun || policy.action !== 'allow') continue;
    if (policyMatches(policy, subject)) {
      anyMatched = true;
      verdicts.push({ policy: policy.key, would: 'allow' });
    } else {
      unmatched.push(policy.key);
    }
  }
  if (anyMatched) return;
  for (const policy of unmatched) verdicts.push({ policy, would: 'deny' });
}

const NO_ALIASES: readonly never[] = [];

function principalOf(identity: SpiffeId): string {
  return identity.slice('spiffe://'.length);
}

/** The connection in the forms that matching needs, each computed at most once and only when some policy asks. */
class Subject {
  readonly port: number;
  /** Under every name it counts as, without `spiffe://`, as policies write principals; none in plaintext. */
  readonly principals: readonly string[];
  readonly request: RequestFacts | null;
  readonly #connection: ConnectionFacts;
  #parts: SpiffeIdParts | undefined;
  #sourceBytes: Uint8Array | undefined;
  #destinationBytes: Uint8Array | undefined;

  constructor(connection: ConnectionFacts, request: RequestFacts | null) {
    this.#connection = connection;
    this.request = request;
    this.port = connection.destinationPort;
    const { sourceIdentity, sourceAliases = NO_ALIASES } = connection;
    this.principals =
      sourceIdentity === undefined ? NO_ALIASES : [principalOf(sourceIdentity), ...sourceAliases.map(principalOf)];
  }

  get parts(): SpiffeIdParts | undefined {
    const identity = this.#connection.sourceIdentity;
    if (identity !== undefined) this.#parts ??= spiffeIdParts(identity);
    return this.#parts;
  }

  get sourceBytes(): Uint8Array {
    this.#sourceBytes ??= ipAddressToBytes(this.#connection.sourceIp);
    return this.#sourceBytes;
  }

  get destinationBytes(): Uint8Array {
    this.#destinationBytes ??= ipAddressToBytes(this.#connection.destinationIp);
    return this.#destinationBytes;
  }
}

/** Any rule whose every clause holds. */
function policyMatches(policy: AccessPolicy, subject: Subject): boolean {
  const unread = policy.action === 'deny';
  return policy.rules.some((rule) => rule.clauses.every((clause) => clauseMatches(clause, subject, unread)));
}

/** `unread`: what counts for conditions on a request where none is read. */
function clauseMatches(clause: PolicyClause, subject: Subject, unread: boolean): boolean {
  if (clause.matches.length === 0) return true;
  return clause.matches.some((match) => !isEmptyMatch(match) && matchHolds(match, subject, unread));
}

/** A match without any condition is skipped rather than true: it is what is left of one that could not be expressed. */
export function isEmptyMatch(match: PolicyMatch): boolean {
  return (
    isEmptyField(match.namespaces) &&
    isEmptyField(match.serviceAccounts) &&
    isEmptyField(match.principals) &&
    isEmptyField(match.sourceIps) &&
    isEmptyField(match.destinationIps) &&
    isEmptyField(match.destinationPorts) &&
    (match.http === undefined || isEmptyHttp(match.http))
  );
}

function isEmptyHttp({ methods, paths, hosts, headers }: HttpPolicyMatch): boolean {
  return isEmptyField(methods) && isEmptyField(paths) && isEmptyField(hosts) && headers.length === 0;
}

function isEmptyField(field: FieldMatch<unknown>): boolean {
  return field.any.length === 0 && field.none.length === 0;
}

function matchHolds(match: PolicyMatch, subject: Subject, unread: boolean): boolean {
  return (
    fieldHolds(match.destinationPorts, (port) => port === subject.port) &&
    fieldHolds(match.principals, (wanted) => subject.principals.some((each) => textMatches(wanted, each))) &&
    fieldHolds(match.namespaces, (wanted) => textMatches(wanted, subject.parts?.namespace)) &&
    fieldHolds(match.serviceAccounts, (wanted) => {
      const parts = subject.parts;
      return parts?.namespace === wanted.namespace && parts.serviceAccount === wanted.serviceAccount;
    }) &&
    fieldHolds(match.sourceIps, (block: Cidr) => cidrContainsBytes(block, subject.sourceBytes)) &&
    fieldHolds(match.destinationIps, (block: Cidr) => cidrContainsBytes(block, subject.destinationBytes)) &&
    (match.http === undefined || (subject.request === null ? unread : httpHolds(match.http, subject.request, unread)))
  );
}

function httpHolds(match: HttpPolicyMatch, request: RequestFacts, unread: boolean): boolean {
  return (
    fieldHolds(match.methods, (method) => method === request.method) &&
    fieldHolds(match.paths, (template) => templateMatches(template, request.path)) &&
    fieldHolds(match.hosts, (wanted) => textMatches(wanted, hostWithoutDot(request.host))) &&
    match.headers.every(({ name, values }) => {
      const holds = (value: string | undefined): boolean => fieldHolds(values, (wanted) => textMatches(wanted, value));
      // Servers take the first line of a name, the last, or all: what refuses holds for any of these, what admits for each.
      const all = [request.header(name) ?? undefined, ...request.lines(name)];
      return unread ? all.some(holds) : all.every(holds);
    })
  );
}

const DOT = 0x2e;

/** `web.shop.` is `web.shop`: resolvers and servers take both for the same, so policies do. */
export function hostWithoutDot(host: string): string {
  const last = host.length - 1;
  return last > 0 && host.charCodeAt(last) === DOT ? host.slice(0, last) : host;
}

/** Whether a value that `matches` knows is one of the field's and none of its negations. */
export function fieldHolds<T>(field: FieldMatch<T>, matches: (value: T) => boolean): boolean {
  return (field.any.length === 0 || field.any.some(matches)) && !field.none.some(matches);
}

/** Nothing matches what is not there. */
export function textMatches(match: StringMatch, text: string | undefined): boolean {
  if (text === undefined) return false;
  switch (match.kind) {
    case 'exact':
      return text === match.value;
    case 'prefix':
      return text.startsWith(match.value);
    case 'suffix':
      return text.endsWith(match.value);
    case 'presence':
      return true;
  }
}
