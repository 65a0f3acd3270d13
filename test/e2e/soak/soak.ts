import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadBackend } from '../load/load-backend.ts';
import { LoadGenerator } from '../load/load-generator.ts';
import type { LoadFailure, LoadReport } from '../load/load-report.ts';
import { ManifestDirectory } from '../scenarios/manifests.ts';
import { DRAIN_MS, mixedPlan, spawnInPod, startMixedBackend } from '../scenarios/mixed-load.ts';
import { controllerMetric, startMesh } from '../scenarios/scenario.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { Churn } from './churn.ts';
import { descriptorsOf, type Holdings, holdingsOf, probeVariables, type Watched } from './holdings.ts';
import type { SoakFacts, SoakLimits } from './judge.ts';
import { type Replica, replicaName, REPLICAS, steadyManifests, type Version, VERSIONS, WAYPOINT } from './soak-mesh.ts';

export interface SoakOptions {
  readonly seconds: number;
  /** Before the first measurement, under the same load and churn: compiled code, pools and heaps find their size. */
  readonly warmSeconds: number;
  /** Requests and messages a second, of all protocols together. */
  readonly rps: number;
  readonly eventsPerSecond: number;
  readonly certificateTtl: string;
  /** Between the end of one pod's replacement and the next. */
  readonly replaceEveryMs: number;
  readonly limits: SoakLimits;
  /** Numbers of descriptors that stay the same so long are at rest. */
  readonly restMs: number;
  /** How long at most is waited until descriptors are as few as `limits` want. */
  readonly restMsMax: number;
  readonly say: (line: string) => void;
}

/** An unready pod is in nobody's choice any more. */
const UNREADY_MS = 1000;
const REST_STEP_MS = 500;

/** All that node agents serve. */
const PODS: readonly string[] = [
  'shop/client',
  ...VERSIONS.flatMap((version) => REPLICAS.map((replica) => `shop/${replicaName(version, replica)}`)),
];

/** A mesh whose every kind of configuration changes under load. Lives in the sandbox; disposal takes it down. */
export class Soak implements AsyncDisposable {
  readonly #options: SoakOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #backends = new Map<string, LoadBackend>();
  readonly #world: MeshWorld;
  readonly #churn: Churn;

  private constructor(options: SoakOptions, world: MeshWorld, churn: Churn) {
    this.#options = options;
    this.#world = world;
    this.#churn = churn;
  }

  static async start(options: SoakOptions): Promise<Soak> {
    await using stack = new AsyncDisposableStack();
    const manifests = stack.use(new ManifestDirectory('/run/soak'));
    manifests.write('world.yaml', ...steadyManifests());
    const churn = new Churn(manifests);
    const probe = probeVariables();
    const renewing = { ...probe, AMBIT_CERTIFICATE_TTL: options.certificateTtl };
    const world = await startMesh(manifests, PODS, {
      idle: PODS,
      variables: {
        controller: probe,
        'node-agent': renewing,
        waypoint: { ...renewing, AMBIT_TERMINATION_DEADLINE: `${DRAIN_MS}ms` },
      },
    });
    stack.use(world);
    const soak = new Soak(options, world, churn);
    soak.#stack.use(stack.move());
    try {
      for (const version of VERSIONS) for (const replica of REPLICAS) await soak.#startBackend(version, replica);
      return soak;
    } catch (error) {
      await soak[Symbol.asyncDispose]();
      throw error;
    }
  }

  get world(): MeshWorld {
    return this.#world;
  }

  /** Resolves when everything is measured. `failures` are the first ones of each load. */
  async run(): Promise<{ readonly facts: SoakFacts; readonly failures: readonly LoadFailure[] }> {
    const { seconds, warmSeconds, rps, say } = this.#options;
    say(`warming up: ${warmSeconds} s`);
    const warm = await this.#underLoad(warmSeconds);
    say(lineOf(warm.report));
    // Before measuring: who is asked for metrics for the first time loads what writes them.
    const issued = await this.#issued();
    const before = await this.#atRest(null);
    say(`measured: ${seconds} s`);
    const { report, events, replacedPods } = await this.#underLoad(seconds);
    say(lineOf(report));
    const after = await this.#atRest(before);
    // What failed while warming up has failed as well.
    const protocols = [warm.report, report].flatMap((each) => Object.values(each.protocols));
    const sum = (of: (protocol: (typeof protocols)[number]) => number): number =>
      protocols.reduce((total, protocol) => total + of(protocol), 0);
    const facts: SoakFacts = {
      minutes: Math.round(report.seconds / 6) / 10,
      rps,
      sent: sum(({ sent }) => sent),
      failed: sum(({ sent, answered }) => sent - answered),
      cutStreams: sum(({ streams }) => streams.cut),
      events,
      certificates: (await this.#issued()) - issued,
      replacedPods,
      lateMs: Math.max(warm.report.lateMs.p99, report.lateMs.p99),
      before,
      after,
    };
    return { facts, failures: [...warm.report.failures, ...report.failures] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const backend of this.#backends.values()) await backend[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
  }

  /** Load and churn for so long. */
  async #underLoad(seconds: number): Promise<{ report: LoadReport; events: number; replacedPods: number }> {
    const eventsBefore = this.#churn.events;
    // Longer than is measured: it is stopped.
    const plan = mixedPlan(this.#options.rps, seconds + 60);
    await using load = await LoadGenerator.start(plan, spawnInPod(this.#world, 'client'));
    const over = new AbortController();
    const timer = setInterval(() => this.#churn.next(), 1000 / this.#options.eventsPerSecond);
    const timesUp = sleep(seconds * 1000).then(() => {
      clearInterval(timer);
      over.abort();
    });
    const [replacedPods] = await Promise.all([this.#replacePods(over.signal), timesUp]);
    const report = await load.stop();
    return { report, events: this.#churn.events - eventsBefore, replacedPods };
  }

  /** One pod after the other, until `signal` aborts; resolves with how many when the last is there again. */
  async #replacePods(signal: AbortSignal): Promise<number> {
    for (let count = 0; ; count++) {
      const version = VERSIONS[count % VERSIONS.length] ?? 'web-a';
      const replica = REPLICAS[(count >> 1) % REPLICAS.length] ?? 1;
      try {
        await sleep(this.#options.replaceEveryMs, undefined, { signal });
      } catch {
        return count;
      }
      await this.#replacePod(version, replica);
    }
  }

  async #replacePod(version: Version, replica: Replica): Promise<void> {
    const key = `shop/${replicaName(version, replica)}`;
    this.#churn.replace(version, replica, 'unready');
    await sleep(UNREADY_MS);
    const cut = await this.#backends.get(key)?.leave();
    if (cut !== 0) throw new Error(`${key} had to cut ${cut} streams`);
    this.#churn.replace(version, replica, 'gone');
    await this.#world.forgotten(key);
    await this.#startBackend(version, replica);
    this.#churn.replace(version, replica, 'unready');
    // As on Kubernetes: a pod runs, and can be ready, once it is enrolled. Nobody could take its connections before.
    await Promise.all([this.#world.tunnelled([key]), this.#world.captured(PODS)]);
    this.#churn.replace(version, replica, null);
  }

  async #startBackend(version: Version, replica: Replica): Promise<void> {
    const name = replicaName(version, replica);
    this.#backends.set(`shop/${name}`, await startMixedBackend(this.#world, name));
  }

  /**
   * What everybody holds once the mesh is as it was at first and nothing is under way. With what was held `before` waits, as long as
   * something may be kept open for a next caller, until nobody has more descriptors than then.
   */
  async #atRest(before: readonly Holdings[] | null): Promise<readonly Holdings[]> {
    this.#churn.reset();
    const { limits, restMs, restMsMax } = this.#options;
    const processes = this.#watched();
    const began = performance.now();
    let last = '';
    let sinceMs = began;
    for (;;) {
      const counts = processes.map(({ pid }) => descriptorsOf(pid));
      const now = performance.now();
      if (counts.join() !== last) sinceMs = now;
      last = counts.join();
      const most = (index: number): number => (before?.[index]?.descriptors ?? Infinity) + limits.moreDescriptors;
      const isBack = counts.every((count, index) => count <= most(index));
      if ((isBack && now - sinceMs >= restMs) || now - began > restMsMax) return await holdingsOf(processes);
      await sleep(REST_STEP_MS);
    }
  }

  #watched(): readonly Watched[] {
    const agents = this.#world.hosts.map(({ name }) => this.#world.processes(name).nodeAgent);
    return [this.#world.controller, ...agents, this.#world.waypoint(WAYPOINT).process].map(
      ({ plan: { name }, pid }) => {
        if (pid === null) throw new Error(`${name} has ended`);
        return { name, pid };
      },
    );
  }

  #issued(): Promise<number> {
    return controllerMetric(this.#world, 'ambit_certificates_issued_total');
  }
}

function lineOf({ seconds, protocols, lateMs }: LoadReport): string {
  const sent = Object.values(protocols).reduce((sum, protocol) => sum + protocol.sent, 0);
  const each = Object.entries(protocols).map(
    ([name, { sent: count, failed, streams, latencyMs }]) =>
      `${name} ${count} sent, ${failed} failed, ${streams.cut} cut, p50 ${latencyMs.p50}, p99 ${latencyMs.p99}, max ${latencyMs.max} ms`,
  );
  return [`${(sent / seconds).toFixed(0)} a second, late p99 ${lateMs.p99} ms`, ...each].join('; ');
}
