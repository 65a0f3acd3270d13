import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Pod } from '@ambit/mesh/kinds';
import { until } from '@ambit/mesh/testing';
import { AppHandle } from './apps/app-handle.ts';
import { knownPods, servedPods } from './config-dumps.ts';
import { type HostPlan, NETNS_DIRECTORY, WorldNetwork } from './network.ts';
import { planHosts } from './plan.ts';
import { readManifests } from './read-manifests.ts';
import { type ProgramForm, programCommand, type ProgramName } from './programs.ts';
import { isWaypointPod, podKey, startWaypoint, type WaypointProcess } from './waypoints.ts';
import { WorldProcess } from './world-process.ts';

export interface MeshWorldOptions {
  /** The directory the mesh runs from; edit it to change the mesh. */
  readonly manifests: string;
  readonly form: ProgramForm;
  /** Address blocks of pods and services, for the agents' rule about unknown addresses. */
  readonly meshRanges: readonly string[];
  /** Variables besides those the world sets itself. */
  readonly variables?: Partial<Readonly<Record<ProgramName, Readonly<Record<string, string>>>>>;
  /** Pods, `<namespace>/<name>`, in which nothing is started: a test starts there what it wants, when it wants. */
  readonly idle?: readonly string[];
  /** Called with the name of each step as it is done. */
  readonly onStep?: (what: string) => void;
}

/** How a command of the controller ended. */
export interface CommandOutcome {
  readonly code: number | null;
  /** Standard output. */
  readonly output: string;
  /** Standard error. */
  readonly complaint: string;
}

/** The Ambit processes of one host. An agent that was replaced is no more among them. */
export interface HostProcesses {
  readonly name: string;
  readonly nodeAgent: WorldProcess;
  readonly cniAgent: WorldProcess;
  readonly accessLogFile: string;
}

const STATE = '/run/ambit';
/** Where the controller keeps its authorities. */
export const CONTROLLER_STATE: string = join(STATE, 'controller');
const CONTROLLER_PORT = 15012;
const PORTS = {
  admin: 15000,
  metrics: 15020,
  readiness: 15021,
  'cni-metrics': 15014,
  // The CNI agent of this host has the usual port; in Kubernetes they live in different network namespaces.
  'controller-metrics': 15114,
  'controller-readiness': 8080,
} as const;
/** Right after `npm ci` the disk is busy for a while, and the controller keeps its keys there before it is ready. */
const START_MS = 60_000;

/**
 * Hosts, pods and apps of a directory of manifests, with a controller on the first host and a node agent and a CNI agent on
 * each. Lives in the sandbox (`sandbox.ts`); disposal ends every process and removes every namespace.
 */
export class MeshWorld implements AsyncDisposable {
  readonly options: MeshWorldOptions;
  readonly hosts: readonly HostPlan[];
  readonly network: WorldNetwork;
  readonly #stack = new AsyncDisposableStack();
  readonly #apps = new Map<string, AppHandle>();
  readonly #processes = new Map<string, HostProcesses>();
  readonly #waypointPods = new Map<string, Pod>();
  readonly #waypoints = new Map<string, WaypointProcess>();
  #controller: WorldProcess | null = null;
  #upgrades = 0;

  private constructor(options: MeshWorldOptions, hosts: readonly HostPlan[]) {
    this.options = options;
    this.hosts = hosts;
    this.#stack.defer(() => rmSync(STATE, { recursive: true, force: true }));
    this.network = this.#stack.use(WorldNetwork.create(hosts));
  }

  /** @throws Error that names the process that did not become ready, with the end of its log. */
  static async start(options: MeshWorldOptions): Promise<MeshWorld> {
    const objects = await readManifests(options.manifests);
    const world = new MeshWorld(options, planHosts(objects));
    try {
      const pods = objects.filter((object) => object.kind === 'Pod').filter((pod) => !pod.hostNetwork);
      options.onStep?.(`${world.hosts.length} hosts and ${pods.length} pods`);
      for (const pod of pods.filter(isWaypointPod)) world.#waypointPods.set(podKey(pod), pod);
      const busy = pods.filter((pod) => options.idle?.includes(podKey(pod)) !== true);
      await Promise.all([world.#startApps(busy.filter((pod) => !isWaypointPod(pod))), world.#startMesh()]);
      await Promise.all(busy.filter(isWaypointPod).map((pod) => world.startWaypoint(podKey(pod))));
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  get controller(): WorldProcess {
    if (this.#controller === null) throw new Error('the controller was not started');
    return this.#controller;
  }

  /** Where agents reach the controller. */
  get controllerAddress(): string {
    return `${this.network.linkAddress(this.#firstHost)}:${CONTROLLER_PORT}`;
  }

  app(pod: string): AppHandle {
    const app = this.#apps.get(pod);
    if (app === undefined) throw new Error(`no pod ${pod} in this world`);
    return app;
  }

  processes(host: string): HostProcesses {
    const found = this.#processes.get(host);
    if (found === undefined) throw new Error(`no host ${host} in this world`);
    return found;
  }

  /** Of the pod `<namespace>/<name>`, which is a waypoint's. */
  waypoint(pod: string): WaypointProcess {
    const found = this.#waypoints.get(pod);
    if (found === undefined) throw new Error(`no waypoint ${pod} in this world`);
    return found;
  }

  /** By pod, `<namespace>/<name>`. */
  get waypoints(): ReadonlyMap<string, WaypointProcess> {
    return this.#waypoints;
  }

  /** Starts the waypoint of an idle pod, `<namespace>/<name>`; resolves when it is ready. */
  async startWaypoint(key: string): Promise<WaypointProcess> {
    const pod = this.#waypointPods.get(key);
    if (pod === undefined) throw new Error(`no pod ${key} of a waypoint in this world`);
    const started = await startWaypoint(this, pod, STATE);
    this.#waypoints.set(key, started);
    this.options.onStep?.(`waypoint ${key}`);
    return started;
  }

  accessLog(host: string): string {
    return readIfThere(this.processes(host).accessLogFile);
  }

  /** GET from a host's own loopback; null when nobody answers. The first three are the node agent's. */
  async ask(host: string, port: keyof typeof PORTS, path: string): Promise<string | null> {
    const answer = await this.network.requestOnHost(host, 'GET', PORTS[port], path);
    return answer?.status === 200 ? answer.body : null;
  }

  /** GET from the controller's own loopback; null when nobody answers. */
  askController(port: 'controller-metrics' | 'controller-readiness', path: string): Promise<string | null> {
    return this.ask(this.#firstHost, port, path);
  }

  /** Resolves when the controller says it is ready. */
  async controllerReady(): Promise<void> {
    await this.#ready(this.controller, () => this.askController('controller-readiness', '/healthz/ready'));
  }

  /** Resolves when the node agent of `host` says it is ready. */
  async nodeAgentReady(host: string): Promise<void> {
    await this.#ready(this.processes(host).nodeAgent, () => this.ask(host, 'readiness', '/healthz/ready'));
  }

  /**
   * Starts another node agent on `host`, which takes over from the one there and stands for it from now on; resolves when it is ready. Whoever
   * was there before is given back, and is still to be told to stop.
   */
  async upgradeNodeAgent(host: string): Promise<HostProcesses> {
    const before = this.processes(host);
    const name = `node-agent-${host}-${++this.#upgrades}`;
    const accessLogFile = join(STATE, host, `access-${this.#upgrades}.log`);
    const nodeAgent = this.#createNodeAgent(name, host, accessLogFile);
    this.#processes.set(host, { ...before, nodeAgent, accessLogFile });
    nodeAgent.start();
    // The one before answers until the new one has taken its address.
    await this.#ready(nodeAgent, async () =>
      nodeAgent.log.includes('node agent runs') ? this.ask(host, 'readiness', '/healthz/ready') : null,
    );
    this.options.onStep?.(name);
    return before;
  }

  /** Resolves when the node agents serve exactly the pods named `<namespace>/<name>`. */
  async captured(pods: readonly string[], timeoutMs: number = START_MS): Promise<void> {
    const wanted = [...pods].sort().join();
    await until(
      `node agents serve ${wanted}`,
      async () => {
        const dumps = await Promise.all(this.hosts.map((host) => this.ask(host.name, 'admin', '/config_dump')));
        return dumps.flatMap(servedPods).sort().join() === wanted;
      },
      timeoutMs,
    );
  }

  /** Resolves when every node agent knows that the pods named `<namespace>/<name>` are reached by tunnel. */
  async tunnelled(pods: readonly string[], timeoutMs: number = START_MS): Promise<void> {
    await this.#knownAs(`all node agents know that ${pods.join()} take tunnels`, timeoutMs, (known) =>
      pods.every((pod) => known.get(pod) === 'HBONE'),
    );
  }

  /** Resolves when no node agent knows the pod named `<namespace>/<name>` any more. */
  async forgotten(pod: string, timeoutMs: number = START_MS): Promise<void> {
    await this.#knownAs(`no node agent knows ${pod} any more`, timeoutMs, (known) => !known.has(pod));
  }

  async #knownAs(
    what: string,
    timeoutMs: number,
    isSo: (known: ReadonlyMap<string, unknown>) => boolean,
  ): Promise<void> {
    await until(
      what,
      async () => {
        const dumps = await Promise.all(this.hosts.map((host) => this.ask(host.name, 'admin', '/config_dump')));
        return dumps.every((dump) => dump !== null && isSo(knownPods(dump)));
      },
      timeoutMs,
    );
  }

  /** `controller token`, as a person would run it. `more` are further arguments. */
  async joinToken(node: string, more: readonly string[] = []): Promise<string> {
    const { code, output, complaint } = await this.controllerCommand(['token', '--node', node, ...more]);
    if (code !== 0) throw new Error(`controller token ended with ${code}: ${complaint}`);
    return output;
  }

  /** Runs the controller's program beside the running one, with its state directory, until it ends. */
  controllerCommand(args: readonly string[]): Promise<CommandOutcome> {
    const all = [...args, '--state', CONTROLLER_STATE];
    const { command, args: withProgram } = programCommand(this.options.form, 'controller', all);
    const child = this.network.spawnOnHost(this.#firstHost, command, withProgram, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment(this.options.variables?.controller),
    });
    const output = textOf(child.stdout);
    const complaint = textOf(child.stderr);
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, output: output(), complaint: complaint() }));
    });
  }

  /** A process of Ambit on a host or in a pod, not started yet; the world ends it. Its log is `<name>.log` of this world. */
  program(
    name: string,
    place: string | { readonly namespace: string; readonly name: string },
    program: ProgramName,
    args: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ): WorldProcess {
    const logFile = join(STATE, `${name}.log`);
    writeFileSync(logFile, '');
    const plan = {
      name,
      ...programCommand(this.options.form, program, args),
      environment: environment({ ...variables, ...this.options.variables?.[program] }),
      logFile,
    };
    return this.#stack.use(
      new WorldProcess(plan, (command, all, options) =>
        typeof place === 'string'
          ? this.network.spawnOnHost(place, command, all, options)
          : this.network.spawnInPod(place, command, all, options),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #startApps(pods: readonly Pod[]): Promise<void> {
    const apps = await Promise.all(
      pods.map((pod) => {
        const { namespace, name } = pod.meta;
        const ports = pod.containerPorts.map(({ name: portName, port }) => {
          if (portName.startsWith('http')) return { httpPort: port };
          return portName.startsWith('bulk') ? { bulkPort: port } : { linePort: port };
        });
        return AppHandle.start(Object.assign({ name }, ...ports), (command, args) =>
          this.network.spawnInPod({ namespace, name }, command, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
        );
      }),
    );
    for (const app of apps) this.#apps.set(app.name, this.#stack.use(app));
    this.options.onStep?.(`${apps.length} applications`);
  }

  async #startMesh(): Promise<void> {
    mkdirSync(STATE, { recursive: true });
    this.#controller = this.program('controller', this.#firstHost, 'controller', [
      ...['--manifests', this.options.manifests, '--state', CONTROLLER_STATE, '--listen', this.controllerAddress],
      ...['--metrics', `127.0.0.1:${PORTS['controller-metrics']}`],
    ]);
    this.#controller.start();
    await this.controllerReady();
    this.options.onStep?.('controller');
    await Promise.all(this.hosts.map((host) => this.#startHost(host)));
  }

  async #startHost(host: HostPlan): Promise<void> {
    const state = join(STATE, host.name);
    mkdirSync(state, { recursive: true, mode: 0o700 });
    const tokenFile = join(state, 'join-token');
    writeFileSync(tokenFile, await this.joinToken(host.name), { mode: 0o600 });
    const zds = join(state, 'zds.sock');
    const accessLogFile = join(state, 'access.log');
    const cniAgent = this.program(`cni-${host.name}`, host.name, 'cni', [], {
      AMBIT_MANIFESTS: this.options.manifests,
      AMBIT_NODE_NAME: host.name,
      AMBIT_NETNS_DIR: NETNS_DIRECTORY,
      AMBIT_STATE_DIR: join(state, 'cni'),
      AMBIT_MESH_CIDRS: this.options.meshRanges.join(),
      AMBIT_ZDS_SOCKET: zds,
    });
    const nodeAgent = this.#createNodeAgent(`node-agent-${host.name}`, host.name, accessLogFile);
    this.#processes.set(host.name, { name: host.name, nodeAgent, cniAgent, accessLogFile });
    cniAgent.start();
    nodeAgent.start();
    await this.nodeAgentReady(host.name);
    this.options.onStep?.(`node agent and CNI agent of ${host.name}`);
  }

  #createNodeAgent(name: string, host: string, accessLogFile: string): WorldProcess {
    const state = join(STATE, host);
    return this.program(name, host, 'node-agent', [], {
      AMBIT_NODE_NAME: host,
      AMBIT_CONTROLLER_ADDRESS: this.controllerAddress,
      AMBIT_JOIN_TOKEN_FILE: join(state, 'join-token'),
      AMBIT_STATE_DIR: join(state, 'node-agent'),
      AMBIT_HANDOVER_DIR: join(state, 'handover'),
      AMBIT_ZDS_SOCKET: join(state, 'zds.sock'),
      AMBIT_MESH_CIDRS: this.options.meshRanges.join(),
      AMBIT_ACCESS_LOG: accessLogFile,
    });
  }

  get #firstHost(): string {
    const [first] = this.hosts;
    if (first === undefined) throw new Error('a world needs at least one Node');
    return first.name;
  }

  async #ready(process: WorldProcess, probe: () => Promise<string | null>): Promise<void> {
    try {
      await until(`${process.plan.name} is ready`, () => (process.pid === null ? 'gone' : probe()), START_MS);
      if (process.pid === null) throw new Error(`${process.plan.name} ended`);
    } catch (cause) {
      throw new Error(`${String(cause)}\n${process.log.split('\n').slice(-20).join('\n')}`, { cause });
    }
  }
}

/** Collects what a stream says; the function returned tells it. */
function textOf(stream: Readable | null): () => string {
  let text = '';
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

/** Processes get what they need and nothing of the caller's environment. */
function environment(variables: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', ...variables };
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
