import { once } from 'node:events';
import net, { type Server, type Socket } from 'node:net';
import { execFileSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { dialInNetns, listenInNetns, NetnsHandle } from '@ambit/mesh/linux';
import {
  createTrustDomains,
  DEFAULT_TRUST_DOMAIN,
  type MeshViewUpdate,
  parseCidr,
  parseIpAddress,
  parseSocketAddress,
  type Workload,
  workloadIdentity,
} from '@ambit/mesh/model';
import { type Clock, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { buildWorkload, createTestCa, type TestCa, TestNetns, type WorkloadOptions } from '@ambit/mesh/testing';
import { SharedViewWriter } from '@ambit/mesh/view';
import type { ProxySettings } from '../src/proxy/pod-context.ts';
import { podSpecOf } from '../src/pods/pod-registry.ts';
import type { WorkerChannel } from '../src/same-node/worker-ends.ts';
import { DataPlane } from '../src/worker/data-plane.ts';
import type { WorkerMetrics } from '../src/worker/worker-protocol.ts';
import { redirectPod, TEST_PACKET_MARK } from './redirect.ts';

const CLUSTER = 'cluster-1';

/** One captured pod: a network namespace, its workload, and applications that run in this process. */
export class TestPod implements AsyncDisposable {
  readonly name: string;
  readonly netns: TestNetns;
  readonly handle: NetnsHandle;
  readonly workload: Workload;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(name: string, netns: TestNetns, workload: Workload) {
    this.name = name;
    this.netns = netns;
    this.handle = NetnsHandle.open(netns.path);
    this.workload = workload;
  }

  /** An application of the pod that listens; it hears every connection with its error listener in place. */
  async serve(port: number, onConnection: (socket: Socket) => void, address = 'wildcard'): Promise<Server> {
    const fd = listenInNetns(this.handle, {
      address: address === 'wildcard' ? 'wildcard' : parseIpAddress(address),
      port,
    });
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.#own(socket);
      onConnection(socket);
    });
    server.on('error', () => {}).listen({ fd });
    await once(server, 'listening');
    this.#servers.push(server);
    return server;
  }

  /** An application of the pod that dials; captured unless the address is loopback. */
  dial(address: string): Socket {
    const socket = dialInNetns(this.handle, { destination: parseSocketAddress(address) });
    socket.allowHalfOpen = true;
    this.#own(socket);
    return socket;
  }

  /** Dials, sends `text`, ends, and gives everything that comes back; rejects when the connection breaks. */
  async exchange(address: string, text: string): Promise<string> {
    const socket = this.dial(address);
    // One that nobody answers is a failure with words, not a test that hangs.
    socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error(`${address}: silent for ${SILENCE_MS} ms`)));
    socket.end(text);
    return readAll(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    this.handle[Symbol.dispose]();
    await this.netns[Symbol.asyncDispose]();
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
  }
}

/** A machine with other work on it is slow, but not that slow. */
const SILENCE_MS = 30_000;

/** Everything a socket brings; rejects when it ends otherwise than in order. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer); // A socket without encoding gives buffers.
  return Buffer.concat(chunks).toString();
}

export interface NodeOptions {
  readonly settings?: Partial<ProxySettings>;
  /** Data workers of every node, here all in one thread; the kernel chooses which accepts. */
  readonly workers?: number;
  readonly clock?: Clock;
}

let nodeCount = 0;

/** The data planes of one agent in this thread, with what they logged. */
export class TestNode {
  /** Of the first worker, which most nodes have alone. */
  readonly plane: DataPlane;
  readonly planes: readonly DataPlane[];
  readonly lines: string[] = [];
  /** Everything that its mesh view is made of. */
  readonly updates: MeshViewUpdate[] = [];
  readonly #view = new SharedViewWriter(1);
  /** Addresses that its name servers know. */
  readonly names: Map<string, readonly string[]> = new Map();
  readonly asked: string[] = [];

  constructor(options: NodeOptions = {}) {
    const workers = options.workers ?? 1;
    const channel = workers === 1 ? null : { name: `test-node-${process.pid}-${++nodeCount}`, workers };
    this.planes = Array.from({ length: workers }, (_, index) => this.#createPlane(options, { index, channel }));
    const [plane] = this.planes;
    if (plane === undefined) throw new Error('a node without workers');
    this.plane = plane;
  }

  #createPlane({ settings, clock }: NodeOptions, worker: { index: number; channel: WorkerChannel | null }): DataPlane {
    return new DataPlane({
      index: worker.index,
      clock: clock ?? systemClock,
      logger: silentLogger,
      askForNames: () => {},
      log: { suppressed: 0 },
      settings: {
        network: '',
        trustDomains: createTrustDomains(DEFAULT_TRUST_DOMAIN),
        watchesRevocation: true,
        meshRanges: [parseCidr('10.77.0.0/16'), parseCidr('fd77::/16')],
        onDemand: false,
        clusterDomain: 'cluster.local',
        packetMark: TEST_PACKET_MARK,
        localhostApplicationTunnel: true,
        patienceMs: 300,
        notListeningMs: 1000,
        connectTimeoutMs: 1000,
        connectionsPerPodMax: 20_000,
        connectionsPerSecondMax: 20_000,
        bufferedBytesMax: 256 * 1024 * 1024,
        bytesPerSecondMax: 0,
        dns: null,
        traceSamplingPercent: null,
        sameNodeEncryption: false,
        httpMetrics: true,
        ...settings,
      },
      accessLog: { write: (line) => void this.lines.push(line), dropped: 0 },
      accessLogFormat: 'text',
      logFilter: 'info',
      random: Math.random,
      channel: worker.channel,
      threadCpuUs: () => process.threadCpuUsage().user,
      lookUpName: async (hostname) => {
        this.asked.push(hostname);
        return (this.names.get(hostname) ?? []).map((ip) => ({ ip: parseIpAddress(ip), ttlMs: 60_000 }));
      },
    });
  }

  update(update: MeshViewUpdate): void {
    this.updates.push(update);
    const publication = this.#view.apply(update);
    for (const plane of this.planes) plane['adopt-view']({ publication });
    this.#view.acknowledge(publication.epoch);
  }

  /** Finished connections of one direction, as `flag-free` fields by key. */
  records(direction: 'inbound' | 'outbound'): readonly ReadonlyMap<string, string>[] {
    return this.lines.filter((line) => line.includes(`direction="${direction}"`)).map(parseLine);
  }

  metrics(): WorkerMetrics {
    return this.plane.metrics();
  }
}

export function parseLine(line: string): ReadonlyMap<string, string> {
  const [, level = '', , message = '', fields = ''] = line.trimEnd().split('\t');
  const found = new Map([
    ['level', level],
    ['message', message],
  ]);
  for (const [, key = '', quoted, bare] of fields.matchAll(/([a-z_.]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g)) {
    found.set(key, quoted ?? bare ?? '');
  }
  return found;
}

export interface PodPlan extends WorkloadOptions {
  readonly name: string;
  /** Nodes that do not exist yet are made. Default: a node per pod. */
  readonly onNode?: string;
  /** False leaves the pod alone: neither redirected nor served. */
  readonly captured?: boolean;
}

/** Pods on one link, each captured by the data plane of its node, in a mesh all nodes know. */
export class PodWorld implements AsyncDisposable {
  readonly ca: TestCa = createTestCa();
  readonly nodes: Map<string, TestNode> = new Map();
  readonly pods: Map<string, TestPod> = new Map();
  readonly #instances = new Map<string, number>();
  #lastInstance = 0;
  readonly #redirected = new Set<string>();
  readonly #replaced: TestNode[] = [];
  readonly #options: NodeOptions;
  readonly #bridge: TestNetns;

  private constructor(bridge: TestNetns, options: NodeOptions) {
    this.#bridge = bridge;
    this.#options = options;
  }

  static async create(
    plans: readonly PodPlan[],
    options: NodeOptions & { readonly mesh?: MeshViewUpdate } = {},
  ): Promise<PodWorld> {
    const bridge = await TestNetns.create();
    bridge.run('ip', 'link', 'add', 'wire', 'type', 'bridge');
    bridge.run('ip', 'link', 'set', 'wire', 'up');
    const world = new PodWorld(bridge, options);
    try {
      for (const [index, plan] of plans.entries()) await world.#addPod(plan, index);
      const workloads = [...world.pods.values()].map(({ workload }) => workload);
      world.update({ ...options.mesh, workloads: [...workloads, ...(options.mesh?.workloads ?? [])] });
      for (const plan of plans) if (plan.captured !== false) await world.capture(plan.name);
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
    return world;
  }

  pod(name: string): TestPod {
    const pod = this.pods.get(name);
    if (pod === undefined) throw new Error(`no pod ${name}`);
    return pod;
  }

  /** The node of a pod. */
  nodeOf(name: string): TestNode {
    const nodeName = this.pod(name).workload.node;
    const node = this.nodes.get(nodeName) ?? this.#createNode(name);
    this.nodes.set(nodeName, node);
    return node;
  }

  #createNode(name: string): TestNode {
    const { settings } = this.#options;
    const { network } = this.pod(name).workload;
    return new TestNode({ ...this.#options, settings: { network, ...settings } });
  }

  /** Applies an update on every node. */
  update(update: MeshViewUpdate): void {
    for (const name of this.pods.keys()) this.nodeOf(name);
    for (const node of this.nodes.values()) node.update(update);
  }

  /** Redirects the pod, gives its node an SVID for it and has the node serve it. */
  async capture(name: string, options: { readonly svid?: boolean } = {}): Promise<void> {
    const pod = this.pod(name);
    const { planes } = this.nodeOf(name);
    this.redirect(name);
    const identity = workloadIdentity(pod.workload);
    const svid = this.ca.issue(identity);
    if (options.svid !== false) for (const plane of planes) plane['set-svid']({ identity, svid });
    const { namespace, serviceAccount } = pod.workload;
    const spec = podSpecOf(
      `uid-${name}`,
      { name, namespace, serviceAccount },
      { clusterId: CLUSTER, trustDomain: DEFAULT_TRUST_DOMAIN },
    );
    const instance = ++this.#lastInstance;
    this.#instances.set(name, instance);
    const netnsFd = openSync(pod.netns.path, 'r');
    await Promise.all(planes.map((plane) => plane['add-pod']({ instance, pod: spec, netnsFd })));
  }

  /** Another agent serves the pod too, and stands for its node from now on; the one before goes on until it is told to stop. */
  async takeOver(name: string): Promise<TestNode> {
    const before = this.nodeOf(name);
    const pod = this.pod(name);
    const node = this.#createNode(name);
    this.#replaced.push(before);
    this.nodes.set(pod.workload.node, node);
    for (const update of before.updates) node.update(update);
    await this.capture(name);
    return node;
  }

  /** Sends the pod's traffic to the ports of a node agent. */
  redirect(name: string): void {
    if (this.#redirected.has(name)) return;
    this.#redirected.add(name);
    redirectPod(this.pod(name).netns, (this.#options.settings?.dns ?? null) !== null);
  }

  async remove(name: string, drainMs = 0): Promise<void> {
    const instance = this.#instances.get(name);
    if (instance === undefined) return;
    await Promise.all(this.nodeOf(name).planes.map((plane) => plane['remove-pod']({ instance, drainMs })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const plane of this.#planes()) await plane.drain(0);
    for (const pod of this.pods.values()) await pod[Symbol.asyncDispose]();
    await this.#bridge[Symbol.asyncDispose]();
  }

  #planes(): readonly DataPlane[] {
    return [...this.nodes.values(), ...this.#replaced].flatMap(({ planes }) => planes);
  }

  async #addPod({ onNode, captured, ...plan }: PodPlan, index: number): Promise<void> {
    const netns = await TestNetns.create();
    const addresses = plan.addresses ?? [`10.77.0.${index + 1}`];
    const workload = buildWorkload({
      node: onNode ?? `node-${plan.name}`,
      ...(captured === false ? { tunnelProtocol: 'none' } : {}),
      ...plan,
      addresses,
    });
    this.pods.set(plan.name, new TestPod(plan.name, netns, workload));
    netns.run(
      'sh',
      '-c',
      'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad',
    );
    const port = `pod${index}`;
    execFileSync('nsenter', [
      `--net=${this.#bridge.path}`,
      'ip',
      'link',
      'add',
      port,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      String(netns.processId),
    ]);
    this.#bridge.run('ip', 'link', 'set', port, 'master', 'wire', 'up');
    for (const ip of addresses)
      netns.run(
        'ip',
        'addr',
        'add',
        `${ip}/${ip.includes(':') ? 16 : 16}`,
        'dev',
        'eth0',
        ...(ip.includes(':') ? ['nodad'] : []),
      );
    netns.run('ip', 'link', 'set', 'eth0', 'up');
    netns.run('ip', 'route', 'add', 'default', 'dev', 'eth0');
  }
}

/** Resolves once `condition` holds; rejects when it does not within `timeoutMs`. */
export async function until(condition: () => boolean, timeoutMs = 3000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
