import { randomFillSync } from 'node:crypto';
import { type Carrier, type CarrierReader, createHbonePool, type HbonePool } from '@ambit/mesh/hbone';
import { DEFAULT_LIMITS } from '@ambit/mesh/http1';
import { DEFAULT_LIMITS as HTTP2_LIMITS } from '@ambit/mesh/http2';
import {
  createMeshViewStore,
  type IpAddress,
  type MeshView,
  type Port,
  parseServiceKey,
  type SpiffeId,
  type Workload,
} from '@ambit/mesh/model';
import type { Authorizer } from '@ambit/mesh/policies';
import type { StreamRoute } from '@ambit/mesh/routes';
import type { Clock, LineSink, Logger, RootLogger } from '@ambit/mesh/runtime';
import type { Svid } from '@ambit/mesh/tls';
import { AccessTable } from '../authorize/access-table.ts';
import { accessCaller, admit } from '../authorize/guarded-pipeline.ts';
import { Deadlines } from '../http/deadlines.ts';
import { straightTo } from '../http/decisions.ts';
import { DEFAULT_EXCHANGE_LIMITS } from '../http/limits.ts';
import type { Caller, Forward, RequestPipeline } from '../http/pipeline.ts';
import { createRequestIds } from '../http/request-ids.ts';
import { WorkerContext } from '../http/worker-context.ts';
import { ByteRelays } from '../listener/byte-relays.ts';
import { decideDestination } from '../listener/decide-destination.ts';
import { accepted, HboneListener, type TunnelRefusal, type TunnelVerdict } from '../listener/hbone-listener.ts';
import { CLIENT_CONNECTIONS_MAX } from '../listener/limits.ts';
import { HttpClients } from '../listener/http-clients.ts';
import { InboundStreams, NOBODY } from '../listener/inbound-stream.ts';
import { PlainListener } from '../listener/plain-listener.ts';
import { byServerName } from '../listener/server-name.ts';
import { sparing } from '../overload/sparing-pipeline.ts';
import type { OverloadGuard } from '../overload/overload-guard.ts';
import type { CompiledGroup } from '../route/route-tables.ts';
import { ServiceRouters } from '../route/service-routers.ts';
import { BackendTable } from '../secure/backend-table.ts';
import { ExchangeRecorder } from '../telemetry/exchange-recorder.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { ClusterTable } from '../upstream/cluster-table.ts';
import { DEFAULT_UPSTREAM_LIMITS } from '../upstream/limits.ts';
import { openSomewhere } from '../upstream/open-somewhere.ts';
import { chooseHolders } from '../overload/relieve.ts';
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
  readonly config: Pick<WorkerConfig, 'network' | 'trustDomain' | 'forwardsClientCertificate' | 'accessLogFormat'>;
  /** Null: no access log. */
  readonly accessLog: Pick<LineSink, 'write' | 'dropped'> | null;
  readonly random: () => number;
  /** IP addresses of this waypoint: the workload that has one of them is where it is. */
  readonly ownAddresses: readonly IpAddress[];
  readonly overload: Pick<OverloadGuard, 'refusal' | 'isMemoryShort' | 'shares'>;
}

type StreamRoutes = Extract<CompiledGroup, { readonly kind: 'connections' }>;
type Args<Call extends keyof WorkerCalls> = WorkerCalls[Call]['args'];

/** Asked again while connections are awaited that end on their own. */
const DRAIN_STEP_MS = 20;

/** The ports, connections and configuration of one thread. */
export class DataPlane {
  readonly #options: DataPlaneOptions;
  readonly #store = createMeshViewStore();
  readonly #deadlines: Deadlines;
  readonly #recorder: ExchangeRecorder;
  readonly #context: WorkerContext;
  readonly #hbone: HbonePool<SpiffeId>;
  readonly #clusters: ClusterTable;
  readonly #inbound: InboundStreams;
  readonly #clients: HttpClients;
  readonly #relays = new ByteRelays();
  readonly #access = new AccessTable();
  readonly #backends = new BackendTable();
  readonly #refusals = new Map<string, number>();
  readonly #listeners: (HboneListener | PlainListener)[] = [];
  readonly #routers: ServiceRouters;
  #svid: Svid | undefined;

  constructor(options: DataPlaneOptions) {
    this.#options = options;
    const { clock, logger, config, accessLog, random } = options;
    const { network } = config;
    this.#deadlines = new Deadlines(clock);
    this.#recorder = new ExchangeRecorder({
      clock,
      view: this.#view,
      network,
      accessLog,
      format: config.accessLogFormat,
    });
    this.#context = new WorkerContext({
      clock,
      logger,
      deadlines: this.#deadlines,
      limits: DEFAULT_EXCHANGE_LIMITS,
      observer: this.#recorder,
      createRequestId: createRequestIds((memory) => void randomFillSync(memory)),
      random,
      fieldCountMax: Math.max(DEFAULT_LIMITS.fieldCountMax, HTTP2_LIMITS.headerCountMax),
    });
    this.#inbound = new InboundStreams(clock);
    this.#clients = new HttpClients(this.#context, this.#inbound);
    this.#hbone = createHbonePool<SpiffeId>({ clock, logger });
    this.#clusters = new ClusterTable({
      clock,
      logger,
      deadlines: this.#deadlines,
      limits: DEFAULT_UPSTREAM_LIMITS,
      hbone: this.#hbone,
      svid: () => this.#validSvid(),
      network,
      random,
      place: (view) => this.#placeIn(view),
      securityOf: (service, port) => this.#backends.of(service, port),
    });
    this.#routers = new ServiceRouters({
      view: () => this.#view,
      clusters: this.#clusters,
      access: this.#access,
      random,
    });
  }

  configure = ({ update, routes, policySets }: Args<'configure'>): null => {
    this.#store.apply(update);
    this.#access.apply(policySets);
    this.#access.forgetDestinations();
    this.#clusters.forgetClusters();
    this.#clusters.prune(this.#view);
    this.#routers.apply(routes);
    this.#relays.recheck();
    return null;
  };

  'set-backends' = (changes: Args<'set-backends'>): null => {
    const changed = this.#backends.apply(changes);
    if (changed.size > 0) this.#routers.forget();
    this.#clusters.resecure(changed);
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

  listen = async ({ hbone, plain }: Args<'listen'>): Promise<ListenOn> => {
    const { clock, logger, config } = this.#options;
    const listener = new HboneListener({
      ...hbone,
      environment: { clock, logger },
      trustDomain: config.trustDomain,
      forwardsClientCertificate: config.forwardsClientCertificate,
      svid: () => this.#validSvid(),
      decide: (caller, authority) => this.#decideTunnel(caller, authority),
      onRefused: (reason) => this.#countRefusal(reason),
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
    return {
      requests: this.#recorder.table.snapshot(),
      connections: this.#connectionCount,
      logLinesSuppressed: this.#options.log.suppressed,
      upstream,
      refusals: [...this.#refusals],
      policyNotes: this.#recorder.policyNotes,
      accessLogDropped: this.#options.accessLog?.dropped ?? 0,
      mirrored: { ...this.#context.mirrors.counts },
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

  /** Cuts connections that hold much for a side that takes nothing, so that so many bytes become free. */
  relieve(bytes: number): void {
    const chosen = chooseHolders([...this.#clients.sessions, ...this.#relays.all], bytes);
    for (const one of chosen) one.destroy();
    const { length: count } = chosen;
    if (count > 0) this.#options.logger.warn('connections that hold much are cut to stay alive', { count });
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
    if (this.#clients.size > 0) await clock.sleep(DRAIN_STEP_MS);
    this.#clients.destroy();
    this.#relays.destroy();
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

  /** Of clients, whoever serves them, or will. */
  get #connectionCount(): number {
    return this.#clients.size + this.#relays.size + this.#inbound.size;
  }

  get #view(): MeshView {
    return this.#store.view;
  }

  async #listenPlain(port: PlainPort): Promise<void> {
    const service = this.#view.service(parseServiceKey(port.service));
    if (service === undefined) throw new RangeError(`no service ${port.service}`);
    const listener = new PlainListener({
      ...port,
      serve: (caller, carrier) => {
        if (this.#connectionCount < CLIENT_CONNECTIONS_MAX) {
          this.#serveHttp(caller, carrier, this.#routers.pipelineOf(service, port.servicePort, caller));
          return;
        }
        carrier.read(NOBODY);
        carrier.reset();
      },
    });
    this.#listeners.push(listener);
    await listener.open();
  }

  #decideTunnel(caller: Caller, authority: Parameters<typeof decideDestination>[2]): TunnelVerdict {
    if (this.#connectionCount >= CLIENT_CONNECTIONS_MAX) {
      return { kind: 'refused', reason: 'too-many-connections' };
    }
    const destination = decideDestination(this.#view, this.#options.config.network, authority);
    if (destination.kind === 'unknown') return { kind: 'refused', reason: destination.reason };
    if (destination.kind === 'workload') {
      const { workload } = destination;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parsed with the authority
      const clusterOf = (): Cluster => this.#clusters.ofWorkload(workload, destination.port as Port);
      const access = (): Authorizer => this.#access.ofWorkload(workload, destination.port);
      const pipeline = this.#pipelineOfWorkload(workload, access, clusterOf);
      return accepted((carrier) => this.#detect(caller, carrier, pipeline, clusterOf, access));
    }
    const { service, port, protocol } = destination;
    const group = this.#routers.groupFor(service, port, caller);
    // Clients of a port that is declared so speak TLS by themselves, unless they turn out to speak HTTP.
    const asItIs = protocol === 'tls';
    const clusterOf = (): Cluster => this.#clusters.ofService(this.#view, service, port, null, asItIs);
    const access = (): Authorizer => this.#access.ofService(this.#view, service, port);
    if (group?.kind === 'connections') return this.#decideStream(caller, group, access, asItIs);
    // A server that speaks first is never kept waiting.
    if (protocol === 'tcp' || (asItIs && this.#backends.of(service.key, port) === null)) {
      const reason = this.#refuseBytes(caller, access);
      if (reason !== null) return { kind: 'refused', reason };
      return accepted((carrier) => carrier.read(this.#relay(caller, carrier, clusterOf(), access)));
    }
    const pipeline = this.#routers.pipelineOf(service, port, caller);
    if (protocol !== 'unknown' && !asItIs) return accepted((carrier) => this.#serveHttp(caller, carrier, pipeline));
    return accepted((carrier) => this.#detect(caller, carrier, pipeline, clusterOf, access));
  }

  #detect(
    caller: Caller,
    carrier: Carrier,
    pipeline: RequestPipeline,
    clusterOf: () => Cluster,
    access: () => Authorizer,
  ): void {
    this.#clients.detect(caller, carrier, sparing(pipeline, this.#options.overload), () => {
      const reason = this.#refuseBytes(caller, access);
      if (reason === null) return this.#relay(caller, carrier, clusterOf(), access);
      this.#countRefusal(reason);
      carrier.reset();
      return NOBODY;
    });
  }

  #serveHttp(caller: Caller, carrier: Carrier, pipeline: RequestPipeline): void {
    this.#clients.serve(caller, carrier, sparing(pipeline, this.#options.overload));
  }

  /** Why a connection that is no HTTP is not carried, whenever that turns out; null: it is. Requests are refused by an answer. */
  #refuseBytes(caller: Caller, access: () => Authorizer): TunnelRefusal | null {
    if (this.#options.overload.isMemoryShort) return 'no-memory';
    const verdict = access().decide(accessCaller(caller), null);
    this.#recorder.onPolicyNotes(verdict);
    return verdict.refusal;
  }

  #countRefusal(reason: TunnelRefusal): void {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
  }

  /** `access`: of every service that it was asked of, and is sent to. */
  #relay(caller: Caller, carrier: Carrier, cluster: Cluster, ...access: readonly (() => Authorizer)[]): CarrierReader {
    const isAllowed = (): boolean => access.every((of) => of().decide(accessCaller(caller), null).refusal === null);
    return this.#relays.begin(carrier, (signal) => openSomewhere(cluster, signal), isAllowed);
  }

  /** Policies as they are when a request comes. */
  #pipelineOfWorkload({ hostname }: Workload, access: () => Authorizer, clusterOf: () => Cluster): RequestPipeline {
    let straight: Forward | undefined;
    return {
      decide: (request) => {
        const refused = admit(access(), hostname, request);
        if (refused !== null) return refused;
        const cluster = clusterOf();
        if (straight?.cluster !== cluster) straight = straightTo(cluster);
        return straight;
      },
    };
  }

  /** A connection whose route asks for a server name is taken to hear it; all others are refused before they are taken. */
  #decideStream(
    caller: Caller,
    { routes, asksForServerName }: StreamRoutes,
    access: () => Authorizer,
    asItIs: boolean,
  ): TunnelVerdict {
    const reason = this.#refuseBytes(caller, access);
    if (reason !== null) return { kind: 'refused', reason };
    if (!asksForServerName) {
      const routed = this.#routeStream(caller, routes, null, asItIs);
      if (routed.kind === 'refused') return routed;
      return accepted((carrier) => carrier.read(this.#relay(caller, carrier, routed.cluster, access, routed.access)));
    }
    return accepted((carrier) => {
      // A client that says a server name speaks TLS by itself.
      const serve = (serverName: string | null): CarrierReader => {
        const routed = this.#routeStream(caller, routes, serverName, asItIs || serverName !== null);
        if (routed.kind === 'forward') return this.#relay(caller, carrier, routed.cluster, access, routed.access);
        this.#countRefusal(routed.reason);
        carrier.reset();
        return NOBODY;
      };
      this.#inbound.read(carrier, byServerName(serve));
    });
  }

  /** Whom a connection goes to by its route, if that lets it in. */
  #routeStream(
    caller: Caller,
    routes: readonly StreamRoute[],
    serverName: string | null,
    asItIs: boolean,
  ):
    | { readonly kind: 'refused'; readonly reason: TunnelRefusal }
    | { readonly kind: 'forward'; readonly cluster: Cluster; readonly access: () => Authorizer } {
    const routed = this.#routers.decideStream(routes, serverName);
    if (routed.kind === 'refuse') return { kind: 'refused', reason: routed.reason };
    const { service, port, version } = routed;
    const access = (): Authorizer => this.#access.ofService(this.#view, service, port);
    const reason = this.#refuseBytes(caller, access);
    if (reason !== null) return { kind: 'refused', reason };
    const cluster = this.#clusters.ofService(this.#view, service, port, version, asItIs);
    return { kind: 'forward', cluster, access };
  }
}
