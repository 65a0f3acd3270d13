import type { ExternalWorkload, Pod } from '@ambit/mesh/kinds';
import type { Index } from './collection.ts';
import type { ObjectCollections } from './object-collections.ts';

/** Which identities a node has a use for: what a node may ask certificates for. */
export interface WorkloadsByNode {
  /** Whether a pod or external workload of that service account is on the node and has not finished. */
  runsServiceAccount(node: string, namespace: string, serviceAccount: string): boolean;
  /** Names of all nodes that run anything, for the debug page. */
  readonly nodeCount: number;
}

export function createWorkloadsByNode(objects: ObjectCollections): WorkloadsByNode {
  const pods: Index<Pod> = objects.pods.index((pod) => (isLive(pod) ? [pod.nodeName] : []));
  const externals: Index<ExternalWorkload> = objects.externalWorkloads.index(({ nodeName }) =>
    nodeName === '' ? [] : [nodeName],
  );
  return {
    runsServiceAccount: (node, namespace, serviceAccount) =>
      [...pods.get(node), ...externals.get(node)].some(
        ({ meta, serviceAccountName }) => meta.namespace === namespace && serviceAccountName === serviceAccount,
      ),
    get nodeCount() {
      return pods.groups.size;
    },
  };
}

function isLive(pod: Pod): boolean {
  return pod.nodeName !== '' && pod.phase !== 'Succeeded' && pod.phase !== 'Failed';
}
