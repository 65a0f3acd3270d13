/** The one domain of Ambit's API group, labels and annotations. */
export const AMBIT_DOMAIN = 'ambit.dev';
export const AMBIT_API_VERSION: 'ambit.dev/v1alpha1' = `${AMBIT_DOMAIN}/v1alpha1`;

/** `ambient` enrols a Namespace or Pod, `none` on a Pod opts out; the pod's label wins. */
export const MODE_LABEL: 'ambit.dev/mode' = `${AMBIT_DOMAIN}/mode`;
/** On a Pod, written by the CNI agent: `enabled` once its traffic is captured, `pending` before. */
export const REDIRECTION_ANNOTATION: 'ambit.dev/redirection' = `${AMBIT_DOMAIN}/redirection`;
/** On Pod and Namespace: TCP ports and blocks of addresses, separated by commas, that redirection leaves alone; the pod's win. */
/** On a Pod or Namespace: `false` leaves DNS of the pod uncaptured, `true` on a Pod outweighs its Namespace. */
export const DNS_CAPTURE_ANNOTATION: 'ambit.dev/dns-capture' = `${AMBIT_DOMAIN}/dns-capture`;
export const EXCLUDE_OUTBOUND_PORTS_ANNOTATION: 'ambit.dev/exclude-outbound-ports' = `${AMBIT_DOMAIN}/exclude-outbound-ports`;
export const EXCLUDE_OUTBOUND_CIDRS_ANNOTATION: 'ambit.dev/exclude-outbound-cidrs' = `${AMBIT_DOMAIN}/exclude-outbound-cidrs`;
export const EXCLUDE_INBOUND_PORTS_ANNOTATION: 'ambit.dev/exclude-inbound-ports' = `${AMBIT_DOMAIN}/exclude-inbound-ports`;
/** On a Service: how waypoints choose among its endpoints, one of `LOAD_BALANCERS`. */
export const LOAD_BALANCER_ANNOTATION: 'ambit.dev/load-balancer' = `${AMBIT_DOMAIN}/load-balancer`;
export const LOAD_BALANCERS = ['least-request', 'round-robin', 'random'] as const;
/** Network id, on Namespace, Node, Gateway. */
export const NETWORK_LABEL: 'ambit.dev/network' = `${AMBIT_DOMAIN}/network`;

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
export const REGION_LABEL = 'topology.kubernetes.io/region';
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
/** Kubernetes has no third level; Istio's label is read so that one node label serves both. */
export const SUBZONE_LABEL = 'topology.istio.io/subzone';
/** Name of the Gateway that is the waypoint, or `none`, on Namespace and Service. */
export const WAYPOINT_LABEL: 'ambit.dev/waypoint' = `${AMBIT_DOMAIN}/waypoint`;
/** On Namespace, Service and Pod: callers may reach a workload directly that is bound to a waypoint. */
export const WAYPOINT_BYPASS_LABEL: 'ambit.dev/waypoint-bypass' = `${AMBIT_DOMAIN}/waypoint-bypass`;
export const WAYPOINT_BYPASS = 'allow';
export const WAYPOINT_NAMESPACE_LABEL: 'ambit.dev/waypoint-namespace' = `${AMBIT_DOMAIN}/waypoint-namespace`;
/** On Namespace and Service: a second Gateway, which takes a share of the connections, or `none`. */
export const WAYPOINT_CANARY_LABEL: 'ambit.dev/waypoint-canary' = `${AMBIT_DOMAIN}/waypoint-canary`;
export const WAYPOINT_CANARY_NAMESPACE_LABEL: 'ambit.dev/waypoint-canary-namespace' = `${AMBIT_DOMAIN}/waypoint-canary-namespace`;
/** Beside that label: how many connections of a hundred it takes, from 0 to 100. */
export const WAYPOINT_CANARY_WEIGHT_ANNOTATION: 'ambit.dev/waypoint-canary-weight' = `${AMBIT_DOMAIN}/waypoint-canary-weight`;
