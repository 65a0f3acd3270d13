import type { Json } from './fields.ts';
import { PORT_NAMES, type ServerPorts } from './servers.ts';

/** What HTTP servers of a world speak, and their ports are declared as. */
export type Speech = 'http1' | 'http2';

export interface PodPlan {
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
  readonly node: 'near' | 'far';
  readonly labels: Readonly<Record<string, string>>;
}

/** The waypoint itself, and what is behind it; of `two` one runs beside the waypoint and one elsewhere. */
export const WAYPOINT_IP = '127.0.0.9';
export const PODS: readonly PodPlan[] = [
  ...['web', 'a', 'b'].map((name, index): PodPlan => {
    const labels = { app: name, version: 'v1' };
    return { namespace: 'shop', name, ip: `127.0.0.${index + 11}`, node: 'near', labels };
  }),
  { namespace: 'shop', name: 'two-far', ip: '127.0.0.14', node: 'far', labels: { app: 'two', version: 'v1' } },
  { namespace: 'shop', name: 'two-near', ip: '127.0.0.15', node: 'near', labels: { app: 'two', version: 'v2' } },
  { namespace: 'next', name: 'a', ip: '127.0.0.16', node: 'near', labels: { app: 'a', version: 'v1' } },
];

/** Of no pod: what is said of it is a scenario's business. Its ports are `@machine:web` and the like, as those of pods. */
export const MACHINE = { name: 'machine', ip: '127.0.0.17' } as const;

/** `<namespace>/<name>` of Services of the world, and where clients find each. */
export const SERVICE_IPS: Readonly<Record<string, string>> = {
  'shop/web': '10.9.0.1',
  'shop/a': '10.9.0.2',
  'shop/b': '10.9.0.3',
  'shop/two': '10.9.0.4',
  'next/a': '10.9.0.5',
};

const VERSIONS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['Namespace', 'Node', 'Pod', 'Service', 'ConfigMap'].map((kind) => [kind, 'v1'])),
  ...Object.fromEntries(
    ['AccessPolicy', 'EgressPolicy', 'ExternalService', 'ExternalWorkload'].map((kind) => [kind, 'ambit.dev/v1alpha1']),
  ),
  EndpointSlice: 'discovery.k8s.io/v1',
  ServiceImport: 'multicluster.x-k8s.io/v1alpha1',
};

/** The waypoint, for whatever traffic. */
export const GATEWAY: Json = object(
  'Gateway',
  'wp',
  { gatewayClassName: 'ambit-waypoint', listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
  { labels: { 'ambit.dev/waypoint-for': 'all' } },
);

/** An object of any kind that is read, in namespace `shop` unless its name says another. */
export function object(kind: string, name: string, spec: Json | undefined, metadata: Json = {}): Json {
  const [namespace, own] = name.includes('/') ? name.split('/') : ['shop', name];
  const place = kind === 'Namespace' || kind === 'Node' ? {} : { namespace };
  return {
    apiVersion: VERSIONS[kind] ?? 'gateway.networking.k8s.io/v1',
    kind,
    metadata: { name: own, ...place, ...metadata },
    ...(spec === undefined ? {} : { spec }),
  };
}

/** The object with numbers in place of names of ports of servers, such as `@shop/a:web`. */
export function withPorts(json: Json, portOf: (server: string, port: keyof ServerPorts) => number): Json {
  const names = new RegExp(`"@([^":]+):(${PORT_NAMES.join('|')})"`, 'g');
  const text = JSON.stringify(json).replaceAll(names, (_all, server: string, port: keyof ServerPorts) =>
    String(portOf(server, port)),
  );
  return JSON.parse(text);
}

/** Metadata of an object that was created on this day of a month. */
export function created(day: number): { readonly creationTimestamp: string } {
  return { creationTimestamp: `2026-01-0${day}T00:00:00Z` };
}

/** `spec` of a Service with the ports that every Service of the world has. */
export function serviceSpec(app: string, clusterIP: string, speech: Speech = 'http1'): Json {
  const appProtocol = speech === 'http1' ? 'http' : 'grpc';
  return {
    clusterIP,
    selector: { app },
    ports: [
      { name: 'web', port: 80, targetPort: 'web', appProtocol },
      { name: 'alt', port: 81, targetPort: 'alt', appProtocol },
      { name: 'text', port: 82, targetPort: 'text', appProtocol: 'tcp' },
      { name: 'secure', port: 83, targetPort: 'secure', appProtocol: 'https' },
    ],
  };
}

export function podOf({ namespace, name, ip, node, labels }: PodPlan, ports: ServerPorts): Json {
  const containers = [{ ports: PORT_NAMES.map((port) => ({ name: port, containerPort: ports[port] })) }];
  const pod = object('Pod', `${namespace}/${name}`, { nodeName: node, containers }, { labels });
  return { ...pod, status: { podIP: ip } };
}

/** Everything that is there before a scenario says what else is. */
export function baseObjects(speech: Speech, portsOf: (pod: PodPlan) => ServerPorts): readonly Json[] {
  const waypoint = {
    'gateway.networking.k8s.io/gateway-name': 'wp',
    'gateway.networking.k8s.io/gateway-class-name': 'ambit-waypoint',
  };
  return [
    object('Namespace', 'shop', undefined, { labels: { 'ambit.dev/waypoint': 'wp', team: 'shop' } }),
    object('Namespace', 'next', undefined, { labels: { team: 'next' } }),
    object('Node', 'near', undefined, { labels: { 'topology.kubernetes.io/zone': 'here' } }),
    object('Node', 'far', undefined, { labels: { 'topology.kubernetes.io/zone': 'there' } }),
    GATEWAY,
    { ...object('Pod', 'wp-0', { nodeName: 'near' }, { labels: waypoint }), status: { podIP: WAYPOINT_IP } },
    ...Object.entries(SERVICE_IPS).map(([key, ip]) => {
      const [, app = ''] = key.split('/');
      return object('Service', key, serviceSpec(app, ip, speech));
    }),
    ...PODS.map((pod) => podOf(pod, portsOf(pod))),
  ];
}
