import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { bug, systemClock } from '@ambit/mesh/runtime';
import { buildBundles } from '../../../scripts/build.ts';
import { BenchError } from '../errors.ts';
import { ChildProcesses, pinnedCommand } from '../host/child-processes.ts';
import { runCommand } from '../host/command.ts';
import { ensureEnvoy } from '../host/envoy-install.ts';
import { ensurePrograms, L7_PROGRAMS } from '../host/system-packages.ts';
import { CONGESTION_CONTROL, openTopology } from '../host/topology.ts';
import { createCertificates } from '../l4/certificates.ts';
import type { HttpSinkOptions } from '../load/http-sink-main.ts';
import { type Memory, readMemory } from '../measure/process-usage.ts';
import {
  HBONE_PORT,
  type L7Peer,
  type L7Site,
  LOAD_CORE,
  PLAIN_PORT,
  REQUEST_PATH,
  type RunningL7Peer,
  SERVER_PORT,
  SERVICE_A,
} from './peer.ts';
import { createAmbitL7Peer } from './peers/ambit.ts';
import { createEnvoyL7Peer } from './peers/envoy.ts';
import { createNginxL7Peer } from './peers/nginx.ts';
import { carries, L7_LOADS, type L7Load, type L7PeerName, type L7Plan, peersOf, unitOf } from './plan.ts';
import { runL7Load } from './run-l7-load.ts';
import type { L7Results, L7Sample } from './samples.ts';
import { l7Report } from './l7-report.ts';

export interface L7BenchOptions {
  readonly plan: L7Plan;
  readonly cacheDirectory: string;
  /** Write a CPU profile of the waypoint here; absent: do not profile. */
  readonly profileDirectory?: string;
  readonly isRoot: boolean;
  readonly ownPid: number;
  readonly node: string;
  /** The repository, whose waypoint is built and run. */
  readonly root: string;
  readonly path: string;
  readonly signal: AbortSignal;
  /** Progress, for a person; never on standard output. */
  readonly say: (line: string) => void;
}

interface Entrant {
  readonly peer: L7Peer;
  readonly site: L7Site;
  readonly running: RunningL7Peer;
}

const MANY_ROUTES = 5000;
const READY_MS_MAX = 20_000;
const READY_STEP_MS = 100;
/** What starting left behind is given back after a second. */
const REST_MS = 2500;

/**
 * Runs the L7 bench and returns everything it measured. Whatever it creates (namespaces, processes, files) is gone when the promise
 * settles, also when the signal aborts it. Throws BenchError when any peer failed: half a comparison is none.
 */
export async function runL7Bench(options: L7BenchOptions): Promise<L7Results> {
  const { plan, say, signal, ownPid } = options;
  if (!options.isRoot || cpus().length < 2) {
    throw new BenchError('unsupported-machine', 'the L7 bench needs root for network namespaces, and two cores', {
      data: { hint: 'sudo npm run bench -- l7' },
    });
  }
  await ensurePrograms(L7_PROGRAMS, options);
  const peers: L7Peer[] = [];
  for (const name of plan.peers) peers.push(await createPeer(name, options));
  const startedAt = new Date().toISOString();
  const startedMs = performance.now();
  await using scope = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'ambit-bench-'));
  scope.defer(() => rm(directory, { recursive: true, force: true }));
  const topology = scope.use(await openTopology(ownPid, peers.length));
  const children = scope.use(new ChildProcesses(directory));
  const certificates = await createCertificates(directory);
  const entrants = new Map<L7PeerName, Entrant>();
  const restMemory: Record<string, Memory> = {};
  for (const [index, peer] of peers.entries()) {
    const own = join(directory, peer.name);
    await mkdir(own, { recursive: true });
    const pair = topology.pairs[index] ?? bug('a peer without its pods');
    const site: L7Site = { pair, certificates, directory: own, children };
    startServer(site, peer.name, options.node);
    const running = await peer.start(site);
    await waitUntilReady(site, running, signal);
    entrants.set(peer.name, { peer, site, running });
  }
  await systemClock.sleep(REST_MS, signal);
  for (const { peer, running } of entrants.values()) restMemory[peer.name] = readMemory(running.pids);
  const samples: L7Sample[] = [];
  const runOne = async (name: L7PeerName, load: L7Load, round: number, seconds: number): Promise<L7Sample> => {
    const entrant = entrants.get(name) ?? bug('a planned peer was not started');
    say(`${round < 0 ? 'warming up' : `round ${round + 1} of ${plan.rounds}`}: ${load.name} through ${name}`);
    return runL7Load({ ...entrant, load, round, seconds, ownPid, node: options.node, signal });
  };
  for (const load of plan.loads) {
    for (const peer of plan.peers) if (carries(peer, load)) await runOne(peer, load, -1, plan.warmUpSeconds);
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (const load of plan.loads) {
      if (round > 0 && performance.now() - startedMs > (plan.budgetMs ?? Number.POSITIVE_INFINITY)) break;
      for (const name of peersOf(plan, load, round)) samples.push(await runOne(name, load, round, plan.loadSeconds));
    }
  }
  for (const { peer, running } of entrants.values()) await assertLogged(peer, running, samples);
  return {
    bench: 'l7',
    startedAt,
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      kernel: release(),
      congestion: CONGESTION_CONTROL,
    },
    peers: Object.fromEntries(peers.map(({ name, version, features }) => [name, { version, features }])),
    rounds: plan.rounds,
    loadSeconds: plan.loadSeconds,
    samples,
    restMemory,
  };
}

/** Writes `l7-<date>.json` and `l7.md` into the directory and returns their paths. */
export async function writeL7Results(results: L7Results, directory: string): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  const files = [
    [join(directory, `l7-${results.startedAt.slice(0, 10)}.json`), `${JSON.stringify(results, undefined, 1)}\n`],
    [join(directory, 'l7.md'), l7Report(results)],
  ] as const;
  for (const [file, content] of files) await writeFile(file, content);
  return files.map(([file]) => file);
}

/** The server of one peer, in its client pod: the core it shares with the generator is the other one. */
function startServer(site: L7Site, name: string, node: string): void {
  const { server } = site.certificates;
  const options: HttpSinkOptions = {
    host: site.pair.clientAddress,
    hbonePort: HBONE_PORT,
    plainPort: SERVER_PORT,
    certificate: server.certificate,
    key: server.key,
    roots: site.certificates.authority,
  };
  const program = join(import.meta.dirname, '../load/http-sink-main.ts');
  site.children.start({
    name: `l7-server-of-${name}`,
    netns: site.pair.clientNetns,
    core: LOAD_CORE,
    command: [node, '--conditions=source', program, JSON.stringify(options)],
  });
}

/** Every proxy has the plaintext port, and answers there once it and its server stand. */
async function waitUntilReady(site: L7Site, running: RunningL7Peer, signal: AbortSignal): Promise<void> {
  const url = `http://${site.pair.serverAddress}:${PLAIN_PORT}${REQUEST_PATH}`;
  const ask = ['curl', '-sf', '-o', '/dev/null', '-H', `Host: ${SERVICE_A.hostname}`, '-H', 'X-Route: b', url];
  const [program, ...args] = pinnedCommand(site.pair.clientNetns, LOAD_CORE, ask);
  const endMs = performance.now() + READY_MS_MAX;
  for (;;) {
    running.assertAlive();
    const answered = await runCommand(program, args, { signal, timeoutMs: READY_MS_MAX }).then(
      () => true,
      () => false,
    );
    if (answered) return;
    if (performance.now() > endMs) throw new BenchError('peer-failed', 'a peer does not answer', { data: { url } });
    await systemClock.sleep(READY_STEP_MS, signal);
  }
}

/** A line per request, of which none is shorter than this. */
const LINE_MIN_BYTES = 80;

/** A peer without its access log has done less than the others. */
async function assertLogged(peer: L7Peer, running: RunningL7Peer, samples: readonly L7Sample[]): Promise<void> {
  const logged = L7_LOADS.filter((load) => unitOf(load) === 'requests').map(({ name }) => name);
  const requests = samples
    .filter((sample) => sample.peer === peer.name && logged.includes(sample.load))
    .reduce((sum, one) => sum + one.requests, 0);
  const { size } = await stat(running.accessLog);
  if (size < requests * LINE_MIN_BYTES) {
    throw new BenchError('peer-failed', 'a peer has not logged its requests', {
      data: { peer: peer.name, requests, size },
    });
  }
}

async function createPeer(name: L7PeerName, options: L7BenchOptions): Promise<L7Peer> {
  switch (name) {
    case 'nginx': {
      // nginx tells its version on standard error.
      const version = await runCommand('sh', ['-c', 'nginx -v 2>&1']);
      return createNginxL7Peer(version.replace('nginx version: nginx/', '').trim());
    }
    case 'envoy':
      return createEnvoyL7Peer(await ensureEnvoy(options.cacheDirectory, options.say, options.signal));
    case 'ambit':
    case 'ambit-5000': {
      const { root, node, profileDirectory, path } = options;
      await buildBundles(root, ['waypoint', 'waypoint-worker']);
      const version = (await runCommand(node, ['--version'])).trim();
      const nodeArguments = profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`];
      return createAmbitL7Peer({
        name,
        idleRoutes: name === 'ambit' ? 0 : MANY_ROUTES,
        version: `on Node ${version}`,
        program: join(root, 'dist', 'waypoint.mjs'),
        node,
        path,
        nodeArguments,
      });
    }
  }
}
