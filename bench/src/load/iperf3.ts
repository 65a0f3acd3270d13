import { BenchError } from '../errors.ts';

/** What one bulk upload moved, as counted by the receiver. */
export interface BulkResult {
  readonly bytes: number;
  readonly seconds: number;
}

/** iperf3's arguments for an upload of `seconds` over `streams` parallel connections, with a JSON report. */
export function iperf3Arguments(address: string, port: number, streams: number, seconds: number): string[] {
  return [
    '-c',
    address,
    '-p',
    String(port),
    '-P',
    String(streams),
    '-t',
    String(seconds),
    '-J',
    '--connect-timeout',
    '5000',
  ];
}

/** Reads iperf3's JSON report. Throws `unreadable-output` for a report of an error or without received bytes. */
export function parseIperf3Output(output: string): BulkResult {
  const report = parseObject(output);
  const end = asObject(report?.['end']);
  const received = asObject(end?.['sum_received']);
  const bytes = received?.['bytes'];
  const seconds = received?.['seconds'];
  if (typeof bytes !== 'number' || typeof seconds !== 'number' || bytes <= 0 || seconds <= 0) {
    const said = typeof report?.['error'] === 'string' ? report['error'] : output.slice(0, 300);
    throw new BenchError('unreadable-output', 'iperf3 did not report a result', { data: { said } });
  }
  return { bytes, seconds };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  // Any object may be read by string keys.
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}
