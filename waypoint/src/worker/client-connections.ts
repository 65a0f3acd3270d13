import type { Carrier, CarrierReader } from '@ambit/mesh/hbone';
import type { MeshView, Port, Workload } from '@ambit/mesh/model';
import type { Authorizer } from '@ambit/mesh/policies';
import type { StreamRoute } from '@ambit/mesh/routes';
import type { AccessTable } from '../authorize/access-table.ts';
import { accessCaller, admit } from '../authorize/guarded-pipeline.ts';
import { straightTo } from '../http/decisions.ts';
import type { ClientSession } from '../http/client-session.ts';
import type { Caller, Forward, RequestPipeline } from '../http/pipeline.ts';
import type { WorkerContext } from '../http/worker-context.ts';
import type { ByteRelay } from '../listener/byte-relay.ts';
import { ByteRelays } from '../listener/byte-relays.ts';
import { decideDestination } from '../listener/decide-destination.ts';
import { accepted, type TunnelRefusal, type TunnelVerdict } from '../listener/hbone-listener.ts';
import { CLIENT_CONNECTIONS_MAX } from '../listener/limits.ts';
import { HttpClients } from '../listener/http-clients.ts';
import { type InboundStream, InboundStreams, NOBODY } from '../listener/inbound-stream.ts';
import { byServerName } from '../listener/server-name.ts';
import { sparing } from '../overload/sparing-pipeline.ts';
import type { OverloadGuard } from '../overload/overload-guard.ts';
import type { CompiledGroup } from '../route/route-tables.ts';
import type { ServiceRouters } from '../route/service-routers.ts';
import type { BackendTable } from '../secure/backend-table.ts';
import type { RelaySubject } from '../listener/relay-facts.ts';
import type { ExchangeRecorder } from '../telemetry/exchange-recorder.ts';
import type { RelayRecorder } from '../telemetry/relay-recorder.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { ClusterTable } from '../upstream/cluster-table.ts';
import { openSomewhere } from '../upstream/open-somewhere.ts';

export interface ClientConnectionsOptions {
  readonly context: WorkerContext;
  readonly network: string;
  /** As it is now. */
  readonly view: () => MeshView;
  readonly ownNamespace: () => string | undefined;
  readonly access: AccessTable;
  readonly backends: BackendTable;
  readonly clusters: ClusterTable;
  readonly routers: ServiceRouters;
  readonly overload: Pick<OverloadGuard, 'refusal' | 'isMemoryShort'>;
  readonly recorder: Pick<ExchangeRecorder, 'onPolicyNotes'>;
  readonly relays: Pick<RelayRecorder, 'begin'>;
}

type StreamRoutes = Extract<CompiledGroup, { readonly kind: 'connections' }>;

/** Whom a connection goes to, and who says that it still may. */
type RoutedConnection =
  | { readonly kind: 'refused'; readonly reason: TunnelRefusal }
  | { readonly kind: 'forward'; readonly to: RelayTarget; readonly access: () => Authorizer };

/** Where bytes are carried to, and by which route. */
type RelayTarget = Omit<RelaySubject, 'caller'>;

/** The connections of clients: whom each wants, whether it may, and who serves it. */
export class ClientConnections {
  readonly #options: ClientConnectionsOptions;
  readonly #inbound: InboundStreams;
  readonly #http: HttpClients;
  readonly #relays = new ByteRelays();
  readonly #refusals = new Map<TunnelRefusal, number>();

  constructor(options: ClientConnectionsOptions) {
    this.#options = options;
    this.#inbound = new InboundStreams(options.context.clock);
    this.#http = new HttpClients(options.context, this.#inbound);
  }

  /** Whoever serves them, or will. */
  get size(): number {
    return this.#http.size + this.#relays.size + this.#inbound.size;
  }

  /** How many speak HTTP. */
  get httpCount(): number {
    return this.#http.size;
  }

  /** How often something was refused, by why. */
  get refusals(): readonly (readonly [reason: string, count: number])[] {
    return [...this.#refusals];
  }

  /** Those that may hold something for one side. */
  get holders(): readonly (ClientSession | ByteRelay | InboundStream)[] {
    return [...this.#http.sessions, ...this.#relays.all, ...this.#inbound.all];
  }

  /** Ends up to so many connections of HTTP that have no request, the oldest first, and says how many. */
  closeIdle(countMax: number): number {
    const idle = [...this.#http.sessions].filter(({ isIdle }) => isIdle).slice(0, Math.max(0, countMax));
    for (const session of idle) session.drain(0);
    return idle.length;
  }

  /** Records what was carried as bytes up to now. */
  countBytes(): void {
    this.#relays.countBytes();
  }

  countRefusal(reason: TunnelRefusal): void {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
  }

  /** Policies have changed: cuts what they do not want any more. */
  recheck(): void {
    this.#relays.recheck();
    this.#http.recheck();
  }

  /** As of `ClientSession`; bytes go on. */
  drain(idleMs: number): void {
    this.#http.drain(idleMs);
  }

  /** Ends everything at once. */
  destroy(): void {
    this.#http.destroy();
    this.#relays.destroy();
  }

  /** Serves a client in plaintext; when there are too many, it is cut. */
  servePlain(caller: Caller, carrier: Carrier, pipeline: RequestPipeline): void {
    if (this.size < CLIENT_CONNECTIONS_MAX) {
      this.#serveHttp(caller, carrier, pipeline);
      return;
    }
    this.countRefusal('too-many-connections');
    carrier.read(NOBODY);
    carrier.reset();
  }

  /** What becomes of a tunnel to this authority. */
  decideTunnel(caller: Caller, authority: Parameters<typeof decideDestination>[2]): TunnelVerdict {
    if (this.size >= CLIENT_CONNECTIONS_MAX) {
      return { kind: 'refused', reason: 'too-many-connections' };
    }
    const { view, network, access: policies, backends, clusters, routers } = this.#options;
    const ownNamespace = authority.kind === 'hostname' ? this.#options.ownNamespace() : undefined;
    const destination = decideDestination(view(), network, authority, ownNamespace);
    if (destination.kind === 'unknown') return { kind: 'refused', reason: destination.reason };
    if (destination.kind === 'workload') {
      const { workload } = destination;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parsed with the authority
      const clusterOf = (): Cluster => clusters.ofWorkload(view(), workload, destination.port as Port);
      const access = (): Authorizer => policies.ofWorkload(workload, destination.port);
      const pipeline = this.#pipelineOfWorkload(workload, access, clusterOf);
      return accepted((carrier) => this.#detect(caller, carrier, pipeline, clusterOf, access));
    }
    const { service, port, protocol } = destination;
    const group = routers.groupFor(service, port, caller);
    // Clients of a port that is declared so speak TLS by themselves, unless they turn out to speak HTTP.
    const asItIs = protocol === 'tls';
    const clusterOf = (): Cluster => clusters.ofService(view(), service, port, null, asItIs);
    const access = (): Authorizer => policies.ofService(view(), service, port);
    if (group?.kind === 'connections') return this.#decideStream(caller, group, access, asItIs);
    // A server that speaks first is never kept waiting.
    if (protocol === 'tcp' || (asItIs && backends.of(service.key, port) === null)) {
      const reason = this.#refuseBytes(caller, access);
      if (reason !== null) return { kind: 'refused', reason };
      return accepted((carrier) => carrier.read(this.#relay(caller, carrier, straight(clusterOf()), access)));
    }
    const pipeline = routers.pipelineOf(service, port, caller);
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
    this.#http.detect(caller, carrier, sparing(pipeline, this.#options.overload), () => {
      const reason = this.#refuseBytes(caller, access);
      if (reason === null) return this.#relay(caller, carrier, straight(clusterOf()), access);
      this.countRefusal(reason);
      carrier.reset();
      return NOBODY;
    });
  }

  #serveHttp(caller: Caller, carrier: Carrier, pipeline: RequestPipeline): void {
    this.#http.serve(caller, carrier, sparing(pipeline, this.#options.overload));
  }

  /** Why a connection that is no HTTP is not carried, whenever that turns out; null: it is. Requests are refused by an answer. */
  #refuseBytes(caller: Caller, access: () => Authorizer): TunnelRefusal | null {
    if (this.#options.overload.isMemoryShort) return 'no-memory';
    const verdict = access().decide(accessCaller(caller), null);
    this.#options.recorder.onPolicyNotes(verdict);
    return verdict.refusal;
  }

  /** `access`: of every service that it was asked of, and is sent to. */
  #relay(caller: Caller, carrier: Carrier, to: RelayTarget, ...access: readonly (() => Authorizer)[]): CarrierReader {
    const isAllowed = (): boolean => access.every((of) => of().decide(accessCaller(caller), null).refusal === null);
    const record = this.#options.relays.begin({ caller, ...to });
    return this.#relays.begin(carrier, record, (signal, tried) => openSomewhere(to.cluster, signal, tried), isAllowed);
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
      return accepted((carrier) => carrier.read(this.#relay(caller, carrier, routed.to, access, routed.access)));
    }
    return accepted((carrier) => {
      // A client that says a server name speaks TLS by itself.
      const serve = (serverName: string | null): CarrierReader => {
        // Policies may have changed since it was taken.
        const { refusal } = access().decide(accessCaller(caller), null);
        const routed: RoutedConnection =
          refusal === null
            ? this.#routeStream(caller, routes, serverName, asItIs || serverName !== null)
            : { kind: 'refused', reason: refusal };
        if (routed.kind === 'forward') return this.#relay(caller, carrier, routed.to, access, routed.access);
        this.countRefusal(routed.reason);
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
  ): RoutedConnection {
    const { view, access: policies, clusters, routers } = this.#options;
    const routed = routers.decideStream(routes, serverName);
    if (routed.kind === 'refuse') return { kind: 'refused', reason: routed.reason };
    const { service, port, version, routeKey: route } = routed;
    const access = (): Authorizer => policies.ofService(view(), service, port);
    const reason = this.#refuseBytes(caller, access);
    if (reason !== null) return { kind: 'refused', reason };
    const cluster = clusters.ofService(view(), service, port, version, asItIs);
    return { kind: 'forward', to: { cluster, route, serverName }, access };
  }
}

function straight(cluster: Cluster): RelayTarget {
  return { cluster, route: '', serverName: null };
}
