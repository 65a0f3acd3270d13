import { join } from 'node:path';
import { DEFAULT_REDIRECT_OPTIONS, nftables } from '@ambit/cni/redirect';
import { NetnsHandle } from '@ambit/mesh/linux';
import { systemClock } from '@ambit/mesh/runtime';
import { readCpuSeconds } from '../measure/process-usage.ts';
import type { ScaleMeasure, ScaleSite } from './figure.ts';
import { openLineProgram } from '../host/line-program.ts';
import { LARGE_MESH, meshOf } from './mesh-of.ts';
import { startScaleAgent } from './scale-agent.ts';

/** What a pod asks for in turn; a real one asks for fewer. */
const NAMES = 32;
const SERVICES = 1000;
const WARM_MS = 1500;
const MEASURED_MS = 3000;
const QUICK_MEASURED_MS = 2000;

/**
 * Questions of a pod for services of a mesh of 1,000, redirected by the rules of the CNI agent, A and AAAA in turn, as many as the agent
 * answers: answers to each second of CPU that it takes, kernel included.
 */
export const dnsMeasure: ScaleMeasure = {
  name: 'dns',
  async measure(site) {
    const values: number[] = [];
    for (let round = 0; round < site.rounds; round++) {
      site.say(`dns, round ${round + 1} of ${site.rounds}`);
      values.push(await answersPerCore(site, round));
    }
    return [
      {
        name: 'dns_qps_per_core',
        words: 'DNS answers of the mesh to a second of CPU',
        unit: '1/s',
        must: '>= 15000',
        aim: '>= 30000',
        values,
      },
    ];
  },
};

async function answersPerCore(site: ScaleSite, round: number): Promise<number> {
  using netns = NetnsHandle.open(`/run/netns/${site.pair.clientNetns}`);
  await nftables.apply(netns, { ...DEFAULT_REDIRECT_OPTIONS, dnsCapture: true }, site.signal);
  const services = [...meshOf({ ...LARGE_MESH, workloads: 0, services: SERVICES })].filter(
    (object) => object.kind === 'service',
  );
  const names = services.slice(0, NAMES).map(({ service }) => service.hostname);
  await using agent = await startScaleAgent(site, {
    name: `dns-${round}`,
    workers: 1,
    prepare: (controller) => controller.keep(services),
  });
  await using load = await openLineProgram({
    node: site.node,
    program: join(import.meta.dirname, 'dns-load-main.ts'),
    args: [`/run/netns/${site.pair.clientNetns}`, `${site.pair.serverAddress}:53`, ...names],
    failure: 'who asks the DNS proxy failed',
  });
  const measuredMs = site.quick ? QUICK_MEASURED_MS : MEASURED_MS;
  await systemClock.sleep(WARM_MS, site.signal);
  await load.ask();
  const cpuBefore = readCpuSeconds([agent.pid]);
  await systemClock.sleep(measuredMs, site.signal);
  const answers = Number(await load.ask());
  const cpu = readCpuSeconds([agent.pid]) - cpuBefore;
  agent.assertAlive();
  site.say(
    `dns: ${Math.round(answers / (measuredMs / 1000))} answers a second, ${(cpu / (measuredMs / 1000)).toFixed(2)} of a core`,
  );
  return answers / cpu;
}
