import { systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import { encodePushedObject, type EncodedResource } from '@ambit/mesh/wire';
import { readMemory } from '../measure/process-usage.ts';
import { BenchError } from '../errors.ts';
import type { ScaleFigure, ScaleMeasure, ScaleSite } from './figure.ts';
import { LARGE_MESH, meshOf } from './mesh-of.ts';
import { openPulse } from './pulse.ts';
import { POD_PORT, startScaleAgent } from './scale-agent.ts';

/** What starting left behind is given back after a second. */
const REST_MS = 2500;
/** How long the stream is looked at before anything happens. */
const QUIET_MS = 1000;
const INGEST_MS_MAX = 120_000;
const MANY_WORKERS = 4;

/**
 * A mesh of 100,000 workloads and 10,000 services in a node agent: memory that it takes at rest, and, when all of it comes at once, how
 * long that takes and what a running stream feels of it.
 */
export const viewMeasure: ScaleMeasure = {
  name: 'view',
  async measure(site) {
    let encoded: LargeMesh | undefined;
    // Once, and while the first agent rests.
    const mesh = (): LargeMesh => (encoded ??= Array.from(meshOf(LARGE_MESH), encodePushedObject));
    const ingestS: number[] = [];
    const pauseMs: number[] = [];
    const one: number[] = [];
    const four: number[] = [];
    for (let round = 0; round < site.rounds; round++) {
      site.say(`view, round ${round + 1} of ${site.rounds}: a mesh comes to a running agent`);
      const ingest = await ingestInto(site, mesh, round);
      ingestS.push(ingest.seconds);
      pauseMs.push(ingest.worstMs);
      const memoryOf = async (workers: number): Promise<number> => {
        site.say(`view, round ${round + 1} of ${site.rounds}: an agent of ${workers} at rest`);
        const without = workers === 1 ? ingest.restBytes : await restBytes(site, `small-${workers}-${round}`, workers);
        return (await restBytes(site, `large-${workers}-${round}`, workers, mesh())) - without;
      };
      one.push(await memoryOf(1));
      if (!site.quick) four.push(await memoryOf(MANY_WORKERS));
    }
    const figures: ScaleFigure[] = [
      {
        name: 'bytes_per_workload',
        words: 'memory of the mesh per workload, services and policies included, one worker',
        unit: 'bytes',
        must: '<= 1000',
        aim: '<= 600',
        values: one.map((bytes) => bytes / LARGE_MESH.workloads),
      },
      {
        name: 'ingest_s',
        words: 'until all of it is acknowledged',
        unit: 's',
        must: '<= 8',
        aim: '<= 4',
        values: ingestS,
      },
      {
        name: 'max_pause_ms',
        words: 'longest time that 64 bytes took to and fro on a running stream meanwhile',
        unit: 'ms',
        must: '<= 50',
        aim: '<= 20',
        values: pauseMs,
      },
    ];
    if (four.length === 0) return figures;
    return [
      ...figures,
      {
        name: 'four_workers_memory',
        words: 'memory of the mesh with four workers, to that with one',
        unit: '',
        must: '<= 1.15',
        aim: '<= 1.15',
        values: four.map((bytes, round) => bytes / (one[round] ?? Number.NaN)),
      },
    ];
  },
};

type LargeMesh = readonly EncodedResource[];

interface Ingest {
  /** With two pods in the mesh. */
  readonly restBytes: number;
  readonly seconds: number;
  readonly worstMs: number;
}

async function ingestInto(site: ScaleSite, mesh: () => LargeMesh, round: number): Promise<Ingest> {
  await using agent = await startScaleAgent(site, { name: `ingest-${round}`, workers: 1 });
  const restedMs = performance.now() + REST_MS;
  agent.controller.keepResources(mesh());
  await systemClock.sleep(Math.max(0, restedMs - performance.now()), site.signal);
  const bytes = readMemory([agent.pid]).rssBytes;
  await using pulse = await openPulse({
    node: site.node,
    clientNetnsPath: `/run/netns/${site.pair.clientNetns}`,
    serverNetnsPath: `/run/netns/${site.pair.serverNetns}`,
    destination: `${site.pair.serverAddress}:${POD_PORT}`,
  });
  // What opening the stream took does not count.
  await pulse.worstMs();
  await systemClock.sleep(QUIET_MS, site.signal);
  const before = agent.acknowledged();
  site.say(`view: before, the longest that an answer took was ${await pulse.worstMs()} ms`);
  const start = performance.now();
  void agent.controller.pushKept();
  await until('the mesh is acknowledged', () => (agent.assertAlive(), agent.acknowledged() > before), INGEST_MS_MAX);
  const seconds = (performance.now() - start) / 1000;
  const worstMs = await pulse.worstMs();
  if (Number.isNaN(worstMs)) throw new BenchError('unreadable-output', 'the stream told no time');
  return { restBytes: bytes, seconds, worstMs };
}

async function restBytes(site: ScaleSite, name: string, workers: number, mesh?: LargeMesh): Promise<number> {
  await using agent = await startScaleAgent(site, {
    name,
    workers,
    ...(mesh === undefined ? {} : { prepare: (controller) => controller.keepResources(mesh) }),
  });
  await systemClock.sleep(REST_MS, site.signal);
  agent.assertAlive();
  return readMemory([agent.pid]).rssBytes;
}
