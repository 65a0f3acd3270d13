import type { Carrier } from '@ambit/mesh/hbone';
import type { AppProtocol, BalanceAlgorithm, Workload } from '@ambit/mesh/model';
import { type Candidate, type Choose, chooserOf, type Draw, drawOf } from './decide-endpoint.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { Http2Pool } from './http2-pool.ts';

/** One place that serves a service. */
export interface Endpoint extends Candidate {
  /** `ip:port` of the application. */
  readonly address: string;
  /** Connections of HTTP/1.1. */
  readonly pool: EndpointPool;
  readonly http2: Http2Pool;
  /** No workload of the view is it any more: it opens no connections, but for `open`. */
  readonly isClosed: boolean;
  /** It has said that it wants requests in HTTP/1.1, whatever is declared. */
  wantsHttp1?: boolean;
  /** Who it is, for metrics. */
  readonly workload: Workload | undefined;
  /** Opens a connection of one's own, outside the pool. */
  open(signal: AbortSignal): Promise<Carrier>;
}

/** The endpoint of that name, see `endpointName`; undefined when it is gone, or takes no requests. */
export type FindEndpoint = (name: string) => Endpoint | undefined;

/** What an endpoint is called in sessions: no other one is called so, and none that takes its address later. */
export function endpointName({ workload, address }: Endpoint): string {
  return workload?.uid ?? address;
}

export interface ClusterOptions {
  readonly random?: () => number;
  /** Absent: nothing is declared. */
  readonly protocol?: AppProtocol | undefined;
  /** Absent: it knows its endpoints alone. */
  readonly named?: FindEndpoint;
  /** Absent: `least-request`. */
  readonly algorithm?: BalanceAlgorithm | undefined;
  /** The cluster of the same as the view has it by now; undefined when it has none. */
  readonly successor?: () => Cluster | undefined;
}

/**
 * The endpoints that serve requests of one kind: a service's port, or a part of it. Immutable; its endpoints' pools live on. Who holds one
 * for longer than the view stays as it is, like a request that waits, is sent on by the cluster that took its place.
 */
export class Cluster {
  /** `namespace/name:port`, as logs and metrics name it. */
  readonly name: string;
  readonly service: { readonly namespace: string; readonly name: string; readonly hostname: string };
  /** What is declared of the port; `tls` where nothing else is, and connections are secured. */
  readonly protocol: AppProtocol;
  readonly #draw: Draw<Endpoint>;
  readonly #choose: Choose<Endpoint>;
  readonly #named: FindEndpoint;
  readonly #successor: () => Cluster | undefined;

  constructor(
    name: string,
    service: Cluster['service'],
    endpoints: readonly Endpoint[],
    {
      random = Math.random,
      protocol = 'unknown',
      named = (one) => endpoints.find((endpoint) => endpointName(endpoint) === one),
      algorithm = 'least-request',
      successor = () => undefined,
    }: ClusterOptions = {},
  ) {
    this.name = name;
    this.service = service;
    this.protocol = protocol;
    this.#draw = drawOf(endpoints);
    this.#choose = chooserOf(algorithm, random);
    this.#named = named;
    this.#successor = successor;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#draw.endpoints;
  }

  /** One that a session is bound to, which may be farther away than those that are drawn from. */
  find(name: string): Endpoint | undefined {
    return this.#named(name);
  }

  /** The same as an endpoint of ours that is closed, as the view has it by now; undefined when it is gone. */
  successorOf(closed: Endpoint): Endpoint | undefined {
    return this.#successor()?.find(endpointName(closed));
  }

  /** Undefined when there is none that takes requests. `except` has just failed. */
  pick(except?: Endpoint): Endpoint | undefined {
    const endpoint = this.#choose(this.#draw, except);
    if (endpoint?.isClosed !== true) return endpoint;
    const successor = this.#successor();
    return successor === this ? undefined : successor?.pick(except);
  }
}
