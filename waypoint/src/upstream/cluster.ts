import type { Carrier } from '@ambit/mesh/hbone';
import type { Workload } from '@ambit/mesh/model';
import type { EndpointPool } from './endpoint-pool.ts';
import { decideEndpoint } from './decide-endpoint.ts';

/** One place that serves a service. */
export interface Endpoint {
  /** `ip:port` of the application. */
  readonly address: string;
  readonly load: number;
  readonly pool: EndpointPool;
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
  readonly #endpoints: readonly Endpoint[];
  readonly #random: () => number;

  constructor(
    name: string,
    service: Cluster['service'],
    endpoints: readonly Endpoint[],
    random: () => number = Math.random,
  ) {
    this.name = name;
    this.service = service;
    this.#endpoints = endpoints;
    this.#random = random;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** Undefined when there is none. `except` has just failed. */
  pick(except?: Endpoint): Endpoint | undefined {
    return decideEndpoint(this.#endpoints, this.#random, except);
  }
}
