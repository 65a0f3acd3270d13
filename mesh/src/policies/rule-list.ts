import type { PolicyClause, PolicyKey, RequestPolicy } from '../model/access-policy.ts';
import type { RequestFacts } from '../model/authorize.ts';
import { isEmptyMatch } from '../model/authorize.ts';
import { type AccessDestination, type CallerFacts, destinationMatches } from './caller-match.ts';
import { hashOfFirstSegment, type RequestMatch } from './request-match.ts';

/** A rule of a policy, what is left of it for one caller: every clause has a match that holds. */
interface LiveRule {
  readonly order: number;
  readonly policy: PolicyKey;
  /** Clauses that ask about the request; none: it matches. */
  readonly clauses: readonly (readonly RequestMatch[])[];
}

/**
 * The rules of policies of one action that one caller can meet at one destination, in order. Rules that name paths are found by
 * the first segment of the path, so that many of them cost no more than few.
 */
export class RuleList {
  readonly #rest: LiveRule[] = [];
  readonly #bySegment = new Map<number, LiveRule[]>();
  /** What counts where no request is read. */
  readonly #unread: boolean;
  #count = 0;

  /** `unread`: whether what nobody can tell counts as met, which is the stricter way for what refuses. */
  constructor(
    policies: readonly RequestPolicy[],
    caller: CallerFacts,
    destination: AccessDestination,
    unread: boolean,
    compiled: CompiledMatches,
  ) {
    this.#unread = unread;
    for (const policy of policies) {
      for (const { clauses } of policy.rules) {
        const left = liveClauses(clauses, caller, destination, unread, compiled);
        if (left !== null) this.#add({ order: this.#count++, policy: policy.key, clauses: left });
      }
    }
  }

  /** The policy of the first rule that matches; null for none. Without a request, what is asked of one is taken as unread. */
  find(request: RequestFacts | null): PolicyKey | null {
    if (this.#count === 0) return null;
    const rest = this.#first(this.#rest, request);
    if (this.#bySegment.size === 0) return rest?.policy ?? null;
    const inBucket =
      request === null
        ? this.#unreadBucket()
        : this.#first(this.#bySegment.get(hashOfFirstSegment(request.path)) ?? NO_RULES, request);
    if (inBucket === null) return rest?.policy ?? null;
    return rest === null || inBucket.order < rest.order ? inBucket.policy : rest.policy;
  }

  #first(rules: readonly LiveRule[], request: RequestFacts | null): LiveRule | null {
    for (const rule of rules) {
      if (request === null ? this.#unread || rule.clauses.length === 0 : holds(rule, request)) return rule;
    }
    return null;
  }

  /** Any of them counts, or none. */
  #unreadBucket(): LiveRule | null {
    if (!this.#unread) return null;
    let first: LiveRule | null = null;
    for (const rules of this.#bySegment.values()) {
      for (const rule of rules) if (first === null || rule.order < first.order) first = rule;
    }
    return first;
  }

  #add(rule: LiveRule): void {
    const segments = segmentsOf(rule);
    if (segments === null) {
      this.#rest.push(rule);
      return;
    }
    for (const hash of new Set(segments.map((segment) => hashOfFirstSegment(`/${segment}`)))) {
      const rules = this.#bySegment.get(hash);
      if (rules === undefined) this.#bySegment.set(hash, [rule]);
      else rules.push(rule);
    }
  }
}

const NO_RULES: readonly LiveRule[] = [];

/** What matches say of requests, made once for all callers. */
export type CompiledMatches = (match: PolicyClause['matches'][number]) => RequestMatch | null;

/** The clauses that ask about the request; null when one of all cannot be met. */
function liveClauses(
  clauses: readonly PolicyClause[],
  caller: CallerFacts,
  destination: AccessDestination,
  unread: boolean,
  compiled: CompiledMatches,
): readonly (readonly RequestMatch[])[] | null {
  const asking: (readonly RequestMatch[])[] = [];
  for (const { matches } of clauses) {
    if (matches.length === 0) continue;
    const left: RequestMatch[] = [];
    let isTrue = false;
    for (const match of matches) {
      if (isEmptyMatch(match) || !caller.matches(match) || !destinationMatches(match, destination, unread)) continue;
      const request = compiled(match);
      if (request === null) isTrue = true;
      else left.push(request);
    }
    if (isTrue) continue;
    if (left.length === 0) return null;
    asking.push(left);
  }
  return asking;
}

/** First segments one of which the path must have; null when it may have any. */
function segmentsOf({ clauses }: LiveRule): readonly string[] | null {
  for (const matches of clauses) {
    const segments = matches.map(({ firstSegments }) => firstSegments);
    if (segments.every((some) => some !== null)) return segments.flat();
  }
  return null;
}

function holds({ clauses }: LiveRule, request: RequestFacts): boolean {
  for (const matches of clauses) {
    let isMet = false;
    for (const match of matches) {
      isMet = match.holds(request);
      if (isMet) break;
    }
    if (!isMet) return false;
  }
  return true;
}
