import type { KubeResource } from '@ambit/mesh/kube';
import type { WaypointObjectKind } from './decide-waypoint-objects.ts';

const NAMESPACED = { version: 'v1', scope: 'namespaced' } as const;
const GATEWAY_API = { group: 'gateway.networking.k8s.io', version: 'v1' } as const;

/** Where the API server has what is made for a Gateway. */
export const WAYPOINT_RESOURCES: Readonly<Record<WaypointObjectKind, KubeResource>> = {
  ServiceAccount: { ...NAMESPACED, group: '', plural: 'serviceaccounts', kind: 'ServiceAccount' },
  Service: { ...NAMESPACED, group: '', plural: 'services', kind: 'Service' },
  Deployment: { ...NAMESPACED, group: 'apps', plural: 'deployments', kind: 'Deployment' },
  HorizontalPodAutoscaler: {
    ...NAMESPACED,
    ...{ group: 'autoscaling', version: 'v2', plural: 'horizontalpodautoscalers', kind: 'HorizontalPodAutoscaler' },
  },
  PodDisruptionBudget: { ...NAMESPACED, group: 'policy', plural: 'poddisruptionbudgets', kind: 'PodDisruptionBudget' },
};

export const GATEWAYS: KubeResource = { ...GATEWAY_API, scope: 'namespaced', plural: 'gateways', kind: 'Gateway' };
export const GATEWAY_CLASSES: KubeResource = {
  ...{ ...GATEWAY_API, scope: 'cluster', plural: 'gatewayclasses', kind: 'GatewayClass' },
};
export const CONFIG_MAPS: KubeResource = { ...NAMESPACED, group: '', plural: 'configmaps', kind: 'ConfigMap' };

/** Of what the leader applies. */
export const FIELD_MANAGER = 'ambit-controller';
