import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChildProcesses } from '../host/child-processes.ts';
import type { PodPair, Topology } from '../host/topology.ts';
import { bug } from '@ambit/mesh/runtime';
import { startApplications } from './applications.ts';
import type { BenchCertificates } from './certificates.ts';
import { type L4Plan, type Load, roundOrder } from './plan.ts';
import {
  CLIENT_CORE,
  REQUEST_PORT,
  SERVER_CORE,
  type Peer,
  type PeerName,
  type RunningPeer,
  type Site,
} from './peer.ts';
import { assertOnPath, assertRefusesOthers, waitUntilReady } from './preflight.ts';
import { runLoad } from './run-load.ts';
import { runMemory } from './run-memory.ts';
import { runTurns, type TurnsEntrant } from './run-turns.ts';
import type { MemorySample, Sample } from './samples.ts';

export interface PlanSurroundings {
  readonly topology: Topology;
  readonly certificates: BenchCertificates;
  readonly children: ChildProcesses;
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly ownPid: number;
  /** The Node binary that helper programs run with. */
  readonly node: string;
  readonly say: (line: string) => void;
}

interface PeerSite {
  readonly peer: Peer;
  readonly site: Site;
}

interface Entrant extends PeerSite {
  readonly running: RunningPeer;
}

/**
 * Runs a plan: every peer's memory on fresh processes, then, restarted, a warm-up and the interleaved rounds, as often as there are starts.
 * All peers stand at the same time, each in its own pods, and only one at a time has traffic. Any failure of any peer fails the whole run.
 */
export async function runPlan(
  plan: L4Plan,
  peers: readonly Peer[],
  surroundings: PlanSurroundings,
): Promise<{ readonly samples: readonly Sample[]; readonly memory: readonly MemorySample[] }> {
  const startedMs = performance.now();
  const sites: readonly PeerSite[] = await Promise.all(
    peers.map(async (peer, index) => {
      const pair = surroundings.topology.pairs[index] ?? bug('a peer without its pods');
      return { peer, site: await openSite(peer, pair, surroundings) };
    }),
  );
  surroundings.say(`memory at rest and with ${plan.idleConnectionCount} idle connections`);
  const proxied = sites.filter(({ peer }) => peer.name !== 'direct');
  const memory = await Promise.all(proxied.map((one) => measureMemory(one, plan, surroundings)));
  const samples: Sample[] = [];
  const isOverdue = (): boolean => performance.now() - startedMs > (plan.budgetMs ?? Number.POSITIVE_INFINITY);
  for (let start = 0; start < plan.starts; start++) {
    if (start > 0 && isOverdue()) break;
    const entrants = new Map<PeerName, Entrant>();
    for (const { peer, site } of sites) {
      entrants.set(peer.name, { peer, site, running: await startReady(peer, site, surroundings) });
    }
    await warmUp(plan, [...entrants.values()], surroundings);
    for (let round = start * plan.rounds; round < (start + 1) * plan.rounds; round++) {
      for (const load of plan.loads) {
        if (round > 0 && isOverdue()) break;
        samples.push(...(await runRound(plan, load, round, entrants, surroundings)));
      }
    }
    // Logs go on from one start to the next, as the samples do.
    for (const { peer, running } of entrants.values()) {
      await assertOnPath(peer, running, churned(samples, peer.name), surroundings.signal);
    }
    await Promise.all([...entrants.values()].map(({ running }) => running.stop()));
  }
  return { samples, memory };
}

/** One load through every peer of the round: one after the other, or by turns. */
async function runRound(
  plan: L4Plan,
  load: Load,
  round: number,
  entrants: ReadonlyMap<PeerName, Entrant>,
  { ownPid, node, signal, say, topology }: PlanSurroundings,
): Promise<readonly Sample[]> {
  const seconds = plan.loadSeconds;
  const ordered = roundOrder(plan, round).map((name) => entrants.get(name) ?? bug('a planned peer was not started'));
  const begin = (through: string): void =>
    say(`round ${round + 1} of ${plan.rounds * plan.starts}: ${load.name} through ${through}`);
  if (load.kind === 'turns') {
    begin('all by turns');
    const hosts = [
      { netns: topology.clientHostNetns, core: CLIENT_CORE },
      { netns: topology.serverHostNetns, core: SERVER_CORE },
    ];
    return runTurns({ entrants: ordered.map(turnsEntrant), load, hosts, round, seconds, ownPid, node, signal });
  }
  const samples: Sample[] = [];
  for (const entrant of ordered) {
    begin(entrant.peer.name);
    samples.push(await runLoad({ ...entrant, load, round, seconds, ownPid }));
  }
  return samples;
}

function turnsEntrant({ peer, running, site: { pair } }: Entrant): TurnsEntrant {
  const destination = `${pair.serverAddress}:${REQUEST_PORT}`;
  return { peer, running, destination, place: { netns: pair.clientNetns, core: CLIENT_CORE } };
}

/** Memory does not depend on what else runs, so all peers take this at the same time. */
async function measureMemory(
  { peer, site }: PeerSite,
  plan: L4Plan,
  surroundings: PlanSurroundings,
): Promise<MemorySample> {
  const { node } = surroundings;
  const fresh = await startReady(peer, site, surroundings);
  const { idleFirstCount: firstCount, idleConnectionCount: count, memorySettleMs: settleMs } = plan;
  const sample = await runMemory(peer, fresh, site, { firstCount, count, settleMs, node });
  await assertRefusesOthers(peer, fresh, site, node);
  await fresh.stop();
  return sample;
}

/** Proxies take time to reach their speed, one that compiles as it runs more than others. All at once, to be quick. */
async function warmUp(plan: L4Plan, entrants: readonly Entrant[], surroundings: PlanSurroundings): Promise<void> {
  for (const { load, seconds } of plan.warmUp) {
    surroundings.say(`warming up: ${load.name} through all, ${seconds} s`);
    const proxied = entrants.filter(({ peer }) => peer.name !== 'direct');
    await Promise.all(
      proxied.map((entrant) => runLoad({ ...entrant, load, round: -1, seconds, ownPid: surroundings.ownPid })),
    );
  }
}

/** Connections of the churn load: each has a line of its own in the access logs. */
function churned(samples: readonly Sample[], peer: PeerName): number {
  let count = 0;
  for (const sample of samples) {
    if (sample.peer === peer && sample.kind === 'requests' && sample.load === 'churn') count += sample.requests;
  }
  return count;
}

async function openSite(peer: Peer, pair: PodPair, surroundings: PlanSurroundings): Promise<Site> {
  const directory = join(surroundings.directory, peer.name);
  await mkdir(directory, { recursive: true });
  const { topology, certificates, children, signal } = surroundings;
  const site = { topology, pair, certificates, directory, children, signal };
  await startApplications(site);
  return site;
}

async function startReady(peer: Peer, site: Site, surroundings: PlanSurroundings): Promise<RunningPeer> {
  const running = await peer.start(site);
  await waitUntilReady(peer, running, site, surroundings.node);
  return running;
}
