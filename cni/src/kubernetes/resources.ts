import type { KubeResource } from '@ambit/mesh/kube';

/** Kinds of the API server that the CNI agent names itself. The chart's rules allow just these. */
export const PODS: KubeResource = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', scope: 'namespaced' };
export const NAMESPACES: KubeResource = {
  group: '',
  version: 'v1',
  plural: 'namespaces',
  kind: 'Namespace',
  scope: 'cluster',
};
export const DAEMON_SETS: KubeResource = {
  group: 'apps',
  version: 'v1',
  plural: 'daemonsets',
  kind: 'DaemonSet',
  scope: 'namespaced',
};
