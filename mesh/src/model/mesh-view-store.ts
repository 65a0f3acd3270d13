import type { AccessPolicy } from './access-policy.ts';
import type { IpAddress } from './address.ts';
import { RangeIndex } from './mesh-ranges.ts';
import type { EffectivePolicies, MeshView, MeshViewChange, MeshViewStore, MeshViewUpdate } from './mesh-view.ts';
import { PolicyIndex } from './policy-index.ts';
import { type NamespacedHostname, type Service, type ServiceKey, serviceKey } from './service.ts';
import { VipIndex } from './vip-index.ts';
import type { Workload, WorkloadUid } from './workload.ts';
import { WorkloadAddressIndex } from './workload-address-index.ts';

/** An empty view and the hand that changes it. One per thread; views of two threads agree once both applied an update. */
export function createMeshViewStore(): MeshViewStore {
  const view = new IndexedMeshView();
  return { view, apply: (update) => view.apply(update) };
}

class IndexedMeshView implements MeshView {
  epoch = 0;
  readonly #workloads = new Map<WorkloadUid, Workload>();
  readonly #addresses = new WorkloadAddressIndex();
  /** Few have a name: those that have, by namespace and name. Invariant: no empty inner map. */
  readonly #namedWorkloads = new Map<ServiceKey, Map<WorkloadUid, Workload>>();
  readonly #services = new Map<ServiceKey, Service>();
  readonly #vips = new VipIndex();
  /** Invariant: no empty inner map. */
  readonly #hostnames = new Map<string, Map<ServiceKey, Service>>();
  /** Also for services not known yet: endpoints may arrive first. Invariant: no empty inner map. */
  readonly #endpoints = new Map<ServiceKey, Map<WorkloadUid, Workload>>();
  readonly #policies = new PolicyIndex();
  readonly #ranges = new RangeIndex();

  workload(uid: WorkloadUid): Workload | undefined {
    return this.#workloads.get(uid);
  }

  workloadByAddress(network: string, ip: IpAddress): Workload | undefined {
    const uid = this.#addresses.find(network, ip);
    return uid === undefined ? undefined : this.#workloads.get(uid);
  }

  workloadByHostname(name: NamespacedHostname): Workload | undefined {
    return this.#namedWorkloads.get(serviceKey(name))?.values().next().value;
  }

  service(key: ServiceKey): Service | undefined {
    return this.#services.get(key);
  }

  serviceByAddress(network: string, ip: IpAddress, clientNamespace?: string): Service | undefined {
    return this.#vips.find(network, ip, clientNamespace);
  }

  isInRanges(network: string, ip: IpAddress): boolean {
    return this.#ranges.contains(network, ip);
  }

  servicesByHostname(hostname: string): readonly Service[] {
    return [...(this.#hostnames.get(hostname)?.values() ?? [])];
  }

  endpoints(key: ServiceKey): Iterable<Workload> {
    return this.#endpoints.get(key)?.values() ?? [];
  }

  policiesFor(workload: Workload): EffectivePolicies {
    return this.#policies.effectiveAt(workload);
  }

  workloads(): Iterable<Workload> {
    return this.#workloads.values();
  }

  services(): Iterable<Service> {
    return this.#services.values();
  }

  policies(): Iterable<AccessPolicy> {
    return this.#policies.all();
  }

  apply(update: MeshViewUpdate): MeshViewChange {
    const workloads = new Set<WorkloadUid>();
    const services = new Set<ServiceKey>();
    for (const uid of update.removedWorkloads ?? []) if (this.#removeWorkload(uid)) workloads.add(uid);
    for (const key of update.removedServices ?? []) if (this.#removeService(key)) services.add(key);
    for (const workload of update.workloads ?? []) {
      this.#putWorkload(workload);
      workloads.add(workload.uid);
    }
    for (const service of update.services ?? []) {
      this.#putService(service);
      services.add(service.key);
    }
    const policyChange = this.#policies.apply(update.policies ?? [], update.removedPolicies ?? []);
    for (const name of update.removedRanges ?? []) this.#ranges.remove(name);
    for (const ranges of update.ranges ?? []) this.#ranges.put(ranges);
    this.epoch++;
    return {
      epoch: this.epoch,
      gone: new Set([...workloads].filter((uid) => !this.#workloads.has(uid))),
      touchesServices: services.size > 0,
      touchesWorkload: (uid) => workloads.has(uid),
      workloads,
      services,
      policies: policyChange.keys,
      policiesMayDifferAt: (workload) => workloads.has(workload.uid) || policyChange.reaches(workload),
    };
  }

  #putWorkload(workload: Workload): void {
    const before = this.#workloads.get(workload.uid);
    this.#workloads.set(workload.uid, workload);
    this.#addresses.put(before, workload);
    if (before !== undefined && before.hostname !== '') removeFrom(this.#namedWorkloads, nameKey(before), workload.uid);
    if (workload.hostname !== '') addTo(this.#namedWorkloads, nameKey(workload), workload.uid, workload);
    if (before !== undefined) this.#dropEndpoints(before, workload);
    for (const key of workload.services.keys()) addTo(this.#endpoints, key, workload.uid, workload);
  }

  #removeWorkload(uid: WorkloadUid): boolean {
    const before = this.#workloads.get(uid);
    if (before === undefined) return false;
    this.#workloads.delete(uid);
    this.#addresses.remove(before);
    if (before.hostname !== '') removeFrom(this.#namedWorkloads, nameKey(before), uid);
    this.#dropEndpoints(before, undefined);
    return true;
  }

  /** Forgets what `before` backed and `after` does not. */
  #dropEndpoints(before: Workload, after: Workload | undefined): void {
    for (const key of before.services.keys()) {
      if (after === undefined || !after.services.has(key)) removeFrom(this.#endpoints, key, before.uid);
    }
  }

  #putService(service: Service): void {
    const before = this.#services.get(service.key);
    if (before !== undefined) {
      this.#vips.remove(before);
      if (before.hostname !== service.hostname) removeFrom(this.#hostnames, before.hostname, before.key);
    }
    this.#services.set(service.key, service);
    this.#vips.add(service);
    addTo(this.#hostnames, service.hostname, service.key, service);
  }

  #removeService(key: ServiceKey): boolean {
    const before = this.#services.get(key);
    if (before === undefined) return false;
    this.#services.delete(key);
    this.#vips.remove(before);
    removeFrom(this.#hostnames, before.hostname, key);
    return true;
  }
}

function nameKey({ namespace, hostname }: Workload): ServiceKey {
  return serviceKey({ namespace, hostname });
}

function addTo<K, I, V>(index: Map<K, Map<I, V>>, key: K, inner: I, value: V): void {
  const values = index.get(key);
  if (values === undefined) index.set(key, new Map([[inner, value]]));
  else values.set(inner, value);
}

function removeFrom<K, I, V>(index: Map<K, Map<I, V>>, key: K, inner: I): void {
  const values = index.get(key);
  values?.delete(inner);
  if (values?.size === 0) index.delete(key);
}
