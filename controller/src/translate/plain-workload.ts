import { parseWorkloadUid, type Workload } from '@ambit/mesh/model';
import type { MeshSettings } from './mesh-settings.ts';

/** What is not the same for all workloads that are known by where they are alone. */
export type PlainPlace = Pick<Workload, 'name' | 'namespace' | 'addresses' | 'hostname' | 'network' | 'services'> & {
  /** Of its kind and its own; the cluster comes before. */
  readonly path: string;
  /** By which it is told of. */
  readonly canonicalName: string;
};

/** Somebody without a pod, a node or an account of its own, reached in plaintext. */
export function plainWorkload({ path, ...place }: PlainPlace, settings: MeshSettings): Workload {
  return {
    ...place,
    uid: parseWorkloadUid(`${settings.clusterId}${path}`),
    tunnelProtocol: 'none',
    trustDomain: settings.trustDomain,
    // Never used as an identity, as there is no tunnel; readers of the wire take the empty name for this one.
    serviceAccount: 'default',
    node: '',
    canonicalRevision: 'latest',
    workloadType: 'pod',
    workloadName: place.canonicalName,
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'healthy',
    clusterId: settings.clusterId,
    locality: { region: '', zone: '', subzone: '' },
    networkMode: 'standard',
    capacity: 1,
  };
}
