import { openOtlpExporter } from '@ambit/mesh/otlp';
import type { AgentParts } from '../app.ts';
import { startTraceExport, type TakenSpans } from './trace-export.ts';

/** Exports what the workers record to the collector at `endpoint`, until `stack` is disposed; then what is left, once. */
export async function openTraces(
  { config, clock, logger, workers, metrics }: AgentParts,
  endpoint: string,
  version: string,
  stack: AsyncDisposableStack,
): Promise<void> {
  const exporter = await openOtlpExporter({
    endpoint,
    version,
    resource: { 'service.name': 'ambit-node-agent', 'service.version': version, 'k8s.node.name': config.nodeName },
    logger: logger.child({ scope: 'traces' }),
  });
  const take = (max: number): Promise<readonly TakenSpans[]> => workers.callAll('take-spans', { max });
  stack.use(startTraceExport({ clock, metrics, exporter, take }));
}
