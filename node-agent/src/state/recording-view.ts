import {
  addresseeOf,
  type EffectivePolicies,
  type IpAddress,
  type MeshView,
  type NamespacedHostname,
  type Service,
  type ServiceKey,
  serviceKey,
  type Workload,
  type WorkloadUid,
  type AccessPolicy,
} from '@ambit/mesh/model';

/** In front of a host name of which it is not known in which namespace it is; Ambit's controller answers it (protocol.md 3.5). */
const ANY_NAMESPACE = '*';
/** What a service can be called by: others, which a question may well have, are nobody's. */
const HOSTNAME = /^[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?$/i;

/**
 * The view for one decision where it has only what was asked for: notes the names of what was looked for in vain, or not known to be all
 * there is. A decision that leaves none behind would not be another one if everything were known.
 */
export class RecordingView implements MeshView {
  readonly #view: MeshView;
  readonly #isSettled: (name: string) => boolean;
  readonly #clusterDomain: string;
  readonly #missing = new Set<string>();
  #namespace = '';

  /** `isSettled`: the controller has said lately what there is of that name. */
  constructor(options: {
    readonly view: MeshView;
    readonly isSettled: (name: string) => boolean;
    readonly clusterDomain: string;
  }) {
    this.#view = options.view;
    this.#isSettled = options.isSettled;
    this.#clusterDomain = options.clusterDomain;
  }

  /** A decision begins, for somebody of the namespace. */
  begin(namespace: string): void {
    this.#missing.clear();
    this.#namespace = namespace;
  }

  /** What has to be asked for before the decision counts. */
  get missing(): readonly string[] {
    return this.#missing.size === 0 ? NOTHING : [...this.#missing];
  }

  get epoch(): number {
    return this.#view.epoch;
  }

  workload(uid: WorkloadUid): Workload | undefined {
    return this.#view.workload(uid) ?? this.#note(uid);
  }

  workloadByAddress(network: string, ip: IpAddress): Workload | undefined {
    return this.#view.workloadByAddress(network, ip) ?? this.#note(`${network}/${ip}`);
  }

  workloadByHostname(name: NamespacedHostname): Workload | undefined {
    return this.#view.workloadByHostname(name) ?? this.#note(serviceKey(name));
  }

  service(key: ServiceKey): Service | undefined {
    return this.#view.service(key) ?? this.#note(key);
  }

  /** One of a block may be known while the one that has the very address is not. */
  serviceByAddress(network: string, ip: IpAddress, clientNamespace?: string): Service | undefined {
    const found = this.#view.serviceByAddress(network, ip, clientNamespace);
    const isExact = found?.addresses.some((one) => one.cidr === undefined && one.ip === ip) === true;
    if (!isExact && addresseeOf(this.#view, network, ip, clientNamespace)?.kind !== 'workload') {
      this.#note(`${network}/${ip}`);
    }
    return found;
  }

  isInRanges(network: string, ip: IpAddress): boolean {
    return this.#view.isInRanges(network, ip);
  }

  servicesByHostname(hostname: string): readonly Service[] {
    for (const name of this.#namesOf(hostname)) this.#note(name);
    return this.#view.servicesByHostname(hostname);
  }

  endpoints(key: ServiceKey): Iterable<Workload> {
    return this.#view.endpoints(key);
  }

  policiesFor(workload: Workload): EffectivePolicies {
    return this.#view.policiesFor(workload);
  }

  workloads(): Iterable<Workload> {
    return this.#view.workloads();
  }

  services(): Iterable<Service> {
    return this.#view.services();
  }

  policies(): Iterable<AccessPolicy> {
    return this.#view.policies();
  }

  #note(name: string): undefined {
    if (!this.#isSettled(name)) this.#missing.add(name);
    return undefined;
  }

  /**
   * A name in the domain of the cluster says which namespace it is in; of any other one whose services are in the client's namespace every
   * controller knows, of the rest Ambit's. Wildcards come with the names that they cover.
   */
  #namesOf(hostname: string): readonly string[] {
    if (!HOSTNAME.test(hostname)) return NOTHING;
    if (hostname.endsWith(`.${this.#clusterDomain}`)) {
      const [name = '', namespace = '', kind, ...rest] = hostname.slice(0, -this.#clusterDomain.length - 1).split('.');
      return kind === 'svc' && rest.length === 0 && name !== '' ? [`${namespace}/${hostname}`] : NOTHING;
    }
    return hostname.includes('.') ? [`${ANY_NAMESPACE}/${hostname}`, `${this.#namespace}/${hostname}`] : NOTHING;
  }
}

const NOTHING: readonly string[] = [];
