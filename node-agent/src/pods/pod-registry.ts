import { createSpiffeId, parseWorkloadUid, type TrustDomain } from '@ambit/mesh/model';
import type { PodNames } from '@ambit/mesh/wire';
import type { PodSpec } from '../proxy/pod-context.ts';

/** A network namespace as the kernel tells it from others. */
interface NetnsIdentity {
  readonly device: bigint;
  readonly inode: bigint;
}

/** What is known of a pod that was announced. */
export interface KnownPod {
  readonly netns: NetnsIdentity;
  readonly spec: Pick<PodSpec, 'namespace' | 'name' | 'serviceAccount'>;
}

/**
 * What an announcement asks for. `replace`: the same pod lives in another network namespace or under another identity
 * than before, so its old proxy is drained beside the new one.
 */
export type AddDecision = 'start' | 'replace' | 'unchanged';

export function decideAdd(current: KnownPod | undefined, announced: KnownPod): AddDecision {
  if (current === undefined) return 'start';
  const sameNetns = current.netns.inode === announced.netns.inode && current.netns.device === announced.netns.device;
  const a = current.spec;
  const b = announced.spec;
  const sameSpec = a.namespace === b.namespace && a.name === b.name && a.serviceAccount === b.serviceAccount;
  return sameNetns && sameSpec ? 'unchanged' : 'replace';
}

/** The pods that a complete snapshot no longer names. */
export function podsToRemove(known: Iterable<string>, listed: ReadonlySet<string>): readonly string[] {
  return [...known].filter((uid) => !listed.has(uid));
}

/** Service account of a pod that names none, as in Kubernetes. */
const DEFAULT_SERVICE_ACCOUNT = 'default';

/** Who a pod is to the mesh. @throws ModelError when its names make no identity. */
export function podSpecOf(
  uid: string,
  names: PodNames,
  mesh: { readonly clusterId: string; readonly trustDomain: TrustDomain },
): PodSpec {
  const { name, namespace, nodeAddresses = [] } = names;
  const serviceAccount = names.serviceAccount === '' ? DEFAULT_SERVICE_ACCOUNT : names.serviceAccount;
  return {
    uid,
    name,
    namespace,
    serviceAccount,
    workload: parseWorkloadUid(`${mesh.clusterId}//Pod/${namespace}/${name}`),
    identity: createSpiffeId({ trustDomain: mesh.trustDomain, namespace, serviceAccount }),
    nodeAddresses,
  };
}
