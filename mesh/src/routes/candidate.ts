import { parseRegex } from './regex.ts';
import type { CompiledRule } from './compile-rule.ts';
import { queryParam } from './query-param.ts';
import type { RouteRequest } from './route-request.ts';
import type { NamedMatch } from './rule.ts';

type Test = (text: string) => boolean;

interface NamedTest {
  readonly name: string;
  /** What the value must be; null when `test` says. */
  readonly exact: string | null;
  readonly test: Test;
}

/** One match of one rule, ready to be tried; where it stands in an index says what its path must be. */
export interface Candidate<B> {
  readonly rule: CompiledRule<B>;
  /** The path that counts as matched: what ReplacePrefixMatch replaces and where a session's cookie is sent to. */
  readonly prefix: string;
  readonly method: string | null;
  readonly headers: readonly NamedTest[];
  readonly queryParams: readonly NamedTest[];
  /** Beyond the place in the index; null when that says it all. */
  readonly pathTest: Test | null;
  readonly precedence: Precedence;
}

/** What decides between matches that hold for one request and whose hostnames are alike, in this order. */
export interface Precedence {
  /** Characters of what the path is compared with: within one place of the index, more is more specific. */
  readonly pathLengths: readonly number[];
  readonly hasMethod: boolean;
  readonly headerCount: number;
  readonly queryParamCount: number;
  readonly createdMs: number;
  /** `namespace/name` of the route. */
  readonly routeKey: string;
  readonly ruleIndex: number;
  readonly matchIndex: number;
}

/** Negative when `a` goes first. */
export function comparePrecedence(a: Precedence, b: Precedence): number {
  for (let index = 0; index < a.pathLengths.length; index++) {
    const difference = (b.pathLengths[index] ?? 0) - (a.pathLengths[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return (
    Number(b.hasMethod) - Number(a.hasMethod) ||
    b.headerCount - a.headerCount ||
    b.queryParamCount - a.queryParamCount ||
    a.createdMs - b.createdMs ||
    compareText(a.routeKey, b.routeKey) ||
    a.ruleIndex - b.ruleIndex ||
    a.matchIndex - b.matchIndex
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Whether everything but the place in the index holds. */
export function candidateHolds<B>(candidate: Candidate<B>, request: RouteRequest): boolean {
  if (candidate.method !== null && candidate.method !== request.method) return false;
  for (const header of candidate.headers) {
    if (!headerHolds(header, request)) return false;
  }
  for (const param of candidate.queryParams) {
    const value = queryParam(request.query, param.name);
    if (value === null || !valueHolds(param, value)) return false;
  }
  return candidate.pathTest === null || candidate.pathTest(request.path);
}

function headerHolds({ name, exact, test }: NamedTest, request: RouteRequest): boolean {
  if (exact !== null) return request.headerIs(name, exact);
  const value = request.header(name);
  return value !== null && test(value);
}

function valueHolds({ exact, test }: NamedTest, value: string): boolean {
  return exact === null ? test(value) : exact === value;
}

export function namedTests(matches: readonly NamedMatch[]): readonly NamedTest[] {
  return matches.map(({ name, value }) =>
    value.kind === 'exact'
      ? { name, exact: value.value, test: never }
      : { name, exact: null, test: regexTest(value.source) },
  );
}

const never: Test = () => false;

/** An expression that was checked when it was read; one that cannot be used all the same matches nothing. */
export function regexTest(source: string): Test {
  const parsed = parseRegex(source);
  if (parsed.kind === 'fault') return never;
  const { regex } = parsed;
  const literal = literalPrefix(source);
  if (literal === '') return (text) => regex.matches(text);
  return (text) => text.startsWith(literal) && regex.matches(text);
}

/** Characters that every text begins with that the expression matches: a test of them is a hundred times cheaper. */
export function literalPrefix(source: string): string {
  if (source.includes('|')) return '';
  const start = source.startsWith('^') ? 1 : 0;
  const found = source.slice(start).search(/[^ -~]|[\\^$.[\](){}*+?]/);
  if (found === -1) return source.slice(start);
  // What a quantifier follows may be absent; beyond ASCII that may be more than one unit of the text.
  const end = start + found;
  return source.slice(start, '*+?{'.includes(source.charAt(end)) ? Math.max(start, end - 1) : end);
}
