import { randomUUID } from 'node:crypto';
import {
  accessLogTarget,
  type AdminSection,
  type Clock,
  Metrics,
  type ProcessStart,
  Readiness,
  registerLogMetrics,
  metricsSections,
  readinessSection,
  type RootLogger,
  compactOnceReady,
  WorkerPool,
} from '@ambit/mesh/runtime';
import type { SpiffeId } from '@ambit/mesh/model';
import { followRevocations, type Svid } from '@ambit/mesh/tls';
import { AgentServers, type ServerAddresses } from './admin/agent-servers.ts';
import type { NodeAgentConfig } from './config.ts';
import { Handover } from './handover/handover.ts';
import { PodSupervisor, type IdentityHolder } from './pods/pod-supervisor.ts';
import type { ProxySettings } from './proxy/pod-context.ts';
import { MeshViewPublisher } from './state/mesh-view-publisher.ts';
import { agentMetrics } from './telemetry/agent-metrics.ts';
import { openTraces } from './telemetry/open-traces.ts';
import { registerWorkerMetrics } from './telemetry/worker-metrics.ts';
import type { WorkerCalls, WorkerConfig, WorkerEvent } from './worker/worker-protocol.ts';

// Threads: this module and everything it constructs runs on the main thread: control plane, pods, admin. The sockets
// and tunnels of the pods live in data workers (worker/), which read nothing but what is posted to them, and the mesh view in memory that all threads share.

export interface NodeAgentOptions extends ProcessStart<NodeAgentConfig> {
  /** Main module of a data worker. */
  readonly workerProgram: URL;
}

/** A running node agent. Disposing it closes everything at once; call `stop` before, to end connections in order. */
export interface NodeAgent extends AsyncDisposable {
  readonly addresses: ServerAddresses;
  /** Rejects when the agent cannot go on. */
  readonly failed: Promise<never>;
  /** Accepts nothing new, lets live connections end until the deadline of the configuration, closes. */
  stop(): Promise<void>;
}

/** What the parts of the main thread share. */
export interface AgentParts {
  readonly config: NodeAgentConfig;
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly workers: WorkerPool<WorkerCalls, WorkerEvent>;
  readonly mesh: MeshViewPublisher;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly handover: Handover;
}

/** Where mesh state, certificates and pods come from: a controller and a CNI agent, or a file. */
export interface Source {
  certificates(): readonly HeldCertificate[];
  /** Further facts for `/config_dump`, without secrets. */
  status(): Record<string, unknown>;
}

/** The certificate of one identity with pods here. */
export interface HeldCertificate {
  readonly identity: SpiffeId;
  /** `Available`, `Initializing`, or `Unavailable: reason`. */
  readonly state: string;
  readonly svid?: Svid;
}

const CONNECT_TIMEOUT_MS = 10_000;
const PATIENCE_MS = 5000;
const NOT_LISTENING_MS = 1500;

export async function createNodeAgent(options: NodeAgentOptions): Promise<NodeAgent> {
  const { config, clock, logger } = options;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const stack = new AsyncDisposableStack();
  try {
    const workers = stack.use(
      new WorkerPool<WorkerCalls, WorkerEvent>({
        program: options.workerProgram,
        count: config.workers,
        config: workerConfig(options),
        logger,
        onLost: failed.reject,
      }),
    );
    const mesh = new MeshViewPublisher((publication) => workers.callAll('adopt-view', { publication }));
    const own = { config, clock, logger, workers, mesh, metrics: new Metrics(), readiness: new Readiness() };
    const handover: Handover = stack.use(await Handover.open(own));
    const parts: AgentParts = { ...own, handover };
    registerMetrics(parts, options.version);
    if (config.meshRanges.length === 0 && !config.followNodeRanges) {
      logger.warn('no mesh ranges are set: addresses that are not known yet are passed through', {
        variable: 'AMBIT_MESH_CIDRS',
      });
    }
    // Before there are pods: none of them may ever accept a peer whose certificate is known to be revoked.
    stack.use(
      await followRevocations({
        ...{ path: config.revocationFile, clock, metrics: parts.metrics },
        logger: logger.child({ scope: 'identity' }),
        publish: async (lists) => void (await workers.callAll('set-revocations', { lists })),
      }),
    );
    if (config.traces !== null) await openTraces(parts, config.traces.endpoint, options.version, stack);
    const { supervisor, source } = await openSource(parts, stack);
    const { openAdmin } = await import('./admin/admin.ts');
    const { version, requestStop } = options;
    const { servers, addresses } = await openServers(
      parts,
      openAdmin({ ...parts, supervisor, source, version, requestStop }),
    );
    stack.use(servers);
    handover.serve(supervisor, servers);
    stack.use(
      compactOnceReady({
        clock,
        logger,
        whenReady: (signal) => parts.readiness.whenReady(signal),
        compactWorkers: () => workers.callAll('compact-heap', {}),
      }),
    );
    const serving = parts.readiness.task('serving');
    serving.done();
    const stop = async (): Promise<void> => {
      serving.undo();
      handover[Symbol.dispose]();
      await workers.callAll('stop-accepting', {});
      await workers.callAll('stop', { drainMs: handover.drainMs(supervisor) });
      await stack[Symbol.asyncDispose]();
    };
    return {
      addresses,
      failed: failed.promise,
      stop,
      [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
    };
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function openSource(
  parts: AgentParts,
  stack: AsyncDisposableStack,
): Promise<{ readonly supervisor: PodSupervisor; readonly source: Source }> {
  const { config } = parts;
  if (config.upstream.kind === 'local') {
    const { openLocalSource } = await import('./local/local-source.ts');
    return openLocalSource(parts, config.upstream, (identities) => createSupervisor(parts, stack, identities));
  }
  const { openControllerSource } = await import('./state/controller-source.ts');
  return openControllerSource(
    parts,
    config.upstream,
    (identities) => createSupervisor(parts, stack, identities),
    stack,
  );
}

/** Makes the supervisor of a source, which knows where its identities come from. */
export type CreateSupervisor = (identities: IdentityHolder) => PodSupervisor;

function createSupervisor(
  { config, clock, logger, workers, metrics, handover }: AgentParts,
  stack: AsyncDisposableStack,
  identities: IdentityHolder,
): PodSupervisor {
  const supervisor = stack.use(
    new PodSupervisor({
      clock,
      logger: logger.child({ scope: 'pods' }),
      workers,
      identities,
      clusterId: config.clusterId,
      trustDomain: config.trustDomains.own,
      drainMs: config.terminationDeadlineMs,
      predecessor: handover.predecessor,
    }),
  );
  const one = (value: () => number) => () => [{ labels: [], value: value() }];
  metrics.collect(
    agentMetrics.activeProxies,
    one(() => supervisor.pods().length - supervisor.pendingCount),
  );
  metrics.collect(
    agentMetrics.pendingProxies,
    one(() => supervisor.pendingCount),
  );
  metrics.collect(
    agentMetrics.proxiesStarted,
    one(() => supervisor.started.count),
  );
  metrics.collect(
    agentMetrics.proxiesStopped,
    one(() => supervisor.stopped.count),
  );
  return supervisor;
}

function registerMetrics({ metrics, workers, logger }: AgentParts, version: string): void {
  const read = registerWorkerMetrics(metrics, () => workers.callAll('metrics', {}));
  registerLogMetrics(metrics, logger, async () =>
    (await read()).reduce((sum, { logLinesSuppressed }) => sum + logLinesSuppressed, 0),
  );
  metrics.register({ build: agentMetrics.build }).build.set(['node-agent', version], 1);
}

function openServers(
  { config, clock, logger, metrics, readiness, handover }: AgentParts,
  admin: readonly AdminSection[],
): ReturnType<typeof AgentServers.open> {
  const { predecessor } = handover;
  return AgentServers.open({
    config,
    clock,
    logger: logger.child({ scope: 'admin' }),
    sections: { admin, metrics: metricsSections(metrics), readiness: [readinessSection(readiness)] },
    release: predecessor === null ? null : () => predecessor.releaseServers(),
  });
}

function workerConfig({ config, logFd }: NodeAgentOptions): Omit<WorkerConfig, 'index'> {
  const settings: ProxySettings = {
    network: config.network,
    trustDomains: config.trustDomains,
    watchesRevocation: config.revocationFile !== null,
    meshRanges: config.meshRanges,
    // A file is known whole.
    onDemand: config.xdsOnDemand && config.upstream.kind === 'controller',
    clusterDomain: config.clusterDomain,
    packetMark: config.packetMark,
    localhostApplicationTunnel: config.localhostApplicationTunnel,
    patienceMs: PATIENCE_MS,
    notListeningMs: NOT_LISTENING_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    connectionsPerPodMax: config.podConnectionsMax,
    connectionsPerSecondMax: config.podConnectionRate,
    bytesPerSecondMax: config.podSendRateKib * 1024,
    bufferedBytesMax: config.podBufferMaxMib * 1024 * 1024,
    dns: config.dns,
    traceSamplingPercent: config.traces?.samplingPercent ?? null,
    sameNodeEncryption: config.sameNodeEncryption,
    httpMetrics: config.httpMetrics,
  };
  return {
    settings,
    // Not to be guessed only so that two agents in one process, as in tests, are never taken for one.
    channel: config.workers === 1 ? null : { name: `same-node-${randomUUID()}`, workers: config.workers },
    accessLog: accessLogTarget(config.accessLog, logFd),
    accessLogFormat: config.logFormat,
    logFd,
    logFormat: config.logFormat,
    logFilter: config.logFilter,
  };
}
