import { ratio, type Summary, summaryOf } from '../measure/summary.ts';
import { formatSummary, markdownTable } from '../report/format.ts';
import { type Http2Case, http2Cases, type Load } from './cases.ts';

export interface Http2BenchOptions {
  readonly rounds: number;
  readonly requestsPerRound: number;
  readonly signal: AbortSignal;
  /** CPU time of this process so far, microseconds. */
  readonly cpuUs: () => number;
}

/** CPU per request, that of the other end, which is the same for both, included. */
export interface Http2Result {
  readonly name: string;
  readonly streams: number;
  readonly ours: Summary;
  readonly node: Summary;
}

export const HTTP2_DEFAULTS = { rounds: 7, requestsPerRound: 20_000 } as const;

/** Measures what a request costs with Ambit's HTTP/2 and with `node:http2`, in interleaved rounds in one process. */
export async function runHttp2Bench(
  options: Http2BenchOptions,
  cases: readonly Http2Case[] = http2Cases(),
): Promise<readonly Http2Result[]> {
  const results: Http2Result[] = [];
  for (const one of cases) {
    await using ours = await one.ours();
    await using node = await one.node();
    const samples = { ours: [] as number[], node: [] as number[] };
    // One round more than is counted: the first compiles the code.
    for (let round = 0; round <= options.rounds; round += 1) {
      options.signal.throwIfAborted();
      const oursUs = await measure(ours, one.streams, options);
      const nodeUs = await measure(node, one.streams, options);
      if (round === 0) continue;
      samples.ours.push(oursUs);
      samples.node.push(nodeUs);
    }
    const { name, streams } = one;
    results.push({ name, streams, ours: summaryOf(name, samples.ours), node: summaryOf(name, samples.node) });
  }
  return results;
}

/** The result as a Markdown table. */
export function http2Report(results: readonly Http2Result[]): string {
  const rows = results.map(({ name, streams, ours, node }) => [
    name,
    String(streams),
    formatSummary(ours),
    formatSummary(node),
    (ratio(ours, node) ?? Number.NaN).toFixed(2),
  ]);
  return markdownTable(['work', 'streams', 'Ambit, CPU µs', 'node:http2, CPU µs', 'ratio'], rows);
}

async function measure(load: Load, streams: number, { requestsPerRound, cpuUs }: Http2BenchOptions): Promise<number> {
  const batches = Math.max(1, Math.floor(requestsPerRound / streams));
  const before = cpuUs();
  for (let left = batches; left > 0; left -= 1) await load.ask(streams);
  return (cpuUs() - before) / (batches * streams);
}
