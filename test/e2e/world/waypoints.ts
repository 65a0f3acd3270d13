import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isOfWaypoint, type Pod } from '@ambit/mesh/kinds';
import { until } from '@ambit/mesh/testing';
import type { MeshWorld } from './mesh-world.ts';
import type { WorldProcess } from './world-process.ts';

/** A waypoint process in the network namespace of its pod. */
export interface WaypointProcess {
  readonly process: WorldProcess;
  readonly accessLogFile: string;
}

const READINESS_PORT = 15021;
const START_MS = 30_000;

/** Of the pods, those that a Gateway's labels make waypoints: in them no application runs. */
export function isWaypointPod(pod: Pod): boolean {
  return isOfWaypoint(pod.meta.labels);
}

/** `<namespace>/<name>`. */
export function podKey({ meta }: Pod): string {
  return `${meta.namespace}/${meta.name}`;
}

/** Starts the waypoint that a pod of the manifests is, with a join token of the pod's node. Resolves when it is ready. */
export async function startWaypoint(world: MeshWorld, pod: Pod, stateDirectory: string): Promise<WaypointProcess> {
  const { namespace, name } = pod.meta;
  const state = join(stateDirectory, `waypoint-${namespace}-${name}`);
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const tokenFile = join(state, 'join-token');
  writeFileSync(tokenFile, await world.joinToken(pod.nodeName), { mode: 0o600 });
  const accessLogFile = join(state, 'access.log');
  const process = world.program(`waypoint-${namespace}-${name}`, { namespace, name }, 'waypoint', [], {
    AMBIT_NODE_NAME: pod.nodeName,
    AMBIT_POD_NAMESPACE: namespace,
    AMBIT_POD_NAME: name,
    AMBIT_SERVICE_ACCOUNT: pod.serviceAccountName,
    AMBIT_CONTROLLER_ADDRESS: world.controllerAddress,
    AMBIT_JOIN_TOKEN_FILE: tokenFile,
    AMBIT_STATE_DIR: join(state, 'waypoint'),
    AMBIT_HBONE_ADDRESS: '[::]:15008',
    AMBIT_ACCESS_LOG: accessLogFile,
  });
  process.start();
  try {
    await until(
      `waypoint ${namespace}/${name} is ready`,
      async () => {
        if (process.pid === null) throw new Error('the waypoint ended');
        const answer = await world.network.requestInPod(pod.meta, 'GET', READINESS_PORT, '/healthz/ready');
        return answer?.status === 200;
      },
      START_MS,
    );
  } catch (cause) {
    throw new Error(`${String(cause)}\n${process.log.split('\n').slice(-20).join('\n')}`, { cause });
  }
  return { process, accessLogFile };
}
