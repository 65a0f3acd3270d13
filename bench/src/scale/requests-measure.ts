import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bug } from '@ambit/mesh/runtime';
import type { PodPair } from '../host/topology.ts';
import { startApplications } from '../l4/applications.ts';
import { type BenchCertificates, createCertificates } from '../l4/certificates.ts';
import type { Peer, RunningPeer, Site } from '../l4/peer.ts';
import { createAmbitPeer, SECOND_AGENT_PORTS } from '../l4/peers/ambit.ts';
import { namedLoad, type PeerLoad } from '../l4/plan.ts';
import { waitUntilReady } from '../l4/preflight.ts';
import { runLoad } from '../l4/run-load.ts';
import type { Sample } from '../l4/samples.ts';
import type { ScaleFigure, ScaleMeasure, ScaleSite } from './figure.ts';

/** Agents are judged as they run, not as they start. */
const WARM_UP_SECONDS = 6;
const LOAD_SECONDS = 2;
/** Of one round: its value is the median of what pairs of loads, one right behind the other, differ by. */
const PAIRS_PER_ROUND = 4;

interface Entrant {
  readonly peer: Peer;
  readonly site: Site;
  readonly running: RunningPeer;
}

/**
 * What it costs the agents of both sides to count requests as they pass: two pairs of them, one with it and one without, and the same load
 * on one after the other. Requests are those of 32 connections of HTTP/1.1 that are kept alive; of bulk there is nothing to read.
 */
export const requestsMeasure: ScaleMeasure = {
  name: 'requests',
  pairCount: 2,
  isFullOnly: true,
  async measure(site) {
    const certificates = await createCertificates(site.directory);
    const entrants = [];
    for (const [index, pair] of site.pairs.entries()) entrants.push(await start(site, pair, certificates, index === 0));
    const [on = bug('two pairs'), off = bug('two pairs')] = entrants;
    const figures: ScaleFigure[] = [];
    for (const name of ['c32', 'bulk1'] as const) {
      const load = namedLoad(name);
      for (const entrant of [on, off]) await run(site, entrant, load, WARM_UP_SECONDS);
      const values: number[] = [];
      for (let round = 0; round < site.rounds; round++) {
        site.say(`requests, round ${round + 1} of ${site.rounds}: ${name} with and without counting`);
        values.push(await percentMore(site, on, off, load));
      }
      figures.push(figureOf(name, values));
    }
    for (const { running } of entrants) await running.stop();
    return figures;
  },
};

function figureOf(load: 'c32' | 'bulk1', values: readonly number[]): ScaleFigure {
  const of = load === 'c32' ? 'a request of 1 KiB each way, 32 connections' : 'a byte of bulk';
  return {
    name: load === 'c32' ? 'request_metrics_cpu' : 'request_metrics_bulk_cpu',
    words: `CPU of both agents for ${of}, more when requests are counted as they pass`,
    unit: '%',
    must: '<= 10',
    aim: '<= 5',
    values,
  };
}

async function start(
  site: ScaleSite,
  pair: PodPair,
  certificates: BenchCertificates,
  httpMetrics: boolean,
): Promise<Entrant> {
  const directory = join(site.directory, httpMetrics ? 'requests-on' : 'requests-off');
  await mkdir(directory);
  const { topology, children, signal, node, path } = site;
  const peer = createAmbitPeer({
    version: '',
    program: join(site.root, 'dist', 'node-agent.mjs'),
    node,
    path,
    variables: { AMBIT_HTTP_METRICS: String(httpMetrics), ...(httpMetrics ? {} : SECOND_AGENT_PORTS) },
    nodeArguments: () => [],
  });
  const own: Site = { topology, pair, certificates, directory, children, signal };
  await startApplications(own);
  const running = await peer.start(own);
  await waitUntilReady(peer, running, own, node);
  return { peer, site: own, running };
}

/** By how many percent a unit costs more with `on`. Each comes first as often as the other. */
async function percentMore(site: ScaleSite, on: Entrant, off: Entrant, load: PeerLoad): Promise<number> {
  const more: number[] = [];
  for (let count = 0; count < PAIRS_PER_ROUND; count++) {
    const order = count % 2 === 0 ? [on, off] : [off, on];
    const costs = new Map<Entrant, number>();
    for (const entrant of order) costs.set(entrant, costOf(await run(site, entrant, load, LOAD_SECONDS)));
    more.push(((costs.get(on) ?? Number.NaN) / (costs.get(off) ?? Number.NaN) - 1) * 100);
  }
  const sorted = more.toSorted((a, b) => a - b);
  return ((sorted[PAIRS_PER_ROUND / 2 - 1] ?? 0) + (sorted[PAIRS_PER_ROUND / 2] ?? 0)) / 2;
}

function run({ ownPid }: ScaleSite, entrant: Entrant, load: PeerLoad, seconds: number): Promise<Sample> {
  return runLoad({ ...entrant, load, round: 0, seconds, ownPid });
}

/** CPU seconds of both agents per request, or per byte. */
function costOf(sample: Sample): number {
  const { clientCpuSeconds, serverCpuSeconds } = sample;
  return (clientCpuSeconds + serverCpuSeconds) / (sample.kind === 'bulk' ? sample.bytes : sample.requests);
}
