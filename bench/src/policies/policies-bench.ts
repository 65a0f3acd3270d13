import { parseIpAddress, parseSpiffeId, type RequestPolicy } from '@ambit/mesh/model';
import { type AccessCaller, Authorizer } from '@ambit/mesh/policies';
import { BenchError } from '../errors.ts';
import { ratio, type Summary, summaryOf } from '../measure/summary.ts';
import { formatSummary, markdownTable } from '../report/format.ts';
import { type PoliciesCase, policiesCases } from './cases.ts';

export interface PoliciesBenchOptions {
  readonly rounds: number;
  readonly requestsPerRound: number;
  /** How many rules; the first is what the others are compared with. */
  readonly counts: readonly number[];
  readonly signal: AbortSignal;
  /** CPU time of this process so far, microseconds. */
  readonly cpuUs: () => number;
}

export interface PoliciesResult {
  readonly name: string;
  readonly sizes: readonly {
    readonly count: number;
    /** CPU per request, microseconds. */
    readonly request: Summary;
    /** The first ones of an identity after a change of policies, which sort out what it can meet. */
    readonly caller: Summary;
  }[];
}

export const POLICIES_DEFAULTS = { rounds: 9, requestsPerRound: 100_000, counts: [1, 100, 1000] } as const;

/** Changes of policies that are measured per round. */
const CHANGES_PER_ROUND = 20;

/** Measures what asking policies costs, with few rules and with many, in interleaved rounds in one process. */
export function runPoliciesBench(
  options: PoliciesBenchOptions,
  cases: readonly PoliciesCase[] = policiesCases(),
): readonly PoliciesResult[] {
  return cases.map((one) => {
    const sizes = options.counts.map((count) => ({
      count,
      policies: one.policies(count),
      authorizer: authorizerOf(one.policies(count)),
      requests: one.requests(count),
      caller: aCaller(),
      request: [] as number[],
      first: [] as number[],
    }));
    // One round more than is counted: the first compiles the code.
    for (let round = 0; round <= options.rounds; round++) {
      for (const { policies, authorizer, requests, caller, request, first } of sizes) {
        options.signal.throwIfAborted();
        const ask = (whom: Authorizer): void => {
          for (const facts of requests) {
            if (whom.decide(caller, facts).refusal !== null) {
              throw new BenchError('unreadable-output', 'a request was refused', { data: { case: one.name } });
            }
          }
        };
        const anew = Array.from({ length: CHANGES_PER_ROUND }, () => authorizerOf(policies));
        const before = options.cpuUs();
        for (const whom of anew) ask(whom);
        const between = options.cpuUs();
        for (let left = options.requestsPerRound; left > 0; left -= requests.length) ask(authorizer);
        if (round === 0) continue;
        first.push((between - before) / CHANGES_PER_ROUND);
        request.push((options.cpuUs() - between) / options.requestsPerRound);
      }
    }
    return {
      name: one.name,
      sizes: sizes.map(({ count, request, first }) => ({
        count,
        request: summaryOf(one.name, request),
        caller: summaryOf(one.name, first),
      })),
    };
  });
}

/** The result as a Markdown table. */
export function policiesReport(results: readonly PoliciesResult[]): string {
  const rows = results.flatMap(({ name, sizes }) =>
    sizes.map(({ count, request, caller }) => [
      name,
      String(count),
      formatSummary(request),
      (ratio(request, sizes[0]?.request ?? request) ?? Number.NaN).toFixed(2),
      formatSummary(caller),
    ]),
  );
  return markdownTable(
    ['rules differ', 'rules', 'request, CPU µs', 'to the first', 'first requests after a change, CPU µs'],
    rows,
  );
}

function authorizerOf(policies: readonly RequestPolicy[]): Authorizer {
  return new Authorizer({ policies, missing: null }, { ports: [8080], address: null });
}

function aCaller(): AccessCaller {
  return { identity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web'), address: parseIpAddress('10.0.0.1') };
}
