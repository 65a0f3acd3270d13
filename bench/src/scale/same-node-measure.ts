import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
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

/** Between the two pods stand two agents, or one that serves both. */
type Way = 'cross-node' | 'same-node';

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
 * What the shortcut saves: the same pods, load generators and applications as of the L4 bench, with two agents and with one. The CPU
 * of both agents counts against that of the one.
 */
export const sameNodeMeasure: ScaleMeasure = {
  name: 'same-node',
  async measure(site) {
    const directory = join(site.directory, 'same-node');
    await mkdir(directory, { recursive: true });
    const certificates = await createCertificates(directory);
    await startApplications({ ...site, directory });
    const ratios: Record<'requests' | 'lone' | 'bulk' | 'speed', number[]> = {
      requests: [],
      lone: [],
      bulk: [],
      speed: [],
    };
    for (let round = 0; round < site.rounds; round++) {
      site.say(`same node, round ${round + 1} of ${site.rounds}: two agents, then one`);
      const cross = await measureWay({ site, directory, certificates, round }, 'cross-node');
      const same = await measureWay({ site, directory, certificates, round }, 'same-node');
      const ratio = (load: MeasuredLoad, per: (cost: Cost) => number): number[] => {
        const [one, two] = [same.get(load), cross.get(load)];
        return one === undefined || two === undefined ? [] : [per(one) / per(two)];
      };
      ratios.requests.push(...ratio('c32', perCpu));
      ratios.lone.push(...ratio('c1', perCpu));
      ratios.bulk.push(...ratio('bulk1', perCpu));
      ratios.speed.push(...ratio('bulk1', perSecond));
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

async function measureWay(run: Run, way: Way): Promise<ReadonlyMap<MeasuredLoad, Cost>> {
  const { site, round } = run;
  const directory = join(run.directory, `${way}-${round}`);
  await mkdir(directory);
  const place = { ...site, directory };
  const peer = { name: 'ambit' } as const;
  const running = await startAgents(run, way, directory);
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
    const loads: readonly MeasuredLoad[] = site.quick ? ['c32'] : ['c32', 'bulk1', 'c1'];
    for (const load of loads) {
      await costOf(load, WARM_UP_SECONDS);
      costs.set(load, await costOf(load, site.quick ? QUICK_SECONDS : SECONDS));
    }
    await assertWay(running, way);
    return costs;
  } finally {
    await running.stop();
  }
}

async function startAgents({ site, certificates }: Run, way: Way, directory: string): Promise<RunningPeer> {
  const { pair } = site;
  const of = (side: Side): object => {
    const netnsPath = `/run/netns/${side === 'client' ? pair.clientNetns : pair.serverNetns}`;
    const { clientAddress, serverAddress } = pair;
    return ambitConfig({ clientAddress, serverAddress, certificates, side, netnsPath });
  };
  const start = (name: string, core: number, config: object): Promise<LocalAgent> =>
    startLocalAgent(site, { name: `${basename(directory)}-${name}`, directory, core, config });
  const [client, server] = [of('client'), of('server')];
  const agents =
    way === 'same-node'
      ? [await start('both', CLIENT_CORE, together(client, server))]
      : [await start('server', SERVER_CORE, server), await start('client', CLIENT_CORE, client)];
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
  if (carried > 0 && short === (way === 'same-node' ? carried : 0)) return;
  throw new BenchError('peer-failed', 'connections between the pods went another way', {
    data: { way, carried, short },
  });
}

const perCpu = ({ done, cpuSeconds }: Cost): number => done / cpuSeconds;
const perSecond = ({ done, seconds }: Cost): number => done / seconds;
