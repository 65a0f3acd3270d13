import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ipAddressToBytes, workloadIdentity } from '@ambit/mesh/model';
import { createEnvironment, createRootLogger, type LineSink, systemClock } from '@ambit/mesh/runtime';
import { createNodeAgent, type NodeAgent } from '../src/app.ts';
import { parseConfig } from '../src/config.ts';
import { PodWorld, type TestPod } from './pod-world.ts';

/** A whole agent with real worker threads in this process, and what it said. */
export class LocalAgent implements AsyncDisposable {
  readonly agent: NodeAgent;
  readonly log: readonly string[];

  constructor(agent: NodeAgent, log: readonly string[]) {
    this.agent = agent;
    this.log = log;
  }

  has(message: string): boolean {
    return this.log.some((line) => line.includes(message));
  }

  async get(server: 'admin' | 'metrics' | 'readiness', path: string): Promise<{ status: number; text: string }> {
    const { host, port } = this.agent.addresses[server];
    const response = await fetch(`http://${host}:${port}${path}`);
    return { status: response.status, text: await response.text() };
  }

  async metric(name: string): Promise<number> {
    const { text } = await this.get('metrics', '/metrics');
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent[Symbol.asyncDispose]();
  }
}

/** Two redirected pods, `client` and `server`, of one file-mode mesh, which any number of agents may serve. */
export class LocalWorld implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'ambit-local-'));
  readonly handoverDirectory: string = join(this.directory, 'handover');
  readonly #pods: PodWorld;
  readonly #agents: LocalAgent[] = [];

  private constructor(pods: PodWorld) {
    this.#pods = pods;
  }

  static async create(): Promise<LocalWorld> {
    const plan = (name: string): Parameters<typeof PodWorld.create>[0][number] => ({
      name,
      clusterId: 'Kubernetes',
      uid: `Kubernetes//Pod/shop/${name}`,
      captured: false,
      tunnelProtocol: 'hbone',
    });
    const world = new LocalWorld(await PodWorld.create([plan('client'), plan('server')]));
    world.#writeConfig();
    for (const name of ['client', 'server']) world.#pods.redirect(name);
    return world;
  }

  pod(name: 'client' | 'server'): TestPod {
    return this.#pods.pod(name);
  }

  async startAgent(more: Readonly<Record<string, string>> = {}): Promise<LocalAgent> {
    const log: string[] = [];
    const sink: LineSink = {
      write: (line) => void log.push(line),
      dropped: 0,
      flush: async () => {},
      flushSync: () => {},
    };
    const environment = createEnvironment({
      AMBIT_LOCAL_CONFIG: join(this.directory, 'mesh.json'),
      AMBIT_MESH_CIDRS: '10.77.0.0/16',
      AMBIT_ACCESS_LOG: 'off',
      AMBIT_ADMIN_ADDRESS: '127.0.0.1:0',
      AMBIT_METRICS_ADDRESS: '127.0.0.1:0',
      AMBIT_READINESS_ADDRESS: '127.0.0.1:0',
      AMBIT_HANDOVER_DIR: this.handoverDirectory,
      AMBIT_LOG_LEVEL: 'warn',
      ...more,
    });
    const agent = await createNodeAgent({
      config: parseConfig(environment),
      workerProgram: new URL('../src/worker-main.ts', import.meta.url),
      version: 'test',
      clock: systemClock,
      logger: await createRootLogger({ format: 'text', filter: 'info', sink, clock: systemClock, scope: 'node-agent' }),
      logFd: 2,
      requestStop: () => {},
    });
    const started = new LocalAgent(agent, log);
    this.#agents.push(started);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents) await agent[Symbol.asyncDispose]();
    await this.#pods[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #writeConfig(): void {
    const file = (name: string, text: string): string => {
      const path = join(this.directory, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    const pods = ['client', 'server'].map((name) => this.#pods.pod(name));
    const config = {
      workloads: pods.map(({ name, workload }) => ({
        ...{ uid: workload.uid, name, namespace: 'shop', serviceAccount: name, canonicalName: name },
        addresses: workload.addresses.map((ip) => Buffer.from(ipAddressToBytes(ip)).toString('base64')),
        ...{ tunnelProtocol: 'HBONE', clusterId: 'Kubernetes', trustDomain: 'cluster.local' },
      })),
      certificates: pods.map(({ name, workload }) => {
        const svid = this.#pods.ca.issue(workloadIdentity(workload));
        return {
          chain: file(`${name}.pem`, svid.chainPem),
          privateKey: file(`${name}.key`, svid.privateKeyPem),
          roots: file('roots.pem', svid.trustBundle.rootsPem.join('')),
        };
      }),
      pods: pods.map(({ name, netns }) => ({
        ...{ uid: `uid-${name}`, name, namespace: 'shop', serviceAccount: name, netns: netns.path },
      })),
    };
    file('mesh.json', JSON.stringify(config));
  }
}
