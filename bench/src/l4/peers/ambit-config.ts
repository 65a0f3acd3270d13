import { Buffer } from 'node:buffer';
import { CLIENT_PRINCIPAL, type BenchCertificates } from '../certificates.ts';

/** Where traffic of unknown destinations is refused: the addresses of all pods of the bench. */
export const MESH_CIDRS = '10.211.0.0/16,10.212.0.0/16';

const CLUSTER = 'Kubernetes';
const NAMESPACE = 'bench';
const POLICY = 'client-may-call';

export interface AmbitConfigInput {
  readonly clientAddress: string;
  readonly serverAddress: string;
  readonly certificates: Pick<BenchCertificates, 'authority' | 'client' | 'server'>;
  /** Which pod this agent proxies, and its namespace as a path. */
  readonly side: 'client' | 'server';
  readonly netnsPath: string;
}

/**
 * The mesh as one node agent reads it from AMBIT_LOCAL_CONFIG: both workloads, the policy that admits the client by its
 * principal, and the pod, certificate and key of its own node.
 */
export function ambitConfig({ clientAddress, serverAddress, netnsPath, ...agent }: AmbitConfigInput): object {
  const pods = [
    { side: 'client', name: 'client', address: clientAddress, netnsPath },
    { side: 'server', name: 'server', address: serverAddress, netnsPath },
  ] as const;
  return ambitMeshConfig({ pods, ...agent });
}

/** A pod of the client node or of the server node, with the identity of its side. */
export interface AmbitPod {
  readonly side: 'client' | 'server';
  /** Unique in the mesh. */
  readonly name: string;
  readonly address: string;
  readonly netnsPath: string;
}

export interface AmbitMeshInput extends Pick<AmbitConfigInput, 'certificates' | 'side'> {
  readonly pods: readonly AmbitPod[];
}

/** As {@link ambitConfig}, with as many pods on each side as one likes: the agent proxies those of its side. */
export function ambitMeshConfig({ pods, certificates, side }: AmbitMeshInput): object {
  return {
    workloads: pods.map((pod) => workload(pod, pod.side === 'server' ? [`${NAMESPACE}/${POLICY}`] : [])),
    services: [],
    policies: [
      {
        name: POLICY,
        namespace: NAMESPACE,
        scope: 'WORKLOAD_SELECTOR',
        action: 'ALLOW',
        rules: [{ clauses: [{ matches: [{ principals: [{ exact: CLIENT_PRINCIPAL.replace('spiffe://', '') }] }] }] }],
      },
    ],
    certificates: [
      { chain: certificates[side].certificate, privateKey: certificates[side].key, roots: certificates.authority },
    ],
    pods: pods
      .filter((pod) => pod.side === side)
      .map(({ name, netnsPath: netns }) => ({
        ...{ uid: `bench-${name}`, name, namespace: NAMESPACE, serviceAccount: side, netns },
      })),
  };
}

function workload({ side, name, address }: AmbitPod, policies: readonly string[]): object {
  return {
    uid: `${CLUSTER}//Pod/${NAMESPACE}/${name}`,
    name,
    namespace: NAMESPACE,
    addresses: [Buffer.from(address.split('.').map(Number)).toString('base64')],
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: side,
    node: `node-of-${side}`,
    canonicalName: name,
    canonicalRevision: 'latest',
    workloadType: 'DEPLOYMENT',
    workloadName: name,
    clusterId: CLUSTER,
    authorizationPolicies: policies,
  };
}

/** Environment of one agent: nothing inherited but the search path, because unknown AMBIT_ variables are refused. */
export function ambitEnvironment(options: {
  readonly path: string;
  readonly configFile: string;
  readonly accessLog: string;
}): Record<string, string> {
  return {
    PATH: options.path,
    AMBIT_LOCAL_CONFIG: options.configFile,
    AMBIT_ACCESS_LOG: options.accessLog,
    AMBIT_MESH_CIDRS: MESH_CIDRS,
    AMBIT_WORKERS: '1',
  };
}
