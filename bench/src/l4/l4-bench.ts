import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChildProcesses } from '../host/child-processes.ts';
import { runCommand } from '../host/command.ts';
import { ensureEnvoy } from '../host/envoy-install.ts';
import { describeMachine } from '../host/machine.ts';
import { ensurePrograms, L4_PROGRAMS } from '../host/system-packages.ts';
import { openTopology } from '../host/topology.ts';
import { BenchError } from '../errors.ts';
import { createCertificates } from './certificates.ts';
import { markdownReport } from './markdown-report.ts';
import type { L4Plan } from './plan.ts';
import type { Peer, PeerName } from './peer.ts';
import { buildBundles } from '../../../scripts/build.ts';
import { createAmbitPeer, SECOND_AGENT_PORTS, type AmbitPeerOptions } from './peers/ambit.ts';
import { createDirectPeer } from './peers/direct.ts';
import { createEnvoyPeer } from './peers/envoy.ts';
import { createNginxPeer } from './peers/nginx.ts';
import { l4Plot } from './plot.ts';
import { runPlan } from './run-plan.ts';
import type { L4Results, Sample } from './samples.ts';

export interface L4BenchOptions {
  readonly plan: L4Plan;
  readonly cacheDirectory: string;
  /** Write a CPU profile of every agent here; absent: do not profile. */
  readonly profileDirectory?: string;
  readonly isRoot: boolean;
  readonly ownPid: number;
  readonly node: string;
  /** The repository, whose agent is built and run. */
  readonly root: string;
  /** Search path for programs that agents start. */
  readonly path: string;
  readonly signal: AbortSignal;
  /** Progress, for a person; never on standard output. */
  readonly say: (line: string) => void;
}

/**
 * Runs the L4 bench and returns everything it measured. Whatever it creates (namespaces, processes, files) is gone when
 * the promise settles, also when the signal aborts it. Throws BenchError when any peer failed: half a comparison is none.
 */
export async function runL4Bench(options: L4BenchOptions): Promise<L4Results> {
  requireMachine(options);
  await ensurePrograms(L4_PROGRAMS, options);
  await buildBundles(options.root, ['node-agent', 'node-agent-worker']);
  const peers: Peer[] = [];
  for (const name of options.plan.peers) peers.push(await createPeer(name, options));
  const startedAt = new Date().toISOString();
  await using scope = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'ambit-bench-'));
  scope.defer(() => rm(directory, { recursive: true, force: true }));
  const topology = scope.use(await openTopology(options.ownPid, peers.length));
  const children = scope.use(new ChildProcesses(directory));
  const certificates = await createCertificates(directory);
  const { signal, ownPid, node, say } = options;
  const measured = await runPlan(options.plan, peers, {
    topology,
    certificates,
    children,
    directory,
    signal,
    ownPid,
    node,
    say,
  });
  return {
    bench: 'l4',
    startedAt,
    machine: await describeMachine(),
    peers: Object.fromEntries(peers.map((peer) => [peer.name, peer.about])),
    starts: startsDone(options.plan, measured.samples),
    rounds: options.plan.rounds,
    loadSeconds: options.plan.loadSeconds,
    ...measured,
  };
}

/** Fewer than planned where time ran out. */
function startsDone({ rounds }: L4Plan, samples: readonly Sample[]): number {
  return samples.reduce((most, { round }) => Math.max(most, 1 + Math.floor(round / rounds)), 1);
}

/** Writes `l4-<date>.json`, `l4.md` and `l4.svg` into the directory and returns their paths. */
export async function writeL4Results(results: L4Results, directory: string): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  const files: readonly (readonly [string, string])[] = [
    [`l4-${results.startedAt.slice(0, 10)}.json`, `${JSON.stringify(results, undefined, 1)}\n`],
    ['l4.md', markdownReport(results)],
    ['l4.svg', l4Plot(results)],
  ];
  for (const [name, content] of files) await writeFile(join(directory, name), content);
  return files.map(([name]) => join(directory, name));
}

function requireMachine(options: L4BenchOptions): void {
  if (!options.isRoot) {
    throw new BenchError('unsupported-machine', 'the L4 bench needs root for network namespaces', {
      data: { hint: 'sudo npm run bench -- l4' },
    });
  }
  if (cpus().length < 2) {
    throw new BenchError('unsupported-machine', 'the L4 bench needs two cores, one for each host it imitates');
  }
}

async function createPeer(name: PeerName, options: L4BenchOptions): Promise<Peer> {
  switch (name) {
    case 'direct':
      return createDirectPeer(release());
    case 'nginx':
      // nginx tells its version on standard error.
      return createNginxPeer(
        (await runCommand('sh', ['-c', 'nginx -v 2>&1'])).replace('nginx version: nginx/', '').trim(),
      );
    case 'envoy':
      return createEnvoyPeer(await ensureEnvoy(options.cacheDirectory, options.say, options.signal));
    case 'ambit':
      return createAmbit(name, options);
    case 'ambit-http':
      return createAmbit(name, options, {
        variables: { AMBIT_HTTP_METRICS: 'true', ...SECOND_AGENT_PORTS },
        features: ['HTTP requests counted as they pass'],
      });
  }
}

async function createAmbit(
  name: PeerName,
  options: L4BenchOptions,
  more?: Pick<AmbitPeerOptions, 'variables' | 'features'>,
): Promise<Peer> {
  const { root, node, profileDirectory } = options;
  const version = (await runCommand(node, ['--version'])).trim();
  return createAmbitPeer({
    name,
    ...more,
    version: `on Node ${version}`,
    program: join(root, 'dist', 'node-agent.mjs'),
    node,
    path: options.path,
    nodeArguments: (side) => {
      if (profileDirectory === undefined) return [];
      return ['--cpu-prof', `--cpu-prof-dir=${join(profileDirectory, `${name}-${side}`)}`];
    },
  });
}
