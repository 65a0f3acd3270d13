import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { NetnsHandle } from '@ambit/mesh/linux';
import { runCommand } from '../host/command.ts';
import { openLoneNamespace } from '../host/topology.ts';
import { BenchError } from '../errors.ts';
import { type Summary, summaryOf } from '../measure/summary.ts';
import { formatSummary, markdownTable } from '../report/format.ts';
import { acceptDialCases, CAPTURED_PORT, LISTEN_PORT, POD_ADDRESS, type AcceptDialCase } from './cases.ts';

export interface AcceptDialOptions {
  readonly rounds: number;
  readonly connectionsPerRound: number;
  readonly isRoot: boolean;
  readonly ownPid: number;
  readonly signal: AbortSignal;
  /** CPU time of this process so far, microseconds. */
  readonly cpuUs: () => number;
}

/** CPU of this process per connection, both ends together, by case. */
export interface AcceptDialResult {
  readonly name: string;
  readonly adds: string;
  readonly cpuUs: Summary;
}

export const ACCEPT_DIAL_DEFAULTS = { rounds: 7, connectionsPerRound: 4_000 } as const;

/** Connections under way at one time. */
const LANES = 16;

/**
 * Measures what it costs to accept and to dial a connection as a node agent does, in steps from Node's own sockets. Rounds
 * are interleaved. Leaves no namespace behind.
 */
export async function runAcceptDial(options: AcceptDialOptions): Promise<readonly AcceptDialResult[]> {
  if (!options.isRoot) throw new BenchError('unsupported-machine', 'the accept-dial bench needs root for namespaces');
  await using scope = new AsyncDisposableStack();
  const { netns } = scope.use(await openLoneNamespace(options.ownPid));
  await runCommand('sh', ['-e', '-s'], { input: preparation(netns) });
  const handle = scope.use(NetnsHandle.open(`/run/netns/${netns}`));
  const cases = acceptDialCases(handle);
  const samples = new Map<string, number[]>(cases.map(({ name }) => [name, []]));
  // One round more than is counted: the first compiles the code.
  for (let round = 0; round <= options.rounds; round++) {
    for (const one of cases) {
      options.signal.throwIfAborted();
      const cpuUs = await measure(one, options);
      if (round > 0) samples.get(one.name)?.push(cpuUs);
    }
  }
  return cases.map(({ name, adds }) => ({ name, adds, cpuUs: summaryOf(name, samples.get(name) ?? []) }));
}

/** The result as a Markdown table. */
export function acceptDialReport(results: readonly AcceptDialResult[]): string {
  let before: number | undefined;
  const rows = results.map(({ name, adds, cpuUs }) => {
    const step = before === undefined ? '-' : (cpuUs.median - before).toFixed(1);
    before = cpuUs.median;
    return [name, adds, formatSummary(cpuUs), step];
  });
  return markdownTable(['path', 'adds', 'CPU µs per connection, both ends', 'step'], rows);
}

/** An address of the pod's own, return path for foreign sources, and redirection of the captured port. */
function preparation(netns: string): string {
  return [
    `ip -n ${netns} address add ${POD_ADDRESS}/32 dev lo`,
    `ip -n ${netns} route add local 10.99.0.0/24 dev lo`,
    `nsenter --net=/run/netns/${netns} nft -f - <<END`,
    'table ip bench {',
    '  chain output {',
    '    type nat hook output priority -100; policy accept;',
    `    tcp dport ${CAPTURED_PORT} redirect to :${LISTEN_PORT}`,
    '  }',
    '}',
    'END',
    '',
  ].join('\n');
}

async function measure(one: AcceptDialCase, options: AcceptDialOptions): Promise<number> {
  const server = await one.listen();
  try {
    const before = options.cpuUs();
    await connectMany(one, options.connectionsPerRound);
    return (options.cpuUs() - before) / options.connectionsPerRound;
  } finally {
    await closed(server);
  }
}

/** Opens `count` connections, `LANES` at a time; each is closed as soon as it stands. */
async function connectMany(one: AcceptDialCase, count: number): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await finished(one.dial());
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

function finished(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', () => socket.resetAndDestroy());
    socket.on('error', reject);
    socket.once('close', () => resolve());
  });
}

async function closed(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
