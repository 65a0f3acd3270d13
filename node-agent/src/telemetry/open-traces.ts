import { openOtlpExporter } from '@ambit/mesh/otlp';
import type { AgentParts } from '../app.ts';
import { exportTraces, type TakenSpans } from './trace-export.ts';

/** Exports what the workers record to the collector at `endpoint`, until `stack` is disposed; then what is left, once. */
export async function openTraces(
  { config, clock, logger, workers, metrics }: AgentParts,
  endpoint: string,
  version: string,
  stack: AsyncDisposableStack,
): Promise<void> {
  const exporter = stack.use(
    await openOtlpExporter({
      endpoint,
      version,
      resource: { 'service.name': 'ambit-node-agent', 'service.version': version, 'k8s.node.name': config.nodeName },
      logger: logger.child({ scope: 'traces' }),
    }),
  );
  const stop = new AbortController();
  const take = (max: number): Promise<readonly TakenSpans[]> => workers.callAll('take-spans', { max });
  const exporting = exportTraces({ clock, metrics, exporter, take }, stop.signal);
  // A worker that is lost ends the process anyway.
  exporting.catch(() => {});
  stack.defer(async () => {
    stop.abort();
    await exporting.catch(() => {});
  });
}
