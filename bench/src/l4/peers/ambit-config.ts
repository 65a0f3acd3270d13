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
export function ambitConfig(input: AmbitConfigInput): object {
  const { side, certificates } = input;
  return {
    workloads: [
      workload('client', input.clientAddress, []),
      workload('server', input.serverAddress, [`${NAMESPACE}/${POLICY}`]),
    ],
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
    pods: [{ uid: `bench-${side}`, name: side, namespace: NAMESPACE, serviceAccount: side, netns: input.netnsPath }],
  };
}

function workload(name: 'client' | 'server', address: string, policies: readonly string[]): object {
  return {
    uid: `${CLUSTER}//Pod/${NAMESPACE}/${name}`,
    name,
    namespace: NAMESPACE,
    addresses: [Buffer.from(address.split('.').map(Number)).toString('base64')],
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: name,
    node: `node-of-${name}`,
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
