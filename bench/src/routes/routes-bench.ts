import { compileHttpRoutes } from '@ambit/mesh/routes';
import { BenchError } from '../errors.ts';
import { ratio, type Summary, summaryOf } from '../measure/summary.ts';
import { formatSummary, markdownTable } from '../report/format.ts';
import { type RoutesCase, routesCases } from './cases.ts';

export interface RoutesBenchOptions {
  readonly rounds: number;
  readonly matchesPerRound: number;
  /** How many routes; the first is what the others are compared with. */
  readonly counts: readonly number[];
  readonly signal: AbortSignal;
  /** CPU time of this process so far, microseconds. */
  readonly cpuUs: () => number;
  /** What its heap holds after a collection. */
  readonly heapBytes: () => number;
}

export interface RoutesResult {
  readonly name: string;
  readonly sizes: readonly {
    readonly count: number;
    /** CPU per match, microseconds. */
    readonly match: Summary;
    /** Of the table beside what it was made from. */
    readonly heapBytes: number;
  }[];
}

export const ROUTES_DEFAULTS = { rounds: 9, matchesPerRound: 100_000, counts: [1, 100, 5000] } as const;

/** Measures what finding a rule costs, with few routes and with many, in interleaved rounds in one process. */
export function runRoutesBench(
  options: RoutesBenchOptions,
  cases: readonly RoutesCase[] = routesCases(),
): readonly RoutesResult[] {
  return cases.map((one) => {
    const sizes = options.counts.map((count) => {
      const routes = one.routes(count);
      const before = options.heapBytes();
      const table = compileHttpRoutes(routes);
      return {
        count,
        table,
        requests: one.requests(count),
        heapBytes: options.heapBytes() - before,
        samples: [] as number[],
      };
    });
    // One round more than is counted: the first compiles the code.
    for (let round = 0; round <= options.rounds; round++) {
      for (const { table, requests, samples } of sizes) {
        options.signal.throwIfAborted();
        const before = options.cpuUs();
        for (let left = options.matchesPerRound; left > 0; left -= requests.length) {
          for (const request of requests) {
            if (table.match(request) === null) throw new BenchError('unreadable-output', 'a request matched nothing');
          }
        }
        if (round > 0) samples.push((options.cpuUs() - before) / options.matchesPerRound);
      }
    }
    return {
      name: one.name,
      sizes: sizes.map(({ count, heapBytes, samples }) => ({ count, heapBytes, match: summaryOf(one.name, samples) })),
    };
  });
}

/** The result as a Markdown table. */
export function routesReport(results: readonly RoutesResult[]): string {
  const rows = results.flatMap(({ name, sizes }) =>
    sizes.map(({ count, match, heapBytes }) => [
      name,
      String(count),
      formatSummary(match),
      (ratio(match, sizes[0]?.match ?? match) ?? Number.NaN).toFixed(2),
      (heapBytes / 1e6).toFixed(1),
    ]),
  );
  return markdownTable(['routes differ', 'routes', 'match, CPU µs', 'to the first', 'table, MB'], rows);
}
