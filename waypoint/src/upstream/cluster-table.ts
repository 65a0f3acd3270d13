import type { HbonePool } from '@ambit/mesh/hbone';
import {
  endpointPort,
  type MeshView,
  type Place,
  parseSpiffeId,
  type Port,
  preferNear,
  type Service,
  type ServiceKey,
  type SpiffeId,
  takesConnections,
  type Workload,
  type WorkloadUid,
  workloadIdentity,
} from '@ambit/mesh/model';
import type { PortSecurity } from '@ambit/mesh/routes';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { Svid, TunnelPeer } from '@ambit/mesh/tls';
import type { Deadlines } from '../http/deadlines.ts';
import { secureConnector } from '../secure/secure-connector.ts';
import { Cluster, type Endpoint } from './cluster.ts';
import type { EndpointPoolOptions } from './connection-pool.ts';
import { openingWithin } from './connector.ts';
import { EndpointPool } from './endpoint-pool.ts';
import { Http2Pool } from './http2-pool.ts';
import type { UpstreamLimits } from './limits.ts';
import { createConnector, type EndpointAddress, endpointKey, type ServerPeers } from './open-endpoint.ts';
import { Reachability } from './reachability.ts';
import { WorkloadClusters } from './workload-clusters.ts';

export interface ClusterTableOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deadlines: Deadlines;
  readonly limits: UpstreamLimits;
  readonly hbone: HbonePool<TunnelPeer>;
  readonly svid: () => Svid | undefined;
  readonly peers: ServerPeers;
  readonly network: string;
  readonly random: () => number;
  /** Where this waypoint is; undefined when the view does not tell: then nobody is near, and of those that must be there is none. */
  readonly place: (view: MeshView) => Place | undefined;
  /** How connections to a port of a service are secured; the same object as long as nothing of it changes. */
  readonly securityOf: (service: ServiceKey, port: number) => PortSecurity | null;
}

/** A policy, and the service that it is for. */
interface Secured {
  readonly service: ServiceKey;
  readonly security: PortSecurity;
}

interface Located {
  readonly address: EndpointAddress;
  readonly workload: Workload;
}

/** Equal to no place of a workload. */
const NOWHERE: Place = {
  locality: { region: '\0', zone: '\0', subzone: '\0' },
  node: '\0',
  clusterId: '\0',
  network: '\0',
};

/**
 * The clusters of the mesh view as it is, made when somebody asks for one. Endpoints keep their connections from one view to
 * the next; those that no view names any more are closed once idle.
 */
export class ClusterTable {
  readonly #options: ClusterTableOptions;
  readonly #endpoints = new Map<string, PooledEndpoint>();
  readonly #clusters = new Map<string, Cluster>();
  readonly #ofWorkloads: WorkloadClusters<PooledEndpoint>;
  /** Distinct for each object. */
  readonly #securityIds = new WeakMap<PortSecurity, number>();
  #securityCount = 0;
  /** Endpoints that are asked for take no requests. */
  #isClosed = false;

  constructor(options: ClusterTableOptions) {
    this.#options = options;
    this.#ofWorkloads = new WorkloadClusters((workload, port) => {
      const [ip] = workload.addresses;
      if (ip === undefined) return undefined;
      return this.#create({ address: { ip, port }, identities: identitiesOf(workload, []) }, workload, null);
    });
  }

  /** Those that were asked for since the view last changed. */
  get clusters(): Iterable<Cluster> {
    return [...this.#clusters.values(), ...this.#ofWorkloads.clusters];
  }

  get endpoints(): Iterable<PooledEndpoint> {
    return [...this.#endpoints.values(), ...this.#ofWorkloads.endpoints];
  }

  /**
   * Of a port of a service, or, unless null, of those of its endpoints that are of one version; it may have none. `asItIs`: for bytes
   * of clients that speak TLS themselves, and to which no TLS of ours is added.
   */
  ofService(view: MeshView, service: Service, port: number, version: string | null = null, asItIs = false): Cluster {
    const part = version === null ? '' : `@${version}`;
    const key = `${service.key}:${port}${part}${asItIs ? '|' : ''}`;
    const known = this.#clusters.get(key);
    if (known !== undefined) return known;
    const located = (workload: Workload): readonly Located[] => {
      if (version !== null && workload.canonicalRevision !== version) return [];
      const address = this.#addressOf(workload, service, port);
      return address === null ? [] : [{ address, workload }];
    };
    const security = asItIs ? null : this.#options.securityOf(service.key, port);
    const secured = security === null ? null : { service: service.key, security };
    const place = this.#options.place(view) ?? NOWHERE;
    const reached = (candidates: readonly Located[]): readonly PooledEndpoint[] =>
      preferNear(candidates, place, service.loadBalancing).map(({ address, workload }) =>
        this.#endpoint(address, workload, secured),
      );
    const endpoints = reached([...view.endpoints(service.key)].flatMap(located));
    const name = `${service.namespace}/${service.name}:${port}${part}`;
    const declared = service.ports.find(({ servicePort }) => servicePort === port)?.appProtocol ?? 'unknown';
    const protocol = declared === 'unknown' && secured !== null ? 'tls' : declared;
    // By itself: one that is far goes on with its sessions when others are near by now, unless none that is far will do.
    const named = (uid: string): Endpoint | undefined => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one that is none finds nothing
      const workload = view.workload(uid as WorkloadUid);
      return workload?.services.has(service.key) === true ? reached(located(workload))[0] : undefined;
    };
    const successor = (): Cluster | undefined => {
      const known = view.service(service.key);
      return known === undefined ? undefined : this.ofService(view, known, port, version, asItIs);
    };
    const options = { random: this.#options.random, protocol, named, algorithm: service.balanceBy, successor };
    return this.#keep(key, new Cluster(name, service, endpoints, options));
  }

  /**
   * Of a port of one workload, as the view has it by now. To be asked for with every request: it is forgotten when there are many that
   * nobody uses.
   */
  ofWorkload(view: MeshView, workload: Workload, port: Port): Cluster {
    return this.#ofWorkloads.of(view, view.workload(workload.uid) ?? workload, port);
  }

  /** The view has changed: clusters are made anew. */
  forgetClusters(): void {
    this.#clusters.clear();
  }

  /** Closes the connections of endpoints that no workload of the view is any more. */
  prune(view: MeshView): void {
    const gone = this.#ofWorkloads.takeGone(view);
    for (const [key, endpoint] of this.#endpoints) {
      if (view.workload(endpoint.workload.uid) === endpoint.workload) continue;
      this.#endpoints.delete(key);
      gone.push(endpoint);
    }
    closeAll(gone);
  }

  /**
   * Connections to these services are to be secured in another way: those that there are serve no further request, and no more of their
   * kind are opened, for whoever waits either.
   */
  resecure(services: ReadonlySet<ServiceKey>): void {
    if (services.size === 0) return;
    this.#clusters.clear();
    const gone: PooledEndpoint[] = [];
    for (const [key, endpoint] of this.#endpoints) {
      const { secured, workload } = endpoint;
      // Without security it is also that of other services of the workload, which ask for it anew.
      const names = secured === null ? [...workload.services.keys()] : [secured.service];
      if (!names.some((service) => services.has(service))) continue;
      this.#endpoints.delete(key);
      gone.push(endpoint);
    }
    closeAll(gone);
  }

  /** Our certificate is a new one: connections with the old one serve no further request. */
  retire(): void {
    for (const endpoint of this.endpoints) endpoint.retire();
  }

  close(): void {
    this.#isClosed = true;
    closeAll([...this.endpoints]);
  }

  #keep(key: string, cluster: Cluster): Cluster {
    this.#clusters.set(key, cluster);
    return cluster;
  }

  #addressOf(workload: Workload, service: Service, servicePort: number): EndpointAddress | null {
    if (workload.network !== this.#options.network || !takesConnections(workload, service)) return null;
    const port = endpointPort(workload, service, servicePort);
    const [ip] = workload.addresses;
    if (port === 0 || ip === undefined) return null;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from the wire, and not 0
    return { address: { ip, port: port as Port }, identities: identitiesOf(workload, service.subjectAltNames) };
  }

  #idOf({ security }: Secured): number {
    let id = this.#securityIds.get(security);
    if (id === undefined) this.#securityIds.set(security, (id = this.#securityCount += 1));
    return id;
  }

  #endpoint(address: EndpointAddress, workload: Workload, secured: Secured | null): PooledEndpoint {
    const key = `${endpointKey(address)}|${workload.uid}${secured === null ? '' : `|${this.#idOf(secured)}`}`;
    const known = this.#endpoints.get(key);
    if (known !== undefined && known.workload === workload) return known;
    const endpoint = this.#create(address, workload, secured);
    this.#endpoints.set(key, endpoint);
    // Only now: who waits there asks for this one at once.
    known?.close();
    return endpoint;
  }

  #create(address: EndpointAddress, workload: Workload, secured: Secured | null): PooledEndpoint {
    const { clock, logger, deadlines, limits, hbone, svid, peers } = this.#options;
    const name = `${address.address.ip}:${address.address.port}`;
    const reachability = new Reachability(clock);
    const plain = createConnector(address, hbone, peers, svid);
    const secure = secureConnector(plain, secured?.security ?? null, clock);
    const connector = reachability.watch(openingWithin(limits.connectTimeoutMs, secure, clock));
    const options = { connector, limits, clock, deadlines, logger, name };
    const endpoint = new PooledEndpoint(workload, options, reachability, secured);
    if (this.#isClosed) endpoint.close();
    return endpoint;
  }
}

/** An endpoint and its connections. */
export class PooledEndpoint implements Endpoint {
  readonly address: string;
  readonly workload: Workload;
  readonly pool: EndpointPool;
  readonly http2: Http2Pool;
  readonly open: Endpoint['open'];
  wantsHttp1 = false;
  readonly secured: Secured | null;
  isClosed = false;
  readonly #reachability: Reachability;

  constructor(workload: Workload, options: EndpointPoolOptions, reachability: Reachability, secured: Secured | null) {
    this.address = options.name;
    this.workload = workload;
    this.pool = new EndpointPool(options);
    this.http2 = new Http2Pool(options);
    this.open = options.connector.open;
    this.#reachability = reachability;
    this.secured = secured;
  }

  get load(): number {
    return this.pool.load + this.http2.load;
  }

  get connectionCount(): number {
    return this.pool.connectionCount + this.http2.connectionCount;
  }

  get idleCount(): number {
    return this.pool.idleCount + this.http2.idleCount;
  }

  retire(): void {
    this.pool.retire();
    this.http2.retire();
  }

  close(): void {
    this.isClosed = true;
    this.pool.close();
    this.http2.close();
  }

  get capacity(): number {
    return this.workload.capacity;
  }

  get avoided(): boolean {
    return this.#reachability.avoided;
  }
}

/**
 * Who waits at one of them asks for another at once: by then it is known of all that they are closed, so that nobody goes from one to the
 * next of them, and one change of a thousand workloads is not worked off within the call that tells of the first.
 */
function closeAll(endpoints: readonly PooledEndpoint[]): void {
  for (const endpoint of endpoints) endpoint.isClosed = true;
  for (const endpoint of endpoints) endpoint.close();
}

function identitiesOf(workload: Workload, alternatives: readonly string[]): readonly SpiffeId[] | null {
  if (workload.tunnelProtocol === 'none') return null;
  const others = alternatives.flatMap((text) => {
    try {
      return [parseSpiffeId(text)];
    } catch {
      // What is no identity matches nobody (model/service.ts).
      return [];
    }
  });
  return [workloadIdentity(workload), ...others];
}
