export type { OtlpExporter, OtlpExporterOptions } from './otlp-exporter.ts';
export * from './span.ts';
export * from './span-queue.ts';

/** Makes an exporter. Its library is loaded by the first who asks: most processes trace nothing. */
export async function openOtlpExporter(
  options: import('./otlp-exporter.ts').OtlpExporterOptions,
): Promise<import('./otlp-exporter.ts').OtlpExporter> {
  const { OtlpExporter } = await import('./otlp-exporter.ts');
  return new OtlpExporter(options);
}
