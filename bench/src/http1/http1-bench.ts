import { ratio, type Summary, summaryOf } from '../measure/summary.ts';
import { formatSummary, markdownTable } from '../report/format.ts';
import { type Http1Case, http1Cases } from './cases.ts';

export interface Http1BenchOptions {
  readonly rounds: number;
  readonly messagesPerRound: number;
  readonly signal: AbortSignal;
  /** CPU time of this process so far, microseconds. */
  readonly cpuUs: () => number;
}

/** CPU per message. */
export interface Http1Result {
  readonly name: string;
  readonly messageBytes: number;
  readonly ours: Summary;
  readonly llhttp: Summary;
}

export const HTTP1_DEFAULTS = { rounds: 9, messagesPerRound: 100_000 } as const;

/** Measures what Ambit's HTTP/1.1 codec and llhttp cost per message, in interleaved rounds in one process. */
export function runHttp1Bench(
  options: Http1BenchOptions,
  cases: readonly Http1Case[] = http1Cases(),
): readonly Http1Result[] {
  const samples = cases.map((one) => ({ one, ours: [] as number[], llhttp: [] as number[] }));
  // One round more than is counted: the first compiles the code.
  for (let round = 0; round <= options.rounds; round++) {
    for (const { one, ours, llhttp } of samples) {
      options.signal.throwIfAborted();
      const oursUs = measure(one.ours, options);
      const llhttpUs = measure(one.llhttp, options);
      if (round === 0) continue;
      ours.push(oursUs);
      llhttp.push(llhttpUs);
    }
  }
  return samples.map(({ one, ours, llhttp }) => ({
    name: one.name,
    messageBytes: one.messageBytes,
    ours: summaryOf(one.name, ours),
    llhttp: summaryOf(one.name, llhttp),
  }));
}

/** The result as a Markdown table. */
export function http1Report(results: readonly Http1Result[]): string {
  const rows = results.map(({ name, messageBytes, ours, llhttp }) => [
    name,
    String(messageBytes),
    formatSummary(ours),
    formatSummary(llhttp),
    (ratio(ours, llhttp) ?? Number.NaN).toFixed(2),
  ]);
  return markdownTable(['message', 'bytes', 'Ambit, CPU µs', 'llhttp, CPU µs', 'ratio'], rows);
}

function measure(work: () => void, { messagesPerRound, cpuUs }: Http1BenchOptions): number {
  const before = cpuUs();
  for (let left = messagesPerRound; left > 0; left -= 1) work();
  return (cpuUs() - before) / messagesPerRound;
}
