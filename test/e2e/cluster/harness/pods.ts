import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KIT, type Manifest } from './cluster.ts';

/** The program of `../../world/apps` with Node, made by the tier itself. */
export const APP_IMAGE = 'ambit.test/app:1';
/** nginx, PostgreSQL and Redis as Debian packages have them. */
export const DATABASES_IMAGE = 'ambit.test/databases:1';
/** The test program of Kubernetes' own tests, with curl, ip, ss and the like. */
export const AGNHOST_IMAGE: string = `kit.test/agnhost:${kubernetesVersion()}`;

export const HTTP_PORT = 8080;
export const LINE_PORT = 9000;
export const BULK_PORT = 9001;

function kubernetesVersion(): string {
  const found = /KUBE_VERSION:-v([\d.]+)\}/.exec(readFileSync(join(KIT, 'versions'), 'utf8'));
  return process.env['KUBE_VERSION']?.slice(1) ?? found?.[1] ?? '';
}

export interface PodOptions {
  readonly node?: string;
  readonly serviceAccount?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Further fields of the pod's spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
  /** Further fields of its container. */
  readonly container?: Readonly<Record<string, unknown>>;
}

/** A pod of one container; its label `app` is its name. */
export function pod(namespace: string, name: string, image: string, options: PodOptions = {}): Manifest {
  const { node, serviceAccount, labels = {}, annotations = {}, spec = {}, container = {} } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { app: name, ...labels }, annotations },
    spec: {
      terminationGracePeriodSeconds: 1,
      ...(node === undefined ? {} : { nodeName: node }),
      ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
      ...spec,
      containers: [{ name: 'main', image, ...container }],
    },
  };
}

/** A pod that serves HTTP, lines and bulk, and can call others (`PodApp`). */
export function appPod(namespace: string, name: string, options: PodOptions = {}): Manifest {
  const servers = { name, httpPort: HTTP_PORT, linePort: LINE_PORT, bulkPort: BULK_PORT };
  return pod(namespace, name, APP_IMAGE, {
    ...options,
    container: {
      // The program ends when its standard input does.
      stdin: true,
      args: [JSON.stringify(servers)],
      ports: [{ name: 'http', containerPort: HTTP_PORT }],
      readinessProbe: { tcpSocket: { port: HTTP_PORT }, periodSeconds: 1 },
      ...options.container,
    },
  });
}

/** A pod of agnhost running `args`. */
export function agnhostPod(
  namespace: string,
  name: string,
  args: readonly string[],
  options: PodOptions = {},
): Manifest {
  return pod(namespace, name, AGNHOST_IMAGE, { ...options, container: { args, ...options.container } });
}

export interface ServicePortOption {
  readonly name: string;
  readonly port: number;
  readonly targetPort?: number;
  readonly protocol?: 'TCP' | 'UDP';
}

/** A Service of the pods whose label `app` is its name. */
export function service(
  namespace: string,
  name: string,
  ports: readonly ServicePortOption[],
  spec: Readonly<Record<string, unknown>> = {},
): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: { selector: { app: name }, ports, ...spec },
  };
}

export function serviceAccount(namespace: string, name: string): Manifest {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } };
}
