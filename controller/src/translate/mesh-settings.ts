import type { TrustDomain } from '@ambit/mesh/model';

/** What holds for the whole mesh and appears in what is pushed. */
export interface MeshSettings {
  readonly clusterId: string;
  /** DNS suffix of services. */
  readonly clusterDomain: string;
  readonly trustDomain: TrustDomain;
  /** Policies of this namespace hold for the whole mesh. */
  readonly rootNamespace: string;
  /** Network of workloads whose node and namespace name none. */
  readonly defaultNetwork: string;
  readonly excludedNamespaces: readonly string[];
}

/** `<name>.<namespace>.svc.<cluster domain>`. */
export function serviceHostname(name: string, namespace: string, settings: MeshSettings): string {
  return `${name}.${namespace}.svc.${settings.clusterDomain}`;
}
