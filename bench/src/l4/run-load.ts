import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pinnedCommand } from '../host/child-processes.ts';
import { runCommand } from '../host/command.ts';
import { BenchError } from '../errors.ts';
import { iperf3Arguments, parseIperf3Output } from '../load/iperf3.ts';
import { parseWrkOutput, wrkArguments, wrkScript } from '../load/wrk.ts';
import { foreignCpuSeconds, takeCpuSnapshot } from '../measure/foreign-cpu.ts';
import { readCpuSeconds, readMemory, readPeakRssBytes, resetPeakRss } from '../measure/process-usage.ts';
import type { PeerLoad } from './plan.ts';
import { BULK_PORT, CLIENT_CORE, REQUEST_PORT, type Peer, type RunningPeer, type Site } from './peer.ts';
import type { Sample } from './samples.ts';

/** Share of failed requests from which on a sample does not count. */
const ERROR_SHARE_MAX = 0.001;
/** Time a load may take beyond its nominal duration. */
const OVERTIME_MS = 20_000;

export interface LoadRun {
  readonly peer: Pick<Peer, 'name'>;
  readonly running: RunningPeer;
  readonly site: Pick<Site, 'pair' | 'directory' | 'signal'>;
  readonly load: PeerLoad;
  readonly round: number;
  readonly seconds: number;
  /** Process id of the bench: its descendants are not foreign. */
  readonly ownPid: number;
}

/** Runs one load and returns what it measured. Throws `peer-failed` when the peer lost traffic or died: such a run has no figure. */
export async function runLoad(run: LoadRun): Promise<Sample> {
  const { running, peer, load } = run;
  running.assertAlive();
  resetPeakRss(running.clientPids);
  resetPeakRss(running.serverPids);
  const others = takeCpuSnapshot();
  const clientBefore = readCpuSeconds(running.clientPids);
  const serverBefore = readCpuSeconds(running.serverPids);
  const output = await generate(run);
  const used = {
    peer: peer.name,
    round: run.round,
    clientCpuSeconds: readCpuSeconds(running.clientPids) - clientBefore,
    serverCpuSeconds: readCpuSeconds(running.serverPids) - serverBefore,
    foreignCpuSeconds: foreignCpuSeconds(others, takeCpuSnapshot(), run.ownPid),
  };
  running.assertAlive();
  if (load.kind === 'bulk') {
    return {
      ...used,
      kind: 'bulk',
      load: load.name,
      ...parseIperf3Output(output),
      clientPeakRssBytes: readPeakRssBytes(running.clientPids),
      serverPeakRssBytes: readPeakRssBytes(running.serverPids),
      clientAfter: readMemory(running.clientPids),
      serverAfter: readMemory(running.serverPids),
    };
  }
  const { durationUs, ...measured } = parseWrkOutput(output);
  assertAnswered({ peer: peer.name, load: load.name }, measured);
  return { ...used, kind: 'requests', load: load.name, ...measured, seconds: durationUs / 1e6 };
}

/** @throws BenchError `peer-failed` when too many requests failed for the others to count. */
export function assertAnswered(
  where: { readonly peer: string; readonly load: string },
  { errors, requests }: { readonly errors: number; readonly requests: number },
): void {
  if (errors <= requests * ERROR_SHARE_MAX) return;
  throw new BenchError('peer-failed', 'a peer lost requests', { data: { ...where, errors, requests } });
}

async function generate(run: LoadRun): Promise<string> {
  const { site, load, seconds } = run;
  const timeoutMs = seconds * 1000 + OVERTIME_MS;
  let command: string[];
  if (load.kind === 'bulk') {
    command = ['iperf3', ...iperf3Arguments(site.pair.serverAddress, BULK_PORT, load.streams, seconds)];
  } else {
    const script = join(site.directory, `${load.name}.lua`);
    writeFileSync(script, wrkScript({ closeEach: load.closeEach }));
    const url = `http://${site.pair.serverAddress}:${REQUEST_PORT}/`;
    command = ['wrk', ...wrkArguments(script, url, load.connections, seconds)];
  }
  const [program, ...args] = pinnedCommand(site.pair.clientNetns, CLIENT_CORE, command);
  try {
    return await runCommand(program, args, { signal: site.signal, timeoutMs });
  } catch (cause) {
    site.signal.throwIfAborted();
    throw new BenchError('peer-failed', 'a load could not be carried', {
      cause,
      data: { peer: run.peer.name, load: load.name },
    });
  }
}
