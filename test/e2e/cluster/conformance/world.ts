import type { Cluster, Manifest } from '../harness/cluster.ts';
import { ECHO_IMAGE } from './echo-image.ts';

/** The suite's own namespaces. */
export const MESH = 'gateway-conformance-mesh';
const CONSUMER = 'gateway-conformance-mesh-consumer';
/** A run for meshes alone waits for a ready pod in each of these too, which its manifests do not make (gateway-api#4934). */
const WAITED_FOR = ['gateway-conformance-app-backend', 'gateway-conformance-web-backend'];
export const WAYPOINT = 'waypoint';
const READY_MS = 120_000;

/** What the suite puts on its namespaces: they are enrolled, and one waypoint stands before the services of all. */
export const NAMESPACE_LABELS: Readonly<Record<string, string>> = {
  'ambit.dev/mode': 'ambient',
  'ambit.dev/waypoint': WAYPOINT,
  'ambit.dev/waypoint-namespace': MESH,
};

/** Makes what the suite leaves to those who run it: the waypoint, and what it waits for. Resolves when all is ready. */
export async function prepareWorld(cluster: Cluster): Promise<void> {
  const namespaces = [MESH, CONSUMER].map((name) => namespace(name, NAMESPACE_LABELS));
  await cluster.apply(...namespaces, ...WAITED_FOR.map((name) => namespace(name, {})));
  await cluster.apply(waypoint(), ...WAITED_FOR.map(pod));
  const wait = (...what: readonly string[]): Promise<string> =>
    cluster.kubectl(['wait', `--timeout=${READY_MS / 1000}s`, ...what], { timeoutMs: READY_MS + 10_000 });
  await wait('-n', MESH, '--for=condition=Programmed', `gateway/${WAYPOINT}`);
  for (const name of WAITED_FOR) await wait('-n', name, '--for=condition=Ready', 'pod/waited-for');
}

function namespace(name: string, labels: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

function waypoint(): Manifest {
  const all = { namespaces: { from: 'All' } };
  return {
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { name: WAYPOINT, namespace: MESH } },
    spec: {
      gatewayClassName: 'ambit-waypoint',
      listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE', allowedRoutes: all }],
    },
  };
}

function pod(namespaceName: string): Manifest {
  const containers = [{ name: 'echo', image: ECHO_IMAGE, args: ['--port=8080'] }];
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'waited-for', namespace: namespaceName } },
    spec: { containers, terminationGracePeriodSeconds: 0 },
  };
}
