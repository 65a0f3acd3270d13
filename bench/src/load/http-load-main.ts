/**
 * Closed-loop HTTP/1.1 load through HBONE tunnels: `node http-load-main.ts OPTIONS`, options and result as one line of JSON each.
 * Every stream has one request under way; what is answered before the clock starts does not count.
 */
import net from 'node:net';
import { readFileSync } from 'node:fs';
import { connectHbone, type Carrier, type HboneSession } from '@ambit/mesh/hbone';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { readCpuSeconds } from '../measure/process-usage.ts';
import { parseSvid, parseTrustBundle, secureContextOf } from '@ambit/mesh/tls';

export interface HttpLoadOptions {
  readonly host: string;
  readonly port: number;
  /** Of the tunnels: the service that is asked for. */
  readonly authority: string;
  readonly connections: number;
  readonly streams: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** The whole request. */
  readonly request: string;
  readonly certificate: string;
  readonly key: string;
  readonly roots: string;
  /** Processes whose CPU is measured while requests count. */
  readonly cpuOf?: readonly number[];
}

export interface HttpLoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuSeconds?: number;
}

/** Latencies in steps of a microsecond; slower ones count as this. */
const SLOWEST_US = 2_000_000;

class Stream {
  readonly #carrier: Carrier;
  readonly #request: Buffer;
  readonly #onAnswer: (latencyMs: number, isOk: boolean) => void;
  #head = Buffer.alloc(0);
  #left = -1;
  #startMs = 0;

  constructor(carrier: Carrier, request: Buffer, onAnswer: Stream['onAnswer']) {
    this.#carrier = carrier;
    this.#request = request;
    this.#onAnswer = onAnswer;
  }

  get onAnswer(): (latencyMs: number, isOk: boolean) => void {
    return this.#onAnswer;
  }

  start(): void {
    this.#carrier.read({
      onBytes: (memory, start, end) => this.#take(memory, start, end),
      onEnd: () => fail('a stream ended'),
      onClose: () => fail('a stream was closed'),
    });
    this.#ask();
  }

  #ask(): void {
    this.#startMs = performance.now();
    this.#carrier.write(this.#request);
  }

  #take(memory: Buffer, start: number, end: number): void {
    if (this.#left >= 0) {
      this.#body(end - start);
      return;
    }
    const bytes =
      this.#head.length === 0 ? memory.subarray(start, end) : Buffer.concat([this.#head, memory.subarray(start, end)]);
    const at = bytes.indexOf('\r\n\r\n');
    if (at < 0) {
      this.#head = Buffer.from(bytes);
      return;
    }
    this.#head = Buffer.alloc(0);
    const head = bytes.toString('latin1', 0, at);
    const length = /\r\ncontent-length: ?(\d+)/i.exec(head);
    if (!head.startsWith('HTTP/1.1 200') || length === null) fail(`an unexpected answer: ${head}`);
    this.#left = Number(length?.[1]);
    this.#body(bytes.length - at - 4);
  }

  #body(bytes: number): void {
    this.#left -= bytes;
    if (this.#left > 0) return;
    const isOk = this.#left === 0;
    this.#left = -1;
    this.#onAnswer(performance.now() - this.#startMs, isOk);
    this.#ask();
  }
}

function fail(reason: string): void {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}

async function main(options: HttpLoadOptions): Promise<HttpLoadResult> {
  const svid = parseSvid({
    privateKeyPem: readFileSync(options.key, 'utf8'),
    chainPem: readFileSync(options.certificate, 'utf8'),
    trustBundle: parseTrustBundle([readFileSync(options.roots, 'utf8')]),
  });
  const request = Buffer.from(options.request, 'latin1');
  const sessions: HboneSession<string>[] = [];
  for (let i = 0; i < options.connections; i += 1) {
    sessions.push(
      await connectHbone<string>({
        clock: systemClock,
        logger: silentLogger,
        openSocket: () => net.connect({ host: options.host, port: options.port, noDelay: true }).on('error', () => {}),
        secureContext: secureContextOf(svid),
        verifyPeer: () => '',
      }),
    );
  }
  const counts = new Uint32Array(SLOWEST_US + 1);
  let measuring = false;
  let requests = 0;
  let errors = 0;
  const onAnswer = (latencyMs: number, isOk: boolean): void => {
    if (!measuring) return;
    requests += 1;
    if (!isOk) errors += 1;
    const at = Math.min(SLOWEST_US, Math.round(latencyMs * 1000));
    counts[at] = (counts[at] ?? 0) + 1;
  };
  for (let i = 0; i < options.streams; i += 1) {
    const session = sessions[i % sessions.length];
    const opened = await session?.openTunnel({ authority: options.authority, headers: [] });
    if (opened !== undefined) new Stream(opened.stream, request, onAnswer).start();
  }
  await systemClock.sleep(options.warmUpMs);
  const cpuOf = options.cpuOf ?? [];
  const cpuBefore = readCpuSeconds(cpuOf);
  measuring = true;
  const start = performance.now();
  await systemClock.sleep(options.durationMs);
  measuring = false;
  const seconds = (performance.now() - start) / 1000;
  const cpuSeconds = readCpuSeconds(cpuOf) - cpuBefore;
  const percentile = (share: number): number => {
    let left = requests * share;
    for (const [us, count] of counts.entries()) {
      left -= count;
      if (left <= 0) return us;
    }
    return SLOWEST_US;
  };
  return { requests, seconds, errors, p50Us: percentile(0.5), p99Us: percentile(0.99), cpuSeconds };
}

const [text] = process.argv.slice(2);
if (text !== undefined) {
  const result = await main(JSON.parse(text));
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
}
