import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BenchError } from '../errors.ts';
import { pinnedCommand } from '../host/child-processes.ts';
import { runCommand } from '../host/command.ts';
import type { BulkLoadOptions } from '../load/bulk-load-main.ts';
import type { Http2LoadOptions } from '../load/http2-load-main.ts';
import type { HttpLoadOptions } from '../load/http-load-main.ts';
import type { HttpLoadResult } from '../load/meter.ts';
import type { TunnelLoadOptions } from '../load/tunnels.ts';
import { parseWrkOutput, wrkArguments, wrkGetScript } from '../load/wrk.ts';
import { foreignCpuSeconds, takeCpuSnapshot } from '../measure/foreign-cpu.ts';
import { readCpuSeconds } from '../measure/process-usage.ts';
import {
  BODY_PATH,
  GRPC_PATH,
  GRPC_STREAM_PATH,
  HBONE_PORT,
  type L7Peer,
  type L7Site,
  LOAD_CORE,
  PLAIN_PORT,
  REQUEST_HEADERS,
  REQUEST_PATH,
  type RunningL7Peer,
  SERVICE_A,
} from './peer.ts';
import type { L7Load } from './plan.ts';
import type { L7Sample } from './samples.ts';

/** Time a load may take beyond its nominal duration. */
const OVERTIME_MS = 30_000;
const ERROR_SHARE_MAX = 0.001;
/** Until all tunnels are open and their first requests answered. */
const SETTLE_MS = 500;

export interface L7LoadRun {
  readonly peer: L7Peer;
  readonly running: RunningL7Peer;
  readonly site: L7Site;
  readonly load: L7Load;
  readonly round: number;
  readonly seconds: number;
  /** Process id of the bench: its descendants are not foreign. */
  readonly ownPid: number;
  readonly node: string;
  readonly signal: AbortSignal;
}

/** Runs one load and returns what it measured. Throws `peer-failed` when the peer lost requests or died: such a run has no figure. */
export async function runL7Load(run: L7LoadRun): Promise<L7Sample> {
  const { running, peer, load } = run;
  running.assertAlive();
  const others = takeCpuSnapshot();
  const measured = load.kind === 'hbone' ? await runHbone(run) : await runPlain(run);
  running.assertAlive();
  if (measured.errors > measured.requests * ERROR_SHARE_MAX) {
    throw new BenchError('peer-failed', 'a peer lost requests', {
      data: { peer: peer.name, load: load.name, errors: measured.errors, requests: measured.requests },
    });
  }
  const { requests, seconds, p50Us, p99Us, cpuSeconds } = measured;
  return {
    peer: peer.name,
    load: load.name,
    round: run.round,
    requests,
    seconds,
    p50Us,
    p99Us,
    cpuSeconds,
    foreignCpuSeconds: foreignCpuSeconds(others, takeCpuSnapshot(), run.ownPid),
  };
}

type Measured = HttpLoadResult & { readonly cpuSeconds: number };

const MESSAGE_BYTES = 1024;
const MESSAGES_UNDER_WAY = 16;
const BODY_BYTES = 1024 * 1024 * 1024;

async function runHbone(run: L7LoadRun): Promise<Measured> {
  const { name, options } = generatorOf(run);
  const program = join(import.meta.dirname, '../load', name);
  const output = await generate(run, [run.node, '--conditions=source', program, JSON.stringify(options)]);
  const result: HttpLoadResult = JSON.parse(output);
  return { ...result, cpuSeconds: result.cpuSeconds ?? 0 };
}

/** The program that makes the load, and what it is told. */
function generatorOf({ site, load, seconds, running }: L7LoadRun): {
  readonly name: string;
  readonly options: HttpLoadOptions | Http2LoadOptions | BulkLoadOptions;
} {
  const { certificates } = site;
  const tunnels: TunnelLoadOptions = {
    host: site.pair.serverAddress,
    port: HBONE_PORT,
    authority: `${SERVICE_A.address}:${SERVICE_A.port}`,
    connections: load.connections,
    warmUpMs: SETTLE_MS,
    durationMs: seconds * 1000,
    certificate: certificates.client.certificate,
    key: certificates.client.key,
    roots: certificates.authority,
    cpuOf: running.pids,
  };
  const { streams, traffic } = load;
  switch (traffic) {
    case 'http1':
      return { name: 'http-load-main.ts', options: { ...tunnels, streams, request: head('GET', REQUEST_PATH) } };
    case 'http2':
    case 'grpc':
    case 'grpc-stream': {
      const call = traffic === 'http2' ? 'get' : traffic;
      const path = { http2: REQUEST_PATH, grpc: GRPC_PATH, 'grpc-stream': GRPC_STREAM_PATH }[traffic];
      const fields = REQUEST_HEADERS.filter(([field]) => field !== 'Host').map(
        ([field, value]) => [field.toLowerCase(), value] as const,
      );
      const requestAuthority = SERVICE_A.hostname;
      const messages = { messageBytes: MESSAGE_BYTES, messagesUnderWay: MESSAGES_UNDER_WAY };
      return {
        name: 'http2-load-main.ts',
        options: { ...tunnels, streams, call, path, fields, requestAuthority, ...messages },
      };
    }
    case 'download':
    case 'upload': {
      const request =
        traffic === 'download'
          ? head('GET', `${BODY_PATH}${BODY_BYTES}`)
          : head('POST', REQUEST_PATH, `Content-Length: ${BODY_BYTES}\r\n`);
      return { name: 'bulk-load-main.ts', options: { ...tunnels, direction: traffic, bodyBytes: BODY_BYTES, request } };
    }
  }
}

function head(method: string, path: string, more = ''): string {
  const fields = REQUEST_HEADERS.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${path} HTTP/1.1\r\n${fields}${more}\r\n`;
}

async function runPlain(run: L7LoadRun): Promise<Measured> {
  const { site, load, seconds, running } = run;
  const script = join(site.directory, `${load.name}.lua`);
  writeFileSync(script, wrkGetScript(REQUEST_HEADERS));
  const url = `http://${site.pair.serverAddress}:${PLAIN_PORT}${REQUEST_PATH}`;
  const before = readCpuSeconds(running.pids);
  const output = await generate(run, ['wrk', ...wrkArguments(script, url, load.connections, seconds)]);
  const cpuSeconds = readCpuSeconds(running.pids) - before;
  const { durationUs, ...measured } = parseWrkOutput(output);
  return { ...measured, seconds: durationUs / 1e6, cpuSeconds };
}

async function generate(run: L7LoadRun, command: readonly string[]): Promise<string> {
  const [program, ...args] = pinnedCommand(run.site.pair.clientNetns, LOAD_CORE, command);
  try {
    return await runCommand(program, args, { signal: run.signal, timeoutMs: run.seconds * 1000 + OVERTIME_MS });
  } catch (cause) {
    run.signal.throwIfAborted();
    throw new BenchError('peer-failed', 'a load could not be carried', {
      cause,
      data: { peer: run.peer.name, load: run.load.name },
    });
  }
}
