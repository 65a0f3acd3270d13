import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { bug } from '@ambit/mesh/runtime';
import type { PodPair } from '../host/topology.ts';
import { BenchError } from '../errors.ts';
import { startApplications } from '../l4/applications.ts';
import { type BenchCertificates, createCertificates } from '../l4/certificates.ts';
import { CLIENT_CORE, SERVER_CORE, type RunningPeer } from '../l4/peer.ts';
import { ambitConfig } from '../l4/peers/ambit-config.ts';
import { namedLoad } from '../l4/plan.ts';
import { waitUntilReady } from '../l4/preflight.ts';
import { runLoad } from '../l4/run-load.ts';
import type { ScaleFigure, ScaleMeasure, ScaleSite } from './figure.ts';
import { type LocalAgent, startLocalAgent } from './local-agent.ts';

/**
 * Between the two pods stand two agents, or one that serves both. A node is one core, as in the L4 bench, which the one has to itself and
 * shares with both pods; or it has another one for the application.
 */
type Way = 'cross-node' | 'same-node' | 'same-node-two-cores';

type Side = 'client' | 'server';

/** What one load cost. */
interface Cost {
  /** Requests, or bytes. */
  readonly done: number;
  readonly seconds: number;
  /** Of all proxies there are. */
  readonly cpuSeconds: number;
}

const WARM_UP_SECONDS = 2;
const SECONDS = 3;
const QUICK_SECONDS = 2;

/**
 * What the shortcut saves: pods, load generators and applications as of the L4 bench, with two agents and with one. The CPU of both agents
 * counts against that of the one.
 */
export const sameNodeMeasure: ScaleMeasure = {
  name: 'same-node',
  pairCount: 2,
  async measure(site) {
    const directory = join(site.directory, 'same-node');
    await mkdir(directory, { recursive: true });
    const certificates = await createCertificates(directory);
    const [apart = bug('two pairs'), together = bug('two pairs')] = site.pairs;
    await startApplications({ ...site, pair: apart, directory: join(directory, 'apart') });
    await startApplications({ ...site, pair: together, directory: join(directory, 'together'), core: CLIENT_CORE });
    const ratios: Record<'requests' | 'lone' | 'bulk' | 'twoCores' | 'speed', number[]> = {
      requests: [],
      lone: [],
      bulk: [],
      twoCores: [],
      speed: [],
    };
    for (let round = 0; round < site.rounds; round++) {
      site.say(`same node, round ${round + 1} of ${site.rounds}: two agents, then one`);
      const run = { site, directory, certificates, round };
      const cross = await measureWay(run, apart, 'cross-node');
      const same = await measureWay(run, together, 'same-node');
      ratios.requests.push(...ratio(same, cross, 'c32', perCpu));
      ratios.lone.push(...ratio(same, cross, 'c1', perCpu));
      ratios.bulk.push(...ratio(same, cross, 'bulk1', perCpu));
      if (site.quick) continue;
      const wide = await measureWay(run, apart, 'same-node-two-cores');
      ratios.twoCores.push(...ratio(wide, cross, 'c32', perCpu));
      ratios.speed.push(...ratio(wide, cross, 'bulk1', perSecond));
    }
    const figures: ScaleFigure[] = [
      {
        name: 'samenode_rps_per_cpu_vs_crossnode',
        words: 'requests per CPU second of the agents, two pods of one agent against two agents, 32 connections',
        unit: 'x',
        must: '>= 2',
        aim: '>= 3',
        values: ratios.requests,
      },
    ];
    if (site.quick) return figures;
    return [
      ...figures,
      {
        name: 'samenode_c1_per_cpu_vs_crossnode',
        words: 'the same, one connection',
        ...{ unit: 'x', must: '-', aim: '-', values: ratios.lone },
      },
      {
        ...{ unit: 'x', must: '>= 2', aim: '>= 3' },
        name: 'samenode_bulk_per_cpu_vs_crossnode',
        words: 'bytes per CPU second of the agents, one stream',
        values: ratios.bulk,
      },
      {
        name: 'samenode_two_cores_per_cpu_vs_crossnode',
        words:
          'requests per CPU second as above, but the application has a core of its own, which it sleeps on and is woken from',
        ...{ unit: 'x', must: '-', aim: '-', values: ratios.twoCores },
      },
      {
        name: 'samenode_bulk_vs_crossnode',
        words: 'bytes per second, one stream; two cores carry the load, the applications and the agents',
        unit: 'x',
        must: '-',
        aim: '-',
        values: ratios.speed,
      },
    ];
  },
};

interface Run {
  readonly site: ScaleSite;
  readonly directory: string;
  readonly certificates: BenchCertificates;
  readonly round: number;
}

type MeasuredLoad = 'c32' | 'c1' | 'bulk1';

type Costs = ReadonlyMap<MeasuredLoad, Cost>;

/** Of one load; none when either was not measured with it. */
function ratio(one: Costs, other: Costs, load: MeasuredLoad, per: (cost: Cost) => number): readonly number[] {
  const [a, b] = [one.get(load), other.get(load)];
  return a === undefined || b === undefined ? [] : [per(a) / per(b)];
}

const LOADS_OF: Readonly<Record<Way, readonly MeasuredLoad[]>> = {
  'cross-node': ['c32', 'bulk1', 'c1'],
  'same-node': ['c32', 'bulk1', 'c1'],
  'same-node-two-cores': ['c32', 'bulk1'],
};

async function measureWay(run: Run, pair: PodPair, way: Way): Promise<Costs> {
  const { site, round } = run;
  const directory = join(run.directory, `${way}-${round}`);
  await mkdir(directory);
  const place = { ...site, pair, directory };
  const peer = { name: 'ambit' } as const;
  const running = await startAgents(run, pair, way, directory);
  try {
    await waitUntilReady(peer, running, place, site.node);
    const costOf = async (load: MeasuredLoad, seconds: number): Promise<Cost> => {
      const sample = await runLoad({
        ...{ peer, running, round, seconds, load: namedLoad(load) },
        site: place,
        ownPid: site.ownPid,
      });
      return {
        done: sample.kind === 'bulk' ? sample.bytes : sample.requests,
        seconds: sample.seconds,
        cpuSeconds: sample.clientCpuSeconds + sample.serverCpuSeconds,
      };
    };
    const costs = new Map<MeasuredLoad, Cost>();
    for (const load of site.quick ? (['c32'] as const) : LOADS_OF[way]) {
      await costOf(load, WARM_UP_SECONDS);
      costs.set(load, await costOf(load, site.quick ? QUICK_SECONDS : SECONDS));
    }
    await assertWay(running, way);
    return costs;
  } finally {
    await running.stop();
  }
}

async function startAgents(
  { site, certificates }: Run,
  pair: PodPair,
  way: Way,
  directory: string,
): Promise<RunningPeer> {
  const of = (side: Side): object => {
    const netnsPath = `/run/netns/${side === 'client' ? pair.clientNetns : pair.serverNetns}`;
    const { clientAddress, serverAddress } = pair;
    return ambitConfig({ clientAddress, serverAddress, certificates, side, netnsPath });
  };
  const start = (name: string, core: number, config: object): Promise<LocalAgent> =>
    startLocalAgent(site, { name: `${basename(directory)}-${name}`, directory, core, config });
  const [client, server] = [of('client'), of('server')];
  const agents =
    way === 'cross-node'
      ? [await start('server', SERVER_CORE, server), await start('client', CLIENT_CORE, client)]
      : [await start('both', CLIENT_CORE, together(client, server))];
  return {
    clientPids: agents.map(({ pid }) => pid),
    serverPids: [],
    accessLogs: agents.map(({ accessLog }) => accessLog),
    assertAlive: () => agents.forEach((agent) => agent.assertAlive()),
    stop: async () => void (await Promise.all(agents.map((agent) => agent.stop()))),
  };
}

/** The mesh of one agent that serves both pods. */
function together(client: object, server: object): object {
  const both = (key: 'certificates' | 'pods'): unknown[] =>
    [client, server].flatMap((config) => {
      const list: unknown = Reflect.get(config, key);
      return Array.isArray(list) ? list : [];
    });
  return { ...client, certificates: both('certificates'), pods: both('pods') };
}

/** Proves by the access logs that connections went as they should have. */
async function assertWay({ accessLogs }: RunningPeer, way: Way): Promise<void> {
  const lines = (await Promise.all(accessLogs.map((log) => readFile(log, 'utf8')))).join('').split('\n');
  const short = lines.filter((line) => line.includes(' via="same-node"')).length;
  const carried = lines.filter((line) => line.includes('connection complete')).length;
  if (carried > 0 && short === (way === 'cross-node' ? 0 : carried)) return;
  throw new BenchError('peer-failed', 'connections between the pods went another way', {
    data: { way, carried, short },
  });
}

const perCpu = ({ done, cpuSeconds }: Cost): number => done / cpuSeconds;
const perSecond = ({ done, seconds }: Cost): number => done / seconds;
