import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bug, systemClock } from '@ambit/mesh/runtime';
import type { PodPair } from '../host/topology.ts';
import { startApplications } from '../l4/applications.ts';
import { createCertificates } from '../l4/certificates.ts';
import { CLIENT_CORE, REQUEST_PORT, SERVER_CORE } from '../l4/peer.ts';
import { ambitMeshConfig, type AmbitPod } from '../l4/peers/ambit-config.ts';
import type { ScaleFigure, ScaleMeasure, ScaleSite } from './figure.ts';
import { type LineProgram, type LineProgramOptions, openLineProgram } from '../host/line-program.ts';
import { type LocalAgent, startLocalAgent } from './local-agent.ts';
import { type Latencies, p99Ms, type Part, PARTS, parseLatencies } from './neighbour-times.ts';
import { POD_PORT } from './scale-agent.ts';

/** In all, and at a time. */
const CONNECTIONS = 50_000;
const AT_ONCE = 6000;
/** Compiles what floods need. */
const WARMING = 10_000;
/** What follows a flood is not called being alone. */
const REST_MS = 2000;
const ALONE_MS = 6000;
/** The agents need a moment until they carry anything. */
const ATTEMPTS = 50;
const RETRY_MS = 200;
/**
 * Who waits is to wait for agents, and not for programs of the bench. So the modest pod and its server, which do little and go before all,
 * are where the agent of both clients is; who floods and whom are on the core of the other agent, and run only while that rests.
 */
const PLACES = {
  modest: { core: CLIENT_CORE, niceness: -20 },
  flood: { core: SERVER_CORE, niceness: 'idle' },
} as const;
const AGENT_NICENESS = -10;
/** No helper threads, which would go before the agent as well. */
const NODE_ARGS = ['--single-threaded'];

/** The programs of a modest pod and of one that floods. */
interface Neighbours {
  readonly modest: LineProgram;
  readonly flood: LineProgram;
}

interface RoundTimes {
  readonly alone: Latencies;
  readonly flooded: Latencies;
  readonly floodSeconds: number;
}

/** Behind two agents, or without any. */
type Way = 'meshed' | 'direct';

/**
 * What a pod feels of another one of its agent that opens 50,000 connections, 6,000 at a time: the p99 of modest requests, every other one on a
 * new connection, to that without. The same between pods outside of the mesh tells what the machine does by itself.
 */
export const neighbourMeasure: ScaleMeasure = {
  name: 'neighbour',
  pairCount: 4,
  plainPairCount: 2,
  isFullOnly: true,
  async measure(site) {
    const directory = join(site.directory, 'neighbour');
    await mkdir(directory);
    await using scope = new AsyncDisposableStack();
    const agents = await startAgents(site, directory, scope);
    const [one = bug('four pairs'), two = bug('four pairs'), three = bug('four pairs'), four = bug('four pairs')] =
      site.pairs;
    const neighbours: Readonly<Record<Way, Neighbours>> = {
      meshed: await openNeighbours(site, one, two, scope),
      direct: await openNeighbours(site, three, four, scope),
    };
    site.say('neighbour: a flood to warm up');
    await neighbours.meshed.flood.ask(String(WARMING));
    const rounds: Record<Way, RoundTimes[]> = { meshed: [], direct: [] };
    for (let round = 0; round < site.rounds; round++) {
      const ways: readonly Way[] = ['meshed', 'direct'];
      for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
        site.say(`neighbour, round ${round + 1} of ${site.rounds}: ${way}`);
        const alone = await timesAlone(site, neighbours[way]);
        rounds[way].push({ alone, ...(await flood(neighbours[way])) });
      }
      for (const agent of agents) agent.assertAlive();
    }
    return figuresOf(rounds);
  },
};

async function timesAlone(site: ScaleSite, { modest }: Neighbours): Promise<Latencies> {
  await systemClock.sleep(REST_MS, site.signal);
  await modest.ask();
  await systemClock.sleep(ALONE_MS, site.signal);
  return parseLatencies(await modest.ask());
}

/** The times of the modest pod meanwhile, and how long it took. */
async function flood(neighbours: Neighbours): Promise<Omit<RoundTimes, 'alone'>> {
  await neighbours.modest.ask();
  const floodSeconds = Number(await neighbours.flood.ask());
  return { flooded: parseLatencies(await neighbours.modest.ask()), floodSeconds };
}

async function startAgents(
  site: ScaleSite,
  directory: string,
  scope: AsyncDisposableStack,
): Promise<readonly LocalAgent[]> {
  const certificates = await createCertificates(directory);
  const pods = site.pairs.slice(0, 2).flatMap((pair): AmbitPod[] => {
    const pod = (side: AmbitPod['side'], netns: string, address: string): AmbitPod => ({
      ...{ side, address, name: netns, netnsPath: `/run/netns/${netns}` },
    });
    return [pod('client', pair.clientNetns, pair.clientAddress), pod('server', pair.serverNetns, pair.serverAddress)];
  });
  const start = async (side: AmbitPod['side'], core: number): Promise<LocalAgent> => {
    const config = ambitMeshConfig({ pods, side, certificates });
    const niceness = AGENT_NICENESS;
    const agent = await startLocalAgent(site, { name: `neighbour-${side}`, directory, core, niceness, config });
    scope.defer(() => agent.stop());
    return agent;
  };
  return [await start('server', SERVER_CORE), await start('client', CLIENT_CORE)];
}

async function openNeighbours(
  site: ScaleSite,
  modest: PodPair,
  flooding: PodPair,
  scope: AsyncDisposableStack,
): Promise<Neighbours> {
  const directory = join(site.directory, flooding.serverNetns);
  await mkdir(directory);
  await startApplications({ pair: flooding, directory, children: site.children, isIdle: true });
  const open = (name: 'modest' | 'flood', { clientNetns: netns }: PodPair, args: readonly string[]) =>
    openPatiently(site, {
      node: site.node,
      program: join(import.meta.dirname, `${name}-main.ts`),
      args,
      nodeArgs: NODE_ARGS,
      failure: `a connection of the program ${name} failed`,
      place: { netns, ...PLACES[name] },
    });
  const server = [`/run/netns/${modest.serverNetns}`, `${modest.serverAddress}:${POD_PORT}`];
  const many = [`${flooding.serverAddress}:${REQUEST_PORT}`, String(CONNECTIONS), String(AT_ONCE)];
  return {
    modest: scope.use(await open('modest', modest, server)),
    flood: scope.use(await open('flood', flooding, many)),
  };
}

async function openPatiently(site: ScaleSite, options: LineProgramOptions): Promise<LineProgram> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openLineProgram(options);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await systemClock.sleep(RETRY_MS, site.signal);
    }
  }
}

const OF_PART: Readonly<Record<Part, string>> = {
  all: 'every other one on a new connection',
  kept: 'those on kept connections',
  fresh: 'those on new connections',
};

function figuresOf(rounds: Readonly<Record<Way, readonly RoundTimes[]>>): readonly ScaleFigure[] {
  const ratios = (way: Way, part: Part): number[] =>
    rounds[way].map(({ alone, flooded }) => p99Ms(flooded, part) / p99Ms(alone, part));
  const none = { must: '-', aim: '-' };
  return [
    ...PARTS.flatMap((part): ScaleFigure[] => [
      {
        name: `neighbour_p99_${part}`,
        words: `p99 of a pod's requests (${OF_PART[part]}) while another pod of its agent opens 50,000 connections, 6,000 at a time, to that without`,
        ...{ unit: 'x', must: part === 'all' ? '<= 2' : '-', aim: '-' },
        values: ratios('meshed', part),
      },
      {
        ...{ name: `neighbour_p99_${part}_direct`, unit: 'x', ...none },
        words: 'the same between pods outside of the mesh: what the machine does by itself',
        values: ratios('direct', part),
      },
    ]),
    {
      ...{ name: 'neighbour_p99_alone_ms', unit: 'ms', ...none },
      words: 'p99 of its requests without the other pod',
      values: rounds.meshed.map(({ alone }) => p99Ms(alone, 'all')),
    },
    {
      ...{ name: 'neighbour_p99_flood_ms', unit: 'ms', ...none },
      words: 'p99 of its requests meanwhile',
      values: rounds.meshed.map(({ flooded }) => p99Ms(flooded, 'all')),
    },
    {
      ...{ name: 'neighbour_flood_s', unit: 's', ...none },
      words: 'how long the 50,000 connections take, of which none may fail',
      values: rounds.meshed.map(({ floodSeconds }) => floodSeconds),
    },
  ];
}
