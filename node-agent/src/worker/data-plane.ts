import { NetnsHandle, OwnedDescriptor } from '@ambit/mesh/linux';
import { formatSocketAddress, type MeshViewStep } from '@ambit/mesh/model';
import type { Clock, LineSink, Logger, RootLogger, WorkerHandlers } from '@ambit/mesh/runtime';
import { BufferGuard, type GuardedPod } from '../accounting/buffer-guard.ts';
import { Accounts } from '../accounting/accounts.ts';
import { matchesConnection } from '../admin/match-connection.ts';
import { createRevocations, TunnelPeers } from '@ambit/mesh/tls';
import { createDnsWorld } from '../dns/dns-proxy.ts';
import { SpanQueue } from '@ambit/mesh/otlp';
import { SvidTable } from '../identity/svid-table.ts';
import { type LookUpName, ResolvedNames } from '../names/resolved-names.ts';
import { type AccessLogFormat, accessLogLevelOf } from '../proxy/access-log-line.ts';
import type { ConnectionRecord, WorkerSinks } from '../proxy/connection-record.ts';
import { FairStarts } from '../proxy/fair-starts.ts';
import { DryRunReporter } from '../proxy/dry-run-reporter.ts';
import { OpenConnections } from '../proxy/open-connections.ts';
import { PartyTable } from '../proxy/party.ts';
import type { PodSpec, ProxyDependencies, ProxySettings } from '../proxy/pod-context.ts';
import type { SharedListener } from '../proxy/pod-listeners.ts';
import { PodProxy } from '../proxy/pod-proxy.ts';
import { TrafficTable } from '../proxy/traffic-table.ts';
import { ConnectionTracer } from '../proxy/connection-tracer.ts';
import { SPANS_WAITING_MAX, type TakenSpans } from '../telemetry/trace-export.ts';
import { Shortcuts } from '../same-node/shortcuts.ts';
import type { WorkerChannel } from '../same-node/worker-ends.ts';
import { RequestTable } from '../requests/request-table.ts';
import { turnTime } from '../requests/turn-time.ts';
import { MeshState } from '../state/mesh-state.ts';
import { NameDemand } from '../state/name-demand.ts';
import type { WorkloadUsage } from '../accounting/pod-account.ts';
import type {
  ConnectionSummary,
  ListenersByWorker,
  PodInstance,
  WorkerCalls,
  WorkerMetrics,
} from './worker-protocol.ts';

export interface DataPlaneOptions {
  /** Of this thread among the data workers. */
  readonly index: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many lines of this thread were left out. */
  readonly log: Pick<RootLogger, 'suppressed'>;
  readonly settings: ProxySettings;
  readonly accessLog: Pick<LineSink, 'write' | 'dropped'>;
  readonly accessLogFormat: AccessLogFormat;
  readonly logFilter: string;
  readonly random: () => number;
  /** For workloads that are known by name alone. */
  readonly lookUpName: LookUpName;
  /** Tells the main thread of names that are wanted. */
  readonly askForNames: (names: readonly string[]) => void;
  /** Where the data workers of this process reach each other; null when there is one. */
  readonly channel: WorkerChannel | null;
  /** CPU time of this thread so far, in microseconds. */
  readonly threadCpuUs: () => number;
}

type Args<Call extends keyof WorkerCalls> = WorkerCalls[Call]['args'];

/** The sockets and tunnels of one thread. Logs and descriptors of namespaces belong to whoever made it. */
export class DataPlane
  implements Omit<WorkerHandlers<WorkerCalls>, 'stop' | 'compact-heap' | 'cpu-profile' | 'heap-snapshot'>
{
  readonly #options: DataPlaneOptions;
  readonly #state: MeshState;
  readonly #svids: SvidTable;
  readonly #names: ResolvedNames;
  readonly #demand: NameDemand | null;
  readonly #dependencies: ProxyDependencies;
  readonly #sinks: WorkerSinks;
  readonly #accounts: Accounts;
  readonly #bufferGuard: BufferGuard;
  readonly #pods = new Map<PodInstance, PodProxy>();
  readonly #cuts = new Map<string, number>();
  readonly #spans = new SpanQueue(SPANS_WAITING_MAX);
  readonly #dryRun: DryRunReporter;
  readonly #peers: TunnelPeers;
  readonly #shortcuts: Shortcuts | null;
  #draining = false;

  constructor(options: DataPlaneOptions) {
    this.#options = options;
    const { clock, logger, settings, random, accessLog, accessLogFormat } = options;
    this.#bufferGuard = new BufferGuard({ clock, maxBytes: settings.bufferedBytesMax, pods: () => this.#guarded() });
    this.#accounts = new Accounts({ clock, threadCpuUs: options.threadCpuUs });
    this.#state = new MeshState({ clock });
    this.#demand = createDemand(options, this.#state);
    this.#svids = new SvidTable({ clock });
    this.#names = new ResolvedNames({ clock, lookUp: options.lookUpName });
    this.#dryRun = new DryRunReporter({ clock, logger });
    const { trustDomains: domains, watchesRevocation } = settings;
    this.#peers = new TunnelPeers({ domains, watchesRevocation });
    const { traceSamplingPercent: samplingPercent } = settings;
    this.#shortcuts = settings.sameNodeEncryption
      ? null
      : new Shortcuts({ clock, channel: options.channel, worker: options.index });
    this.#sinks = {
      clock,
      traffic: new TrafficTable(),
      requests: settings.httpMetrics ? new RequestTable(turnTime(clock)) : null,
      accessLog,
      accessLogFormat,
      accessLogLevel: { current: accessLogLevelOf(options.logFilter) },
      refusals: { inbound: new Map(), outbound: new Map() },
      probes: new Map(),
      tracer: samplingPercent === null ? null : new ConnectionTracer({ samplingPercent, random, spans: this.#spans }),
    };
    this.#dependencies = {
      clock,
      logger,
      settings,
      random,
      state: this.#state,
      svids: this.#svids,
      names: this.#names,
      demand: this.#demand,
      openConnections: new OpenConnections(),
      peers: this.#peers,
      parties: new PartyTable(),
      sinks: this.#sinks,
      accounts: this.#accounts,
      dryRun: this.#dryRun,
      bufferGuard: this.#bufferGuard,
      fairStarts: new FairStarts({ clock, ratePerSecond: settings.connectionsPerSecondMax }),
      dns:
        settings.dns === null
          ? null
          : createDnsWorld(
              {
                clock,
                logger,
                random,
                state: this.#state,
                demand: this.#demand,
                network: settings.network,
                packetMark: settings.packetMark,
              },
              settings.dns,
            ),
      shortcuts: this.#shortcuts,
    };
    this.#state.onChange((change) => {
      for (const pod of this.#pods.values()) pod.followWorkloads(change);
      this.#recheck(change);
    });
    this.#svids.onSet((identity) => {
      for (const pod of this.#pods.values()) if (pod.pod.identity === identity) pod.renewIdentity();
    });
  }

  'adopt-view' = ({ publication }: Args<'adopt-view'>): null => {
    this.#accounts.measureOwn(() => this.#state.adopt(publication));
    return null;
  };

  'answer-names' = ({ answers }: Args<'answer-names'>): null => {
    this.#demand?.answer(answers);
    return null;
  };

  'set-svid' = ({ identity, svid }: Args<'set-svid'>): null => {
    this.#svids.set(identity, svid);
    return null;
  };

  'forget-svid' = ({ identity }: Args<'forget-svid'>): null => {
    this.#svids.delete(identity);
    return null;
  };

  'set-revocations' = ({ lists }: Args<'set-revocations'>): null => {
    this.#peers.revoke(createRevocations(lists));
    for (const pod of this.#pods.values()) {
      const cut = pod.cutRevoked();
      if (cut > 0) increase(this.#cuts, 'peer-revoked', cut);
    }
    return null;
  };

  'add-pod' = async ({ instance, pod, netnsFd, listeners }: Args<'add-pod'>): Promise<null> => {
    const given = this.#own(listeners);
    if (this.#draining) {
      for (const { fd } of given) new OwnedDescriptor(fd)[Symbol.dispose]();
      throw new Error('the agent is stopping');
    }
    const { logger } = this.#options;
    const scoped = logger.child({ 'pod.namespace': pod.namespace, 'pod.name': pod.name });
    const proxy = new PodProxy(instance, pod, NetnsHandle.borrow(netnsFd), { ...this.#dependencies, logger: scoped });
    this.#pods.set(instance, proxy);
    this.#demand?.want([pod.workload]);
    try {
      await proxy.open(given);
    } catch (error) {
      this.#pods.delete(instance);
      throw error;
    }
    return null;
  };

  'share-listeners' = ({ instance }: Args<'share-listeners'>): readonly SharedListener[] =>
    this.#pods.get(instance)?.shareListeners() ?? [];

  'hand-over' = ({ instance }: Args<'hand-over'>): null => {
    this.#pods.get(instance)?.handOver();
    return null;
  };

  'resume-pod' = async ({ instance, listeners }: Args<'resume-pod'>): Promise<null> => {
    const proxy = this.#pods.get(instance);
    const given = this.#own(listeners);
    if (proxy === undefined || this.#draining) {
      for (const { fd } of given) new OwnedDescriptor(fd)[Symbol.dispose]();
      return null;
    }
    await proxy.resume(given);
    return null;
  };

  'stop-accepting' = (): null => {
    this.#draining = true;
    for (const proxy of this.#pods.values()) proxy.handOver();
    return null;
  };

  'remove-pod' = async ({ instance, drainMs }: Args<'remove-pod'>): Promise<null> => {
    const proxy = this.#pods.get(instance);
    if (proxy === undefined) return null;
    if (drainMs > 0) await proxy.drain(drainMs);
    this.#pods.delete(instance);
    if (proxy.live.size > 0) increase(this.#cuts, drainMs > 0 ? 'drain-deadline' : 'pod-removed', proxy.live.size);
    proxy.close(drainMs > 0 ? 'drain-deadline' : 'pod-removed');
    return null;
  };

  'set-log-filter' = ({ filter }: Args<'set-log-filter'>): null => {
    this.#sinks.accessLogLevel.current = accessLogLevelOf(filter);
    return null;
  };

  metrics = (): WorkerMetrics => {
    const open = { source: 0, destination: 0 };
    const workloads = this.workloads();
    for (const record of this.#live()) {
      open[record.subject.direction === 'outbound' ? 'source' : 'destination']++;
    }
    const { inbound, outbound } = this.#sinks.refusals;
    return {
      traffic: this.#sinks.traffic.snapshot(),
      workloads,
      requests: this.#sinks.requests?.snapshot() ?? null,
      unread: unreadOf(this.#sinks.requests),
      open,
      refusals: [
        ...[...inbound].map(([reason, count]) => ['inbound', reason, count] as const),
        ...[...outbound].map(([reason, count]) => ['outbound', reason, count] as const),
      ],
      cuts: [...this.#cuts],
      dryRun: this.#dryRun.counts,
      nameLookups: this.#names.lookupCount,
      revocationRejections: { ...this.#peers.rejections },
      probes: [...this.#sinks.probes].flatMap(
        ([kind, { passed, failed }]) =>
          [
            [kind, 'passed', passed],
            [kind, 'failed', failed],
          ] as const,
      ),
      dns: this.#dependencies.dns?.counts.snapshot() ?? [],
      sameNode: this.#shortcuts?.openedCount ?? 0,
      accessLogDropped: this.#options.accessLog.dropped,
      logLinesSuppressed: this.#options.log.suppressed,
    };
  };

  workloads = (): readonly WorkloadUsage[] => {
    for (const pod of this.#pods.values()) pod.countCarried();
    return this.#accounts.settle();
  };

  connections = ({ filter, limit }: Args<'connections'>): readonly ConnectionSummary[] => {
    const summaries: ConnectionSummary[] = [];
    const nowMs = this.#options.clock.now();
    for (const { pod, live } of this.#pods.values()) {
      for (const record of live) {
        if (summaries.length >= limit) return summaries;
        const summary = summaryOf(pod, record);
        if (matchesConnection(filter, summary, nowMs)) summaries.push(summary);
      }
    }
    return summaries;
  };

  'take-spans' = ({ max }: Args<'take-spans'>): TakenSpans => ({
    spans: this.#spans.take(max),
    dropped: this.#spans.dropped,
  });

  /** Drains every pod at once; none is added any more. */
  async drain(drainMs: number): Promise<void> {
    this.#draining = true;
    await Promise.all([...this.#pods.keys()].map((instance) => this['remove-pod']({ instance, drainMs })));
    this.#bufferGuard[Symbol.dispose]();
    this.#shortcuts?.[Symbol.dispose]();
  }

  #own(listeners: ListenersByWorker = []): readonly SharedListener[] {
    return listeners[this.#options.index] ?? [];
  }

  #recheck(change: MeshViewStep): void {
    for (const pod of this.#pods.values()) {
      pod.recheck(change).then(
        (cut) => void (cut > 0 && increase(this.#cuts, 'policy-changed', cut)),
        (error: unknown) => this.#options.logger.error('live connections could not be checked again', { error }),
      );
    }
  }

  *#guarded(): Iterable<GuardedPod> {
    for (const pod of this.#pods.values()) {
      const limitWaiting = (maxBytes: number): void => {
        const cut = pod.limitWaiting(maxBytes);
        if (cut > 0) increase(this.#cuts, 'buffer-limit', cut);
      };
      yield { openCount: pod.openCount, limitWaiting };
    }
  }

  *#live(): Iterable<ConnectionRecord> {
    for (const { live } of this.#pods.values()) yield* live;
  }
}

function createDemand({ clock, settings, askForNames }: DataPlaneOptions, { view }: MeshState): NameDemand | null {
  const { onDemand, clusterDomain } = settings;
  return onDemand ? new NameDemand({ clock, view, clusterDomain, ask: askForNames }) : null;
}

function unreadOf(requests: RequestTable | null): WorkerMetrics['unread'] {
  if (requests === null) return [];
  const { inbound, outbound } = requests.unread;
  return [
    ...[...outbound].map(([reason, count]) => ['source', reason, count] as const),
    ...[...inbound].map(([reason, count]) => ['destination', reason, count] as const),
  ];
}

function increase(counts: Map<string, number>, key: string, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

function summaryOf(pod: PodSpec, record: ConnectionRecord): ConnectionSummary {
  const { subject, openedAtMs } = record;
  return {
    pod: pod.uid,
    podNamespace: pod.namespace,
    podName: pod.name,
    direction: subject.direction,
    source: formatSocketAddress(subject.sourceAddress),
    sourceIdentity: subject.sourceIdentity,
    destination: formatSocketAddress(subject.destinationAddress),
    hboneAddress: subject.hboneAddress ?? null,
    destinationIdentity: subject.destinationIdentity,
    service: subject.service?.hostname ?? null,
    openedAtMs,
    ...record.bytes,
  };
}
