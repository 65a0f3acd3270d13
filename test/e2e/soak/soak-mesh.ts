import { type Manifest, namespace, NODES, pod, waypoint } from '../scenarios/manifests.ts';
import { mixedService, SERVICE_IP, SERVICE_PORTS } from '../scenarios/mixed-load.ts';

export const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
export const WAYPOINT = 'shop/wp-ambit-waypoint-1';
/** Of each version there are two pods. */
export const VERSIONS = ['web-a', 'web-b'] as const;
export type Version = (typeof VERSIONS)[number];
export const REPLICAS = [1, 2] as const;
export type Replica = (typeof REPLICAS)[number];

const VERSION_IPS: Readonly<Record<Version, string>> = { 'web-a': '10.20.0.2', 'web-b': '10.20.0.3' };
/** Pods of batch jobs that come and go live on a node where no agent runs: the mesh learns of them, nobody calls them. */
const JOBS_HOST = 'host-c';
const JOB_PODS = 3;

export function replicaName(version: Version, replica: Replica): string {
  return `${version}-${replica}`;
}

/** Everything that does not change. */
export function steadyManifests(): readonly Manifest[] {
  return [
    ...NODES,
    namespace('shop', 'ambient'),
    ...waypoint('wp', { number: 30, host: 'host-a' }),
    mixedService('web', 'web-a', SERVICE_IP, { 'ambit.dev/waypoint': 'wp' }),
    ...VERSIONS.map((version) => mixedService(version, version, VERSION_IPS[version])),
    pod(CLIENT),
  ];
}

/** How the pod of a replica is. */
export type ReplicaState = 'ready' | 'unready' | 'gone';

export function replicaPods(stateOf: (version: Version, replica: Replica) => ReplicaState): readonly Manifest[] {
  return VERSIONS.flatMap((version, versionIndex) =>
    REPLICAS.flatMap((replica) => {
      const state = stateOf(version, replica);
      if (state === 'gone') return [];
      const number = 20 + 2 * versionIndex + replica;
      const common = {
        name: replicaName(version, replica),
        app: version,
        serviceAccount: 'web',
        host: 'host-b',
      } as const;
      return [pod({ ...common, number, isReady: state === 'ready' })];
    }),
  );
}

/** The routes of the service, each with weights, rules and headers of its own for each `turn`. */
export function routes(turns: readonly [number, number, number]): readonly Manifest[] {
  return SERVICE_PORTS.map((port, index) => {
    const turn = turns[index] ?? 0;
    const weight = (turn * 37) % 101;
    const backendRefs = VERSIONS.map((name, position) => ({
      name,
      port,
      weight: position === 0 ? weight : 100 - weight,
    }));
    const set = [{ name: 'x-turn', value: String(turn) }];
    const filters = [{ type: 'ResponseHeaderModifier', responseHeaderModifier: { set } }];
    const others = Array.from({ length: turn % 4 }, (_, number) => ({
      matches: [{ headers: [{ name: 'x-experiment', value: `${turn}-${number}` }] }],
      backendRefs: [{ name: VERSIONS[number % 2], port }],
    }));
    return {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: `web-${port}`, namespace: 'shop' },
      spec: {
        parentRefs: [{ group: '', kind: 'Service', name: 'web', port }],
        rules: [...others, { matches: [{ path: { type: 'PathPrefix', value: '/' } }], filters, backendRefs }],
      },
    };
  });
}

/** Pods with names and accounts that never were before, at addresses that others had; unready endpoints of a version. */
export function jobs(turn: number): readonly Manifest[] {
  const pods = Array.from({ length: JOB_PODS }, (_, index) => {
    const name = `job-${turn}-${index}`;
    const manifest = pod({ name, app: 'web-a', host: 'host-b', number: 0, isReady: false });
    const place = { nodeName: JOBS_HOST, serviceAccountName: name };
    const ips = [{ ip: `10.10.3.${10 + index}` }];
    return {
      ...manifest,
      spec: { ...Object(manifest['spec']), ...place },
      status: { ...Object(manifest['status']), podIPs: ips },
    };
  });
  return [{ apiVersion: 'v1', kind: 'Node', metadata: { name: JOBS_HOST } }, ...pods];
}
