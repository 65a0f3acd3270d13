import type { SpanExport, SpanRecord } from '@ambit/mesh/otlp';
import type { Clock, Metrics } from '@ambit/mesh/runtime';
import { agentMetrics } from './agent-metrics.ts';

export interface TraceExportOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly exporter: SpanExport;
  /** Takes up to so many of every worker, with how many it has dropped since it began. */
  readonly take: (max: number) => Promise<readonly TakenSpans[]>;
}

/** Of one worker. */
export interface TakenSpans {
  readonly spans: readonly SpanRecord[];
  readonly dropped: number;
}

/** Recorded connections that wait in one worker; beyond it they are dropped. */
export const SPANS_WAITING_MAX = 8192;
const BATCH_MAX = 2048;
const EVERY_MS = 1000;
/** A collector that does not answer must not hold up the end of the process. */
const LAST_MS = 2000;

/** Hands the spans of the workers to a collector, one batch at a time, until it is disposed of: then what is left, once, if there is time. */
export function startTraceExport(options: TraceExportOptions): AsyncDisposable {
  const stop = new AbortController();
  // A worker that is lost ends the process anyway.
  const exporting = exportTraces(options, stop.signal).catch(() => undefined);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      const late = Promise.withResolvers<void>();
      using _timer = options.clock.setTimer(LAST_MS, late.resolve);
      await Promise.race([exporting, late.promise]);
    },
  };
}

async function exportTraces(options: TraceExportOptions, signal: AbortSignal): Promise<void> {
  const { clock, metrics, take, exporter } = options;
  const { spans: counts } = metrics.register({ spans: agentMetrics.traceSpans });
  let droppedBefore = 0;
  for (let isLast = false; !isLast; ) {
    await clock.sleep(EVERY_MS, signal).catch(() => undefined);
    isLast = signal.aborted;
    const taken = await take(BATCH_MAX);
    const dropped = taken.reduce((sum, one) => sum + one.dropped, 0);
    if (dropped > droppedBefore) counts.add(['dropped'], dropped - droppedBefore);
    droppedBefore = dropped;
    const spans = taken.flatMap((one) => one.spans);
    if (spans.length > 0) counts.add([await exporter.export(spans)], spans.length);
  }
}
