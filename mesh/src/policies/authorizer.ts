import type { PolicyKey, PolicyMatch, RequestPolicy } from '../model/access-policy.ts';
import type { RequestFacts } from '../model/authorize.ts';
import { type AccessCaller, type AccessDestination, CallerFacts } from './caller-match.ts';
import type { RequestPolicies } from './policy-set.ts';
import { RequestMatch } from './request-match.ts';
import { type CompiledMatches, RuleList } from './rule-list.ts';

export type { AccessCaller, AccessDestination } from './caller-match.ts';

/** What a policy that decides nothing has to tell of a request. */
export interface PolicyNote {
  readonly policy: PolicyKey;
  /** An Audit policy matched; or what one in dry run would have done, were it enforced together with its like. */
  readonly effect: 'audit' | 'dry-run-allow' | 'dry-run-deny';
}

/** `access-denied`: a Deny matched, or no Allow did. `policy-missing`: nobody knows what holds, so nothing is let through. */
export type AccessRefusal = 'access-denied' | 'policy-missing';

/** Notes never change the verdict. The same object every time where there is no note. */
export interface AccessVerdict {
  /** Null: allowed. */
  readonly refusal: AccessRefusal | null;
  /** What decided: a policy, or the name of what is missing; empty when no policy says anything, or no Allow matched. */
  readonly by: string;
  readonly notes: readonly PolicyNote[];
}

/** Identities whose rules are kept; when there are more, all are sorted out anew. */
const IDENTITIES_MAX = 1024;

const NO_NOTES: readonly PolicyNote[] = [];

/**
 * Whether callers may do what they ask for at one destination: as `authorize` decides, and besides Audit. Deny comes before
 * whatever is missing, that before Allow. Made once for policies; the first request of an identity sorts out what later
 * ones can meet, and these make no object unless there is something to tell.
 */
export class Authorizer {
  readonly #policies: RequestPolicies;
  readonly #destination: AccessDestination;
  /** By connection. */
  readonly #callers = new WeakMap<AccessCaller, CallerRules>();
  readonly #byIdentity = new Map<string, CallerRules>();
  readonly #asksForAddress: boolean;
  readonly #matches = new Map<PolicyMatch, RequestMatch>();

  constructor(policies: RequestPolicies, destination: AccessDestination) {
    this.#policies = policies;
    this.#destination = destination;
    this.#asksForAddress = policies.policies.some(({ rules }) =>
      rules.some(({ clauses }) =>
        clauses.some(({ matches }) =>
          matches.some(({ sourceIps }) => sourceIps.any.length > 0 || sourceIps.none.length > 0),
        ),
      ),
    );
  }

  /** `caller` is the same object for all requests of a connection. Null for what is no request: bytes of some other protocol. */
  decide(caller: AccessCaller, request: RequestFacts | null): AccessVerdict {
    let rules = this.#callers.get(caller);
    if (rules === undefined) {
      rules = this.#rulesFor(caller);
      this.#callers.set(caller, rules);
    }
    return rules.decide(request);
  }

  /** Connections of one identity share what has been sorted out, from wherever they come unless some policy asks for that. */
  #rulesFor(caller: AccessCaller): CallerRules {
    const key = `${caller.identity ?? ''} ${this.#asksForAddress ? caller.address : ''}`;
    let rules = this.#byIdentity.get(key);
    if (rules === undefined) {
      rules = new CallerRules(this.#policies, new CallerFacts(caller), this.#destination, this.#compiled);
      if (this.#byIdentity.size >= IDENTITIES_MAX) this.#byIdentity.clear();
      this.#byIdentity.set(key, rules);
    }
    return rules;
  }

  readonly #compiled: CompiledMatches = (match) => {
    if (match.http === undefined) return null;
    let compiled = this.#matches.get(match);
    if (compiled === undefined) {
      compiled = new RequestMatch(match.http);
      this.#matches.set(match, compiled);
    }
    return compiled;
  };
}

/** What the policies say of one caller. */
class CallerRules {
  readonly #deny: RuleList;
  /** Null: no Allow policy, so everything is allowed. */
  readonly #allow: RuleList | null;
  /** Of Audit and of Deny in dry run, by policy. */
  readonly #telling: readonly (readonly [PolicyNote, RuleList])[];
  /** Of Allow in dry run, by policy. */
  readonly #dryAllow: readonly (readonly [PolicyKey, RuleList])[];
  readonly #missing: string | null;
  readonly #verdicts = new Map<string, AccessVerdict>();
  /** Most often the next one as well. */
  #last: AccessVerdict = { refusal: null, by: '', notes: NO_NOTES };

  constructor(
    { policies, missing }: RequestPolicies,
    caller: CallerFacts,
    destination: AccessDestination,
    compiled: CompiledMatches,
  ) {
    const rulesOf = (some: readonly RequestPolicy[], unread: boolean): RuleList =>
      new RuleList(some, caller, destination, unread, compiled);
    const those = (action: RequestPolicy['action'], dryRun: boolean): readonly RequestPolicy[] =>
      policies.filter((policy) => policy.action === action && policy.dryRun === dryRun);
    const allow = those('allow', false);
    this.#deny = rulesOf(those('deny', false), true);
    this.#allow = allow.length === 0 ? null : rulesOf(allow, false);
    this.#telling = [
      ...policies
        .filter(({ action }) => action === 'audit')
        .map((policy) => [{ policy: policy.key, effect: 'audit' }, policy] as const),
      ...those('deny', true).map((policy) => [{ policy: policy.key, effect: 'dry-run-deny' }, policy] as const),
    ].map(([note, policy]) => [note, rulesOf([policy], true)]);
    this.#dryAllow = those('allow', true).map((policy) => [policy.key, rulesOf([policy], false)]);
    this.#missing = missing;
  }

  decide(request: RequestFacts | null): AccessVerdict {
    let notes = NO_NOTES;
    for (const [note, rules] of this.#telling) if (rules.find(request) !== null) notes = [...notes, note];
    const denied = this.#deny.find(request);
    if (denied !== null) return this.#verdict('access-denied', denied, notes);
    if (this.#missing !== null) return this.#verdict('policy-missing', this.#missing, notes);
    const allowed = this.#allow?.find(request) ?? null;
    if (this.#dryAllow.length > 0) notes = this.#dryAllowNotes(request, allowed !== null, notes);
    return this.#verdict(this.#allow === null || allowed !== null ? null : 'access-denied', allowed ?? '', notes);
  }

  /** An Allow policy in dry run that matches nothing would refuse, unless another Allow policy matched. */
  #dryAllowNotes(request: RequestFacts | null, allowed: boolean, before: readonly PolicyNote[]): readonly PolicyNote[] {
    const found = this.#dryAllow.map(([policy, rules]) => ({ policy, matches: rules.find(request) !== null }));
    const anyMatched = allowed || found.some(({ matches }) => matches);
    const matching = found.filter(({ matches }) => matches);
    const others = anyMatched ? [] : found;
    return [
      ...before,
      ...matching.map(({ policy }) => ({ policy, effect: 'dry-run-allow' as const })),
      ...others.map(({ policy }) => ({ policy, effect: 'dry-run-deny' as const })),
    ];
  }

  #verdict(refusal: AccessRefusal | null, by: string, notes: readonly PolicyNote[]): AccessVerdict {
    if (notes.length > 0) return { refusal, by, notes };
    const last = this.#last;
    if (last.by === by && last.refusal === refusal) return last;
    const known = this.#verdicts.get(by);
    const verdict = known?.refusal === refusal ? known : { refusal, by, notes };
    this.#verdicts.set(by, verdict);
    this.#last = verdict;
    return verdict;
  }
}
