import { randomFillSync } from 'node:crypto';
import { createHbonePool, type HbonePool } from '@ambit/mesh/hbone';
import { DEFAULT_LIMITS } from '@ambit/mesh/http1';
import { DEFAULT_LIMITS as HTTP2_LIMITS } from '@ambit/mesh/http2';
import { createMeshViewStore, type IpAddress, type MeshView, parseServiceKey, type Workload } from '@ambit/mesh/model';
import type { Clock, Logger, RootLogger, WritableLineSink } from '@ambit/mesh/runtime';
import { createRevocations, REVOKED_TEXT, type Svid, type TunnelPeer, TunnelPeers } from '@ambit/mesh/tls';
import { AccessTable } from '../authorize/access-table.ts';
import { Deadlines } from '../http/deadlines.ts';
import { DEFAULT_EXCHANGE_LIMITS } from '../http/limits.ts';
import { createRequestIds } from '../http/request-ids.ts';
import { WorkerContext } from '../http/worker-context.ts';
import { HboneListener } from '../listener/hbone-listener.ts';
import { PlainListener } from '../listener/plain-listener.ts';
import type { OverloadGuard } from '../overload/overload-guard.ts';
import { RuleSessions } from '../route/rule-sessions.ts';
import { ServiceRouters } from '../route/service-routers.ts';
import { BackendTable } from '../secure/backend-table.ts';
import { ExchangeRecorder } from '../telemetry/exchange-recorder.ts';
import { RelayRecorder } from '../telemetry/relay-recorder.ts';
import { ClusterTable } from '../upstream/cluster-table.ts';
import { DEFAULT_UPSTREAM_LIMITS } from '../upstream/limits.ts';
import { TLS_CONNECTION_BYTES } from '../overload/memory-budget.ts';
import { chooseHolders } from '../overload/relieve.ts';
import { ClientConnections } from './client-connections.ts';
import type {
  ConfigSummary,
  EndpointSummary,
  ListenOn,
  PlainPort,
  WorkerCalls,
  WorkerConfig,
  WorkerMetrics,
} from './worker-protocol.ts';

export interface DataPlaneOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The log behind `logger`. */
  readonly log: Pick<RootLogger, 'suppressed'>;
  readonly config: Pick<
    WorkerConfig,
    'network' | 'trustDomains' | 'forwardsClientCertificate' | 'watchesRevocation' | 'accessLogFormat'
  >;
  /** Null: no access log. */
  readonly accessLog: Pick<WritableLineSink, 'write' | 'writeLine' | 'dropped'> | null;
  readonly random: () => number;
  /** IP addresses of this waypoint: the workload that has one of them is where it is. */
  readonly ownAddresses: readonly IpAddress[];
  readonly overload: Pick<OverloadGuard, 'refusal' | 'isMemoryShort' | 'shares'>;
}

type Args<Call extends keyof WorkerCalls> = WorkerCalls[Call]['args'];

/** About what a connection of HTTP in a tunnel takes that has no request. */
const IDLE_CONNECTION_BYTES = 4 * 1024;
/** Asked again while connections are awaited that end on their own. */
const DRAIN_STEP_MS = 20;

/** The ports, connections and configuration of one thread. */
export class DataPlane {
  readonly #options: DataPlaneOptions;
  readonly #store = createMeshViewStore();
  readonly #deadlines: Deadlines;
  readonly #recorder: ExchangeRecorder;
  readonly #relays: RelayRecorder;
  readonly #context: WorkerContext;
  readonly #peers: TunnelPeers;
  readonly #hbone: HbonePool<TunnelPeer>;
  readonly #clusters: ClusterTable;
  readonly #access = new AccessTable();
  readonly #backends = new BackendTable();
  readonly #listeners: (HboneListener | PlainListener)[] = [];
  readonly #routers: ServiceRouters;
  readonly #sessions: RuleSessions;
  readonly #clients: ClientConnections;
  #svid: Svid | undefined;

  constructor(options: DataPlaneOptions) {
    this.#options = options;
    const { clock, logger, config, accessLog, random } = options;
    const { network } = config;
    this.#deadlines = new Deadlines(clock);
    const records = { clock, view: this.#view, network, accessLog, format: config.accessLogFormat };
    this.#recorder = new ExchangeRecorder(records);
    this.#relays = new RelayRecorder(records);
    this.#context = new WorkerContext({
      clock,
      logger,
      deadlines: this.#deadlines,
      limits: DEFAULT_EXCHANGE_LIMITS,
      observer: this.#recorder,
      writeRequestId: createRequestIds((memory) => void randomFillSync(memory)),
      random,
      fieldCountMax: Math.max(DEFAULT_LIMITS.fieldCountMax, HTTP2_LIMITS.headerCountMax),
    });
    const { trustDomains: domains, watchesRevocation } = config;
    this.#peers = new TunnelPeers({ domains, watchesRevocation });
    this.#hbone = createHbonePool<TunnelPeer>({ clock, logger });
    this.#clusters = new ClusterTable({
      clock,
      logger,
      deadlines: this.#deadlines,
      limits: DEFAULT_UPSTREAM_LIMITS,
      hbone: this.#hbone,
      peers: this.#peers,
      svid: () => this.#validSvid(),
      network,
      random,
      place: (view) => this.#placeIn(view),
      securityOf: (service, port) => this.#backends.of(service, port),
    });
    this.#sessions = new RuleSessions(clock);
    this.#routers = new ServiceRouters({
      view: () => this.#view,
      clusters: this.#clusters,
      access: this.#access,
      random,
      sessions: this.#sessions,
    });
    this.#clients = new ClientConnections({
      context: this.#context,
      network,
      view: () => this.#view,
      ownNamespace: () => this.#placeIn(this.#view)?.namespace,
      access: this.#access,
      backends: this.#backends,
      clusters: this.#clusters,
      routers: this.#routers,
      overload: options.overload,
      recorder: this.#recorder,
      relays: this.#relays,
    });
  }

  configure = ({ update, routes, policySets }: Args<'configure'>): null => {
    this.#store.apply(update);
    this.#access.apply(policySets);
    this.#access.forgetDestinations();
    this.#clusters.forgetClusters();
    this.#clusters.prune(this.#view);
    this.#routers.apply(routes);
    this.#clients.recheck();
    return null;
  };

  'set-backends' = (changes: Args<'set-backends'>): null => {
    const changed = this.#backends.apply(changes);
    if (changed.size > 0) this.#routers.forget();
    this.#clusters.resecure(changed);
    return null;
  };

  'set-session-keys' = ({ keys }: Args<'set-session-keys'>): null => {
    this.#sessions.use(keys);
    return null;
  };

  'set-svid' = ({ svid }: Args<'set-svid'>): null => {
    const isRenewal = this.#svid !== undefined;
    this.#svid = svid;
    if (!isRenewal) return null;
    this.#hbone.retire(() => true);
    this.#clusters.retire();
    return null;
  };

  'set-revocations' = ({ lists }: Args<'set-revocations'>): null => {
    const peers = this.#peers;
    peers.revoke(createRevocations(lists));
    const isRevoked = (peer: TunnelPeer): boolean => peers.isRevoked(peer);
    for (const listener of this.#listeners)
      if (listener instanceof HboneListener) peers.rejections.destination += listener.cut(isRevoked);
    peers.rejections.source += this.#hbone.cut(isRevoked, REVOKED_TEXT);
    return null;
  };

  listen = async ({ hbone, plain }: Args<'listen'>): Promise<ListenOn> => {
    const { clock, logger, config } = this.#options;
    const listener = new HboneListener({
      ...hbone,
      environment: { clock, logger },
      peers: this.#peers,
      network: config.network,
      forwardsClientCertificate: config.forwardsClientCertificate,
      svid: () => this.#validSvid(),
      decide: (caller, authority) => this.#clients.decideTunnel(caller, authority),
      onRefused: (reason) => this.#clients.countRefusal(reason),
      isMemoryShort: () => this.#options.overload.isMemoryShort,
    });
    this.#listeners.push(listener);
    await listener.open();
    for (const port of plain) await this.#listenPlain(port);
    return listener.address;
  };

  metrics = (): WorkerMetrics => {
    const upstream = { busy: 0, idle: 0 };
    for (const { connectionCount, idleCount } of this.#clusters.endpoints) {
      upstream.idle += idleCount;
      upstream.busy += connectionCount - idleCount;
    }
    this.#clients.countBytes();
    return {
      requests: this.#recorder.table.snapshot(),
      bytes: this.#relays.table.snapshot(),
      connections: this.#clients.size,
      logLinesSuppressed: this.#options.log.suppressed,
      upstream,
      refusals: this.#clients.refusals,
      policyNotes: this.#recorder.policyNotes,
      accessLogDropped: this.#options.accessLog?.dropped ?? 0,
      mirrored: { ...this.#context.mirrors.counts },
      revocationRejections: { ...this.#peers.rejections },
      refusedShares: this.#options.overload.shares,
    };
  };

  endpoints = (): readonly EndpointSummary[] =>
    [...this.#clusters.endpoints].map(({ address, workload, connectionCount, idleCount }) => ({
      address,
      workload: workload.uid,
      connections: connectionCount,
      idle: idleCount,
    }));

  dumpConfig = (): ConfigSummary => ({
    routes: [...this.#routers.tables.entries()],
    clusters: [...this.#clusters.clusters].map(({ name, endpoints }) => ({
      name,
      endpoints: endpoints.map(({ address }) => address),
    })),
  });

  /** TLS connections of clients and to endpoints. */
  get tlsConnectionCount(): number {
    let count = this.#hbone.sessionCount;
    for (const listener of this.#listeners) if (listener instanceof HboneListener) count += listener.openCount;
    for (const { secured, connectionCount } of this.#clusters.endpoints) if (secured !== null) count += connectionCount;
    return count;
  }

  /** What is held for one side of connections since it takes nothing, or says not enough of it. */
  get heldBytes(): number {
    let bytes = 0;
    for (const { heldBytes } of this.#clients.holders) bytes += heldBytes;
    return bytes;
  }

  /** Makes so many bytes free: cuts connections that hold much for a side that takes nothing, and if these are not enough closes those that are idle. */
  relieve(bytes: number): void {
    const { logger } = this.#options;
    const chosen = chooseHolders(this.#clients.holders, bytes);
    let left = bytes;
    for (const one of chosen) {
      left -= one.heldBytes;
      one.destroy();
    }
    const { length: count } = chosen;
    if (count > 0) logger.warn('connections that hold much are cut to stay alive', { count });
    if (left <= 0) return;
    let idleCount = 0;
    for (const listener of this.#listeners) {
      if (listener instanceof HboneListener)
        idleCount += listener.closeIdle(Math.ceil(left / TLS_CONNECTION_BYTES) - idleCount);
    }
    left -= idleCount * TLS_CONNECTION_BYTES;
    if (left > 0) idleCount += this.#clients.closeIdle(Math.ceil(left / IDLE_CONNECTION_BYTES));
    if (idleCount > 0) logger.warn('idle connections are closed to stay alive', { count: idleCount });
  }

  /** Takes nothing new, lets what there is come to an end for so long, then ends it. */
  async drain(drainMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#context.draining = true;
    for (const listener of this.#listeners) listener.drain();
    this.#clients.drain(this.#context.limits.drainIdleMs);
    const deadlineMs = clock.monotonic() + drainMs;
    // Connections that nobody has said anything on yet count too, and those whose handshake is under way.
    while (this.#listeners.some(({ openCount }) => openCount > 0) && clock.monotonic() < deadlineMs) {
      await clock.sleep(Math.min(DRAIN_STEP_MS, Math.max(1, deadlineMs - clock.monotonic())));
    }
    this.#clients.drain(0);
    if (this.#clients.httpCount > 0) await clock.sleep(DRAIN_STEP_MS);
    this.#clients.destroy();
    this.#clusters.close();
    for (const listener of this.#listeners) await listener[Symbol.asyncDispose]();
    await this.#hbone[Symbol.asyncDispose]();
    this.#deadlines[Symbol.dispose]();
  }

  /** An SVID that has expired is shown to nobody. */
  #validSvid(): Svid | undefined {
    const svid = this.#svid;
    return svid !== undefined && this.#options.clock.now() < svid.notAfterMs ? svid : undefined;
  }

  #placeIn(view: MeshView): Workload | undefined {
    const { config, ownAddresses } = this.#options;
    for (const ip of ownAddresses) {
      const found = view.workloadByAddress(config.network, ip);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  get #view(): MeshView {
    return this.#store.view;
  }

  async #listenPlain(port: PlainPort): Promise<void> {
    const service = this.#view.service(parseServiceKey(port.service));
    if (service === undefined) throw new RangeError(`no service ${port.service}`);
    const listener = new PlainListener({
      ...port,
      serve: (caller, carrier) =>
        this.#clients.servePlain(caller, carrier, this.#routers.pipelineOf(service, port.servicePort, caller)),
    });
    this.#listeners.push(listener);
    await listener.open();
  }
}
