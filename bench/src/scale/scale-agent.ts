import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildWorkload, until } from '@ambit/mesh/testing';
import { ADDRESS_TYPE_URL } from '@ambit/mesh/wire';
import { FakeCni } from '../../../node-agent/test/fake-cni.ts';
import { FakeController, TEST_SERVER_NAME, TEST_TOKEN } from '../../../node-agent/test/fake-controller.ts';
import { BenchError } from '../errors.ts';
import type { ScaleSite } from './figure.ts';

/** Port that pods serve on. */
export const POD_PORT = 8080;
const START_MS_MAX = 60_000;

/** A built node agent under a controller and a CNI agent of this process, with two pods of one node. Disposing it ends all of them. */
export interface ScaleAgent extends AsyncDisposable {
  readonly pid: number;
  readonly controller: FakeController;
  /** How many responses with addresses the agent has acknowledged. */
  acknowledged(): number;
  assertAlive(): void;
}

export interface ScaleAgentOptions {
  /** Unique within the bench. */
  readonly name: string;
  readonly workers: number;
  /** What it finds when it starts beside its pods. */
  readonly prepare?: (controller: FakeController) => void;
}

/** Resolves once the agent has the whole mesh, and its pods and their certificates. */
export async function startScaleAgent(site: ScaleSite, options: ScaleAgentOptions): Promise<ScaleAgent> {
  await using half = new AsyncDisposableStack();
  const { pair } = site;
  const directory = await mkdtemp(join(site.directory, `${options.name}-`));
  const controller = half.use(new FakeController());
  const pods = [
    { name: 'client', address: pair.clientAddress, netns: pair.clientNetns },
    { name: 'server', address: pair.serverAddress, netns: pair.serverNetns },
  ];
  for (const { name, address } of pods) {
    const uid = `Kubernetes//Pod/bench/${name}`;
    const workload = buildWorkload({ uid, name, namespace: 'bench', clusterId: 'Kubernetes', addresses: [address] });
    controller.keep([{ kind: 'workload', workload }]);
  }
  options.prepare?.(controller);
  await controller.start();
  const cni = half.use(new FakeCni(join(directory, 'zds.sock')));
  await writeFile(join(directory, 'token'), TEST_TOKEN);
  await writeFile(join(directory, 'root.pem'), controller.rootPem);
  const child = site.children.start({
    name: options.name,
    command: [site.node, join(site.root, 'dist', 'node-agent.mjs')],
    env: {
      PATH: site.path,
      AMBIT_NODE_NAME: 'node-1',
      AMBIT_CONTROLLER_ADDRESS: controller.address,
      AMBIT_CONTROLLER_SERVER_NAME: TEST_SERVER_NAME,
      AMBIT_TOKEN_FILE: join(directory, 'token'),
      AMBIT_CONTROLLER_ROOT_FILE: join(directory, 'root.pem'),
      AMBIT_ZDS_SOCKET: cni.path,
      AMBIT_MESH_CIDRS: '10.0.0.0/8,fd00::/8',
      AMBIT_ACCESS_LOG: join(directory, 'access.log'),
      AMBIT_ADMIN_ADDRESS: '127.0.0.1:0',
      AMBIT_METRICS_ADDRESS: '127.0.0.1:0',
      AMBIT_READINESS_ADDRESS: '127.0.0.1:0',
      AMBIT_WORKERS: String(options.workers),
    },
  });
  half.defer(() => child.stop());
  const acknowledged = (): number => {
    if (controller.acknowledged.some((text) => text.endsWith(' refused'))) {
      throw new BenchError('peer-failed', 'the agent refused what it was pushed');
    }
    return controller.acknowledged.filter((text) => text === ADDRESS_TYPE_URL).length;
  };
  await cni.accept();
  for (const { name, netns } of pods) {
    const failure = await cni.add(
      `uid-${name}`,
      { name, namespace: 'bench', serviceAccount: name },
      `/run/netns/${netns}`,
    );
    if (failure !== '') throw new BenchError('peer-failed', 'a pod was refused', { data: { failure } });
  }
  await cni.send({ kind: 'snapshot-sent' });
  await until('the agent has the mesh', () => (child.assertAlive(), acknowledged() > 0), START_MS_MAX);
  const owned = half.move();
  return {
    pid: child.pid,
    controller,
    acknowledged,
    assertAlive: () => child.assertAlive(),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
