import { BenchError } from '../errors.ts';

/** What one wrk run measured. Latencies in microseconds; `errors` are socket errors plus answers other than 2xx and 3xx. */
export interface RequestLoadResult {
  readonly requests: number;
  readonly durationUs: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Marks the one line that the script prints for us amid wrk's own report. */
const LINE_PREFIX = 'ambit-bench ';

/** Small enough for one frame, large enough that copying counts: the size every published figure uses. */
export const REQUEST_BODY_BYTES = 1024;
export const REQUEST_CONTENT_TYPE = 'application/octet-stream';

const DONE = `function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("${LINE_PREFIX}%d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(50), latency:percentile(99)))
end
`;

/**
 * wrk script: POST with a body of 1 KiB, optionally on a new connection for every request. wrk's own text report rounds
 * latencies, so the script prints exact ones.
 */
export function wrkScript(options: { readonly closeEach: boolean }): string {
  return `wrk.method = "POST"
wrk.body = string.rep("x", ${REQUEST_BODY_BYTES})
wrk.headers["Content-Type"] = "${REQUEST_CONTENT_TYPE}"
${options.closeEach ? 'wrk.headers["Connection"] = "close"' : ''}
${DONE}`;
}

/** wrk script: GET with these headers, with the same line of results. */
export function wrkGetScript(headers: readonly (readonly [name: string, value: string])[]): string {
  const fields = headers.map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}\n`);
  return fields.join('') + DONE;
}

/** wrk's arguments for one thread, which is one core. */
export function wrkArguments(scriptFile: string, url: string, connections: number, seconds: number): string[] {
  // wrk takes whole seconds only; a fraction is asked for through its unit-less minimum of one.
  const duration = `${Math.max(1, Math.round(seconds))}s`;
  return ['-t1', `-c${connections}`, `-d${duration}`, '--timeout', '5s', '-s', scriptFile, url];
}

/** Reads the script's line out of wrk's output. Throws `unreadable-output` when it is missing or nothing was answered. */
export function parseWrkOutput(output: string): RequestLoadResult {
  const line = output.split('\n').find((candidate) => candidate.startsWith(LINE_PREFIX));
  const fields = line?.slice(LINE_PREFIX.length).split(' ').map(Number) ?? [];
  const [requests, durationUs, errors, p50Us, p99Us] = fields;
  if (
    fields.length !== 5 ||
    fields.some((field) => !Number.isFinite(field)) ||
    requests === undefined ||
    durationUs === undefined ||
    errors === undefined ||
    p50Us === undefined ||
    p99Us === undefined ||
    requests === 0 ||
    durationUs === 0
  ) {
    throw new BenchError('unreadable-output', 'wrk did not report a result', { data: { output: output.slice(-500) } });
  }
  return { requests, durationUs, errors, p50Us, p99Us };
}
