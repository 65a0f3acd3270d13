import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEnvironment, createRootLogger, type LineSink, type RootLogger, systemClock } from '@ambit/mesh/runtime';
import { createNodeAgent, type NodeAgent } from '../src/app.ts';
import { parseConfig } from '../src/config.ts';
import { FakeCni } from './fake-cni.ts';
import { FakeController, TEST_SERVER_NAME, TEST_TOKEN } from './fake-controller.ts';
import { PodWorld, type TestPod } from './pod-world.ts';

/** A whole agent with a real worker thread, under a fake controller and a fake CNI agent, serving `client` and `server`. */
export class AgentWorld implements AsyncDisposable {
  readonly controller: FakeController = new FakeController();
  readonly directory: string = mkdtempSync(join(tmpdir(), 'ambit-agent-'));
  readonly cni: FakeCni = new FakeCni(join(this.directory, 'zds.sock'));
  readonly log: string[] = [];
  readonly accessLog: string = join(this.directory, 'access.log');
  stopRequests = 0;
  #agent: NodeAgent | null = null;
  #pods: PodWorld | null = null;

  static async create(): Promise<AgentWorld> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new AgentWorld());
    world.#pods = await PodWorld.create([
      {
        name: 'client',
        clusterId: 'Kubernetes',
        uid: 'Kubernetes//Pod/shop/client',
        captured: false,
        tunnelProtocol: 'hbone',
      },
      {
        name: 'server',
        clusterId: 'Kubernetes',
        uid: 'Kubernetes//Pod/shop/server',
        captured: false,
        tunnelProtocol: 'hbone',
      },
    ]);
    for (const name of ['client', 'server']) world.#pods.redirect(name);
    for (const { workload } of world.#pods.pods.values()) await world.controller.push({ kind: 'workload', workload });
    await world.controller.start();
    writeFileSync(join(world.directory, 'token'), TEST_TOKEN);
    writeFileSync(join(world.directory, 'root.pem'), world.controller.rootPem);
    half.move();
    return world;
  }

  get agent(): NodeAgent {
    if (this.#agent === null) throw new Error('the agent does not run');
    return this.#agent;
  }

  pod(name: string): TestPod {
    if (this.#pods === null) throw new Error('no pods');
    return this.#pods.pod(name);
  }

  /** What an agent of this world is told at start. */
  variables(more: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
    return {
      AMBIT_NODE_NAME: 'node-1',
      AMBIT_CONTROLLER_ADDRESS: this.controller.address,
      AMBIT_CONTROLLER_SERVER_NAME: TEST_SERVER_NAME,
      AMBIT_TOKEN_FILE: join(this.directory, 'token'),
      AMBIT_CONTROLLER_ROOT_FILE: join(this.directory, 'root.pem'),
      AMBIT_ZDS_SOCKET: this.cni.path,
      AMBIT_MESH_CIDRS: '10.77.0.0/16',
      AMBIT_ACCESS_LOG: this.accessLog,
      AMBIT_ADMIN_ADDRESS: '127.0.0.1:0',
      AMBIT_METRICS_ADDRESS: '127.0.0.1:0',
      AMBIT_READINESS_ADDRESS: '127.0.0.1:0',
      AMBIT_LOG_LEVEL: 'warn',
      ...more,
    };
  }

  async startAgent(more: Readonly<Record<string, string>> = {}): Promise<void> {
    const environment = createEnvironment(this.variables(more));
    this.#agent = await createNodeAgent({
      config: parseConfig(environment),
      workerProgram: new URL('../src/worker-main.ts', import.meta.url),
      version: 'test',
      clock: systemClock,
      logger: await this.#logger(),
      logFd: 2,
      requestStop: () => {
        this.stopRequests++;
      },
    });
    await this.cni.accept();
  }

  /** Announces both pods and the end of the snapshot. */
  async announce(): Promise<void> {
    for (const name of ['client', 'server']) {
      assert.equal(
        await this.cni.add(`uid-${name}`, { name, namespace: 'shop', serviceAccount: name }, this.pod(name).netns.path),
        '',
      );
    }
    assert.equal(await this.cni.send({ kind: 'snapshot-sent' }), '');
  }

  async get(
    server: 'admin' | 'metrics' | 'readiness',
    path: string,
    method = 'GET',
  ): Promise<{ readonly status: number; readonly text: string }> {
    const { host, port } = this.agent.addresses[server];
    const response = await fetch(`http://${host}:${port}${path}`, { method });
    return { status: response.status, text: await response.text() };
  }

  async stopAgent(): Promise<void> {
    const agent = this.#agent;
    this.#agent = null;
    await agent?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.[Symbol.asyncDispose]();
    await this.cni[Symbol.asyncDispose]();
    await this.controller[Symbol.asyncDispose]();
    await this.#pods?.[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #logger(): Promise<RootLogger> {
    const sink: LineSink = {
      write: (line) => void this.log.push(line),
      dropped: 0,
      flush: async () => {},
      flushSync: () => {},
    };
    return createRootLogger({ format: 'text', filter: 'info', sink, clock: systemClock, scope: 'node-agent' });
  }
}

/** The pod's application gives back what it is told. */
export async function serveEcho(pod: TestPod): Promise<void> {
  await pod.serve(8080, (socket) => void socket.on('end', () => socket.end()).pipe(socket, { end: false }));
}
