import { until } from '@ambit/mesh/testing';
import { LinkCapture } from '../world/capture.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { LINK_INTERFACE } from '../world/network.ts';
import type { AppRequest } from '../world/apps/app-handle.ts';
import type { Stage } from './stage.ts';

export interface OutageTarget {
  readonly host: string;
  /** A call into the host whose agent dies, and one out of it. */
  readonly inward: { readonly caller: string; readonly request: AppRequest };
  readonly outward: { readonly caller: string; readonly request: AppRequest };
  readonly marker: string;
}

const TRIES = 10;
const TUNNEL_PORT = 15008;

/** kill -9 of a node agent: traffic stops rather than leaks, and comes back with it. */
export async function actOutage(world: MeshWorld, stage: Stage, target: OutageTarget): Promise<void> {
  stage.act(`4  The node agent of ${target.host} is killed`);
  const { nodeAgent } = world.processes(target.host);
  using capture = new LinkCapture(LINK_INTERFACE, target.marker, TUNNEL_PORT);
  const calls = [target.inward, target.outward];
  const attempt = async (): Promise<boolean[]> =>
    await Promise.all(calls.map(async ({ caller, request }) => (await world.app(caller).run(request)).ok));
  const healthy = await attempt();
  stage.check(healthy.every(Boolean), 'before: calls into and out of the host work');

  stage.doing(
    `kill -9, then ${TRIES * calls.length} calls: the caller’s agent tries a tunnel again for a moment before it gives up`,
  );
  await nodeAgent.stop('SIGKILL');
  let through = 0;
  for (let i = 0; i < TRIES; i++) through += (await attempt()).filter(Boolean).length;
  const leaked = capture.report().markers;
  stage.check(
    through === 0 && leaked === 0,
    `${through} of ${TRIES * calls.length} calls got through, ${leaked} secrets crossed the link readable`,
  );

  const start = performance.now();
  nodeAgent.start();
  await until('calls work again', async () => (await attempt()).every(Boolean), 15_000);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const readable = capture.report().markers;
  stage.check(
    readable === 0,
    `started again: calls work ${seconds} s later; in all that time ${readable} of their secrets crossed the link readable`,
  );
}
