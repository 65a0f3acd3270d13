import type { PolicyClause, PolicyKey, RequestPolicy } from '../model/access-policy.ts';
import type { RequestFacts } from '../model/authorize.ts';
import { isEmptyMatch } from '../model/authorize.ts';
import { type AccessDestination, type CallerFacts, destinationMatches } from './caller-match.ts';
import type { RequestMatch } from './request-match.ts';

/** A rule of a policy, what is left of it for one caller: every clause has a match that holds. */
interface LiveRule {
  readonly order: number;
  readonly policy: PolicyKey;
  /** Clauses that ask about the request; none: it matches. */
  readonly clauses: readonly (readonly RequestMatch[])[];
}

/**
 * The rules of policies of one action that one caller can meet at one destination, in order. Rules that name paths are found by
 * what the path begins with, so that many of them cost no more than few.
 */
export class RuleList {
  readonly #all: LiveRule[] = [];
  /** Those that any path may meet. */
  readonly #rest: LiveRule[] = [];
  /** By the hash of the segments that a path begins with. */
  readonly #byPrefix = new Map<number, LiveRule[]>();
  #depthMax = 0;
  /** What counts where no request is read. */
  readonly #unread: boolean;

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
        if (left !== null) this.#add({ order: this.#all.length, policy: policy.key, clauses: left });
      }
    }
  }

  /** The policy of the first rule that matches; null for none. Without a request, what is asked of one is taken as unread. */
  find(request: RequestFacts | null): PolicyKey | null {
    if (request === null) {
      const met = this.#all.find(({ clauses }) => this.#unread || clauses.length === 0);
      return met?.policy ?? null;
    }
    if (this.#all.length <= FEW_RULES) return firstOf(this.#all, request, this.#unread)?.policy ?? null;
    const found = firstOf(this.#rest, request, this.#unread);
    const below = this.#depthMax === 0 ? null : this.#findByPath(request);
    if (below === null || (found !== null && found.order < below.order)) return found?.policy ?? null;
    return below.policy;
  }

  /** Looks at each number of segments that the path begins with, as far as rules go. */
  #findByPath(request: RequestFacts): LiveRule | null {
    const { path } = request;
    let found: LiveRule | null = null;
    let hash = 0;
    let depth = 0;
    let skips = false;
    for (let at = 1; at <= path.length && depth < this.#depthMax; at++) {
      // Asking past the end would make it slow everywhere.
      const code = at === path.length ? SLASH : path.charCodeAt(at);
      if (code === SLASH) {
        depth++;
        skips = false;
        hash = hashWithSlash(hash);
        const one = firstOf(this.#byPrefix.get(hash) ?? NO_RULES, request, this.#unread);
        if (one !== null && (found === null || one.order < found.order)) found = one;
      } else if (code === SEMICOLON) skips = true;
      else if (!skips) hash = hashWith(hash, code);
    }
    return found;
  }

  #add(rule: LiveRule): void {
    this.#all.push(rule);
    const prefixes = prefixesOf(rule);
    if (prefixes === null) {
      this.#rest.push(rule);
      return;
    }
    for (const prefix of prefixes) this.#depthMax = Math.max(this.#depthMax, prefix.length);
    for (const hash of new Set(prefixes.map(hashOf))) {
      const rules = this.#byPrefix.get(hash);
      if (rules === undefined) this.#byPrefix.set(hash, [rule]);
      else rules.push(rule);
    }
  }
}

const SLASH = 0x2f;
const SEMICOLON = 0x3b;
/** To look at so many costs less than to find out which of them a path may meet. */
const FEW_RULES = 4;
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

/** What the path must begin with, one of these; null when with anything. */
function prefixesOf({ clauses }: LiveRule): readonly (readonly string[])[] | null {
  for (const matches of clauses) {
    const prefixes = matches.map(({ literalPrefixes }) => literalPrefixes);
    if (prefixes.every((some) => some !== null)) return prefixes.flat();
  }
  return null;
}

function hashOf(segments: readonly string[]): number {
  let hash = 0;
  for (const segment of segments) {
    for (let at = 0; at < segment.length; at++) hash = hashWith(hash, segment.charCodeAt(at));
    hash = hashWithSlash(hash);
  }
  return hash;
}

function hashWithSlash(hash: number): number {
  return hashWith(hash, SLASH);
}

function hashWith(hash: number, code: number): number {
  return (Math.imul(hash, 31) + code) | 0;
}

function firstOf(rules: readonly LiveRule[], request: RequestFacts, unread: boolean): LiveRule | null {
  for (const rule of rules) if (holds(rule, request, unread)) return rule;
  return null;
}

function holds({ clauses }: LiveRule, request: RequestFacts, unread: boolean): boolean {
  for (const matches of clauses) {
    let isMet = false;
    for (const match of matches) {
      isMet = match.holds(request, unread);
      if (isMet) break;
    }
    if (!isMet) return false;
  }
  return true;
}
