import type { OtlpExporter, OtlpExporterOptions } from './otlp-exporter.ts';

/** Makes an exporter. Its library is loaded by the first who asks: most processes trace nothing. */
export async function openOtlpExporter(options: OtlpExporterOptions): Promise<OtlpExporter> {
  const exporter = await import('./otlp-exporter.ts');
  return new exporter.OtlpExporter(options);
}
