import { type MeshView, type Service, type ServiceKey, spiffeIdParts } from '@ambit/mesh/model';
import { decideStream, type StreamDecision, type StreamRoute } from '@ambit/mesh/routes';
import type { AccessTable } from '../authorize/access-table.ts';
import { GuardedPipeline } from '../authorize/guarded-pipeline.ts';
import { failureAnswer } from '../http/decisions.ts';
import type { Caller, RequestPipeline } from '../http/pipeline.ts';
import type { ClusterTable } from '../upstream/cluster-table.ts';
import { type CompiledGroup, type RouteChanges, RouteTables } from './route-tables.ts';
import type { RuleSessions } from './rule-sessions.ts';
import { ServiceRouter } from './service-router.ts';

export interface ServiceRoutersOptions {
  /** As it is now. */
  readonly view: () => MeshView;
  readonly clusters: ClusterTable;
  readonly access: AccessTable;
  readonly random: () => number;
  readonly sessions: RuleSessions;
}

/** Where a route that sees connections sends one of them. */
export type RoutedStream =
  | {
      readonly kind: 'forward';
      readonly routeKey: string;
      readonly service: Service;
      readonly port: number;
      readonly version: string | null;
    }
  | Extract<StreamDecision, { readonly kind: 'refuse' }>;

/** What decides of the requests to each port of each service, made when somebody asks and anew when something changed. */
export class ServiceRouters {
  readonly #options: ServiceRoutersOptions;
  readonly #tables = new RouteTables();
  /** Counts what was forgotten. */
  #epoch = 0;
  /** By service, port and, where it counts, the caller's namespace. */
  readonly #routers = new Map<string, RequestPipeline>();

  constructor(options: ServiceRoutersOptions) {
    this.#options = options;
  }

  /** The routes of all services. */
  get tables(): RouteTables {
    return this.#tables;
  }

  /** Takes effect for the next request, as a whole. */
  apply(changes: RouteChanges): void {
    this.#tables.apply(changes);
    this.forget();
  }

  /** The view, policies or clusters have changed. */
  forget(): void {
    this.#epoch++;
    this.#routers.clear();
  }

  /** What the caller's requests or connections to a port are routed by; null where they go as they come. */
  groupFor(service: Service, port: number, caller: Caller): CompiledGroup | null {
    return this.#tables.of(service.key, port, namespaceOf(caller));
  }

  /** Routes and policies as they are when a request comes, not when its connection came. */
  pipelineOf(service: Service, port: number, caller: Caller): RequestPipeline {
    const namespace = namespaceOf(caller);
    let epoch = this.#epoch;
    let router = this.#routerOf(service.key, port, namespace);
    return {
      decide: (request) => {
        if (epoch !== this.#epoch) {
          router = this.#routerOf(service.key, port, namespace);
          epoch = this.#epoch;
        }
        return router.decide(request);
      },
    };
  }

  /** Decides of a connection, once. `serverName` is what its TLS hello says. */
  decideStream(routes: readonly StreamRoute[], serverName: string | null): RoutedStream {
    const decision = decideStream(routes, serverName, this.#options.random());
    if (decision.kind === 'refuse') return decision;
    const { routeKey, backend } = decision;
    const service = this.#options.view().service(backend.service);
    if (service === undefined) return { kind: 'refuse', routeKey, reason: 'faulty-route' };
    return { kind: 'forward', routeKey, service, port: backend.port, version: backend.version };
  }

  #routerOf(serviceKey: ServiceKey, port: number, namespace: string): RequestPipeline {
    const isConsumer = this.#tables.isConsumer(serviceKey, port, namespace);
    const key = `${serviceKey}:${port}${isConsumer ? `|${namespace}` : ''}`;
    let router = this.#routers.get(key);
    if (router === undefined) {
      router = this.#create(serviceKey, port, namespace);
      this.#routers.set(key, router);
    }
    return router;
  }

  #create(serviceKey: ServiceKey, port: number, namespace: string): RequestPipeline {
    const { view: current, clusters, access, random, sessions } = this.#options;
    const view = current();
    const service = view.service(serviceKey);
    if (service === undefined) return GONE;
    const router = new ServiceRouter({
      view,
      service,
      port,
      group: this.#tables.of(serviceKey, port, namespace),
      isConsumer: this.#tables.isConsumer(serviceKey, port, namespace),
      clusterOf: (backend, backendPort, version) => clusters.ofService(view, backend, backendPort, version),
      accessOf: (backend, backendPort) => access.ofService(view, backend, backendPort),
      random,
      sessions,
    });
    return new GuardedPipeline(access.ofService(view, service, port), service.hostname, router);
  }
}

const NO_ENDPOINT = failureAnswer('no-endpoint');
const GONE: RequestPipeline = { decide: () => NO_ENDPOINT };

/** Empty for a caller that nobody vouches for: no consumer's route is for it. */
function namespaceOf({ identity }: Caller): string {
  return identity === null ? '' : spiffeIdParts(identity).namespace;
}
