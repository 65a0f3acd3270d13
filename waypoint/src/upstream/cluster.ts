import type { Carrier } from '@ambit/mesh/hbone';
import type { AppProtocol, Workload } from '@ambit/mesh/model';
import { type Candidate, decideEndpoint, type Draw, drawOf } from './decide-endpoint.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { Http2Pool } from './http2-pool.ts';

/** One place that serves a service. */
export interface Endpoint extends Candidate {
  /** `ip:port` of the application. */
  readonly address: string;
  /** Connections of HTTP/1.1. */
  readonly pool: EndpointPool;
  readonly http2: Http2Pool;
  /** Who it is, for metrics. */
  readonly workload: Workload | undefined;
  /** Opens a connection of one's own, outside the pool. */
  open(signal: AbortSignal): Promise<Carrier>;
}

/** The endpoints that serve requests of one kind: a service's port, or a part of it. Immutable; its endpoints' pools live on. */
export class Cluster {
  /** `namespace/name:port`, as logs and metrics name it. */
  readonly name: string;
  readonly service: { readonly namespace: string; readonly name: string; readonly hostname: string };
  /** What is declared of the port; `tls` where nothing else is, and connections are secured. */
  readonly protocol: AppProtocol;
  readonly #draw: Draw<Endpoint>;
  readonly #random: () => number;

  constructor(
    name: string,
    service: Cluster['service'],
    endpoints: readonly Endpoint[],
    random: () => number = Math.random,
    protocol: AppProtocol = 'unknown',
  ) {
    this.name = name;
    this.service = service;
    this.protocol = protocol;
    this.#draw = drawOf(endpoints);
    this.#random = random;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#draw.endpoints;
  }

  /** Undefined when there is none. `except` has just failed. */
  pick(except?: Endpoint): Endpoint | undefined {
    return decideEndpoint(this.#draw, this.#random, except);
  }
}
