import type { MeshView, Service, Workload } from '@ambit/mesh/model';
import {
  type AccessDestination,
  Authorizer,
  policiesAt,
  type PolicySet,
  type PolicySetName,
  type RequestPolicies,
  servicePolicySet,
  workloadPolicySet,
} from '@ambit/mesh/policies';

/** Sets that come or go; what is put replaces what there was. Plain data, it crosses a thread boundary. */
export interface PolicySetChanges {
  readonly put: readonly PolicySet[];
  readonly removed: readonly PolicySetName[];
}

/** Callers choose the port of a workload. When there are more, all are made anew. */
export const AUTHORIZERS_MAX = 8192;

/** Which policies hold at each destination. A destination of which nothing has been said admits nobody. */
export class AccessTable {
  readonly #sets = new Map<PolicySetName, PolicySet>();
  readonly #policies = new Map<PolicySetName, RequestPolicies>();
  /** By set and destination; what it has sorted out about callers outlives changes of anything but policies. */
  readonly #authorizers = new Map<string, Authorizer>();
  /** By destination and port, for the view as it is: every request asks, and a service may have many endpoints to look at. */
  readonly #known = new Map<Service | Workload, Map<number, Authorizer>>();

  /** In force for whoever asks next, as a whole. */
  apply({ put, removed }: PolicySetChanges): void {
    if (put.length + removed.length === 0) return;
    for (const name of removed) this.#sets.delete(name);
    for (const set of put) this.#sets.set(set.name, set);
    this.#policies.clear();
    this.#forget();
  }

  /** The view has changed: services may have other endpoints, on other ports. */
  forgetDestinations(): void {
    this.#known.clear();
  }

  /** At one port of a service, before an endpoint is picked. */
  ofService(view: MeshView, service: Service, port: number): Authorizer {
    const known = this.#known.get(service)?.get(port);
    if (known !== undefined) return known;
    const destination = { ports: targetPorts(view, service, port), address: null };
    return this.#remember(service, port, this.#authorizer(servicePolicySet(service.key), destination));
  }

  ofWorkload(workload: Workload, port: number): Authorizer {
    const known = this.#known.get(workload)?.get(port);
    if (known !== undefined) return known;
    const destination = { ports: [port], address: workload.addresses[0] ?? null };
    return this.#remember(workload, port, this.#authorizer(workloadPolicySet(workload.uid), destination));
  }

  #remember(destination: Service | Workload, port: number, authorizer: Authorizer): Authorizer {
    let ports = this.#known.get(destination);
    if (ports === undefined) {
      ports = new Map();
      this.#known.set(destination, ports);
    }
    ports.set(port, authorizer);
    return authorizer;
  }

  #forget(): void {
    this.#authorizers.clear();
    this.#known.clear();
  }

  #authorizer(name: PolicySetName, destination: AccessDestination): Authorizer {
    const key = `${name} ${destination.ports.join()} ${destination.address ?? ''}`;
    let authorizer = this.#authorizers.get(key);
    if (authorizer === undefined) {
      authorizer = new Authorizer(this.#policiesOf(name), destination);
      if (this.#authorizers.size >= AUTHORIZERS_MAX) this.#forget();
      this.#authorizers.set(key, authorizer);
    }
    return authorizer;
  }

  #policiesOf(name: PolicySetName): RequestPolicies {
    let policies = this.#policies.get(name);
    if (policies === undefined) {
      policies = policiesAt(name, (wanted) => this.#sets.get(wanted));
      this.#policies.set(name, policies);
    }
    return policies;
  }
}

/** The ports that the endpoints of a service listen on: a named target port may differ from one to the next. */
function targetPorts(view: MeshView, service: Service, port: number): readonly number[] {
  const ports = new Set<number>();
  for (const { services } of view.endpoints(service.key)) {
    for (const { servicePort, targetPort } of services.get(service.key) ?? []) {
      if (servicePort === port && targetPort !== 0) ports.add(targetPort);
    }
  }
  return [...ports].sort((a, b) => a - b);
}
