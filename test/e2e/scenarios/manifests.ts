import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A manifest as it is written down; the mesh under test is who reads it. */
export type Manifest = Readonly<Record<string, unknown>>;

/** A directory of manifests that a test edits while a mesh runs from it, each time with one rename, as editors do. */
export class ManifestDirectory implements Disposable {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
  }

  /** JSON is YAML. */
  write(file: string, ...manifests: readonly Manifest[]): void {
    this.writeText(file, manifests.map((manifest) => JSON.stringify(manifest, null, 2)).join('\n---\n'));
  }

  writeText(file: string, text: string): void {
    const path = join(this.path, file);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  read(file: string): string {
    return readFileSync(join(this.path, file), 'utf8');
  }

  remove(file: string): void {
    rmSync(join(this.path, file));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export const HTTP_PORT = 8080;
export const LINE_PORT = 9000;
export const BULK_PORT = 9001;

/** Address blocks of all pods and services of the scenarios. */
export const MESH_RANGES: readonly string[] = ['10.10.0.0/16', 'fd10:10::/32', '10.20.0.0/16', 'fd10:20::/64'];

export const NODES: readonly Manifest[] = ['host-a', 'host-b'].map((name) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
}));

export type Mode = 'ambient' | 'none' | 'unlabelled';

function labelsOf(mode: Mode): Readonly<Record<string, string>> {
  return mode === 'unlabelled' ? {} : { 'ambit.dev/mode': mode };
}

export function namespace(name: string, mode: Mode, labels: Readonly<Record<string, string>> = {}): Manifest {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { ...labelsOf(mode), ...labels } } };
}

export interface PodOptions {
  readonly name: string;
  readonly host: 'host-a' | 'host-b';
  /** Last part of its addresses. */
  readonly number: number;
  readonly namespace?: string;
  readonly serviceAccount?: string;
  readonly mode?: Mode;
  /** The host's address, for a pod that has no network of its own. */
  readonly hostAddress?: string;
  /** Its label `app`; its name when not said. */
  readonly app?: string;
  readonly isReady?: boolean;
}

/** The addresses that `pod` gives, IPv4 first. */
export function addressesOf({ host, number }: Pick<PodOptions, 'host' | 'number'>): readonly [v4: string, v6: string] {
  const block = host === 'host-a' ? 1 : 2;
  return [`10.10.${block}.${number}`, `fd10:10:${block}::${number}`];
}

/** A pod that serves HTTP, lines and bulk exchanges. */
export function pod(options: PodOptions): Manifest {
  const { name, host, mode = 'unlabelled', hostAddress, isReady = true, app = name } = options;
  const ports = [
    { name: 'http', containerPort: HTTP_PORT },
    { name: 'tcp-lines', containerPort: LINE_PORT },
    { name: 'bulk', containerPort: BULK_PORT },
  ];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: options.namespace ?? 'shop', labels: { app, ...labelsOf(mode) } },
    spec: {
      nodeName: host,
      serviceAccountName: options.serviceAccount ?? name,
      hostNetwork: hostAddress !== undefined,
      containers: [{ name, image: 'example.invalid/app', ports }],
    },
    status: statusOf(hostAddress === undefined ? addressesOf(options) : [hostAddress], isReady),
  };
}

function statusOf(ips: readonly string[], isReady: boolean): Manifest {
  return {
    phase: 'Running',
    podIPs: ips.map((ip) => ({ ip })),
    conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
  };
}

/** A Service on port 80 for the pods `app`, bound to a waypoint unless null. */
export function service(name: string, number: number, app: string, waypoint: string | null = null): Manifest {
  const labels = waypoint === null ? {} : { 'ambit.dev/waypoint': waypoint };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop', labels },
    spec: {
      clusterIP: `10.20.0.${number}`,
      clusterIPs: [`10.20.0.${number}`, `fd10:20::${number}`],
      selector: { app },
      ports: [{ name: 'http', port: 80, targetPort: HTTP_PORT, appProtocol: 'http' }],
    },
  };
}

function waypointLabels(name: string): Readonly<Record<string, string>> {
  return {
    'ambit.dev/mode': 'none',
    'gateway.networking.k8s.io/gateway-name': name,
    'gateway.networking.k8s.io/gateway-class-name': 'ambit-waypoint',
  };
}

/** A pod of the waypoint `name`: `<name>-ambit-waypoint-<index>`. */
export function waypointPod(
  name: string,
  index: number,
  { number, host }: Pick<PodOptions, 'number' | 'host'>,
  isReady = true,
): Manifest {
  const account = `${name}-ambit-waypoint`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${account}-${index}`, namespace: 'shop', labels: waypointLabels(name) },
    spec: {
      nodeName: host,
      serviceAccountName: account,
      containers: [{ name: 'waypoint', image: 'example.invalid/waypoint' }],
    },
    status: statusOf(addressesOf({ host, number }), isReady),
  };
}

/** A Gateway of `shop` that is a waypoint, and what the controller would make of it on Kubernetes: its Service and one pod. */
export function waypoint(name: string, place: Pick<PodOptions, 'number' | 'host'>): readonly Manifest[] {
  return [...waypointGateway(name, place.number), waypointPod(name, 1, place)];
}

/** As `waypoint`, without a pod. */
export function waypointGateway(name: string, number: number): readonly Manifest[] {
  const account = `${name}-ambit-waypoint`;
  const labels = waypointLabels(name);
  const from = { namespaces: { from: 'All' } };
  return [
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name, namespace: 'shop' },
      spec: {
        gatewayClassName: 'ambit-waypoint',
        listeners: [{ name: 'mesh', port: 15008, protocol: 'ambit.dev/HBONE', allowedRoutes: from }],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: account, namespace: 'shop', labels },
      spec: {
        clusterIP: `10.20.0.${number}`,
        clusterIPs: [`10.20.0.${number}`, `fd10:20::${number}`],
        selector: { 'gateway.networking.k8s.io/gateway-name': name },
        ports: [{ name: 'hbone', port: 15008 }],
      },
    },
  ];
}

/** An HTTPRoute for Service `parent` of `shop`. */
export function httpRoute(name: string, parent: string, rules: readonly Manifest[], place = 'shop'): Manifest {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name, namespace: place },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: parent, namespace: 'shop', port: 80 }], rules },
  };
}

/** An AccessPolicy of `shop` for the pod `app`, or for the whole namespace. */
export function accessPolicy(name: string, app: string | null, spec: Manifest): Manifest {
  const selector = app === null ? {} : { selector: { matchLabels: { app } } };
  return {
    apiVersion: 'ambit.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { name, namespace: 'shop' },
    spec: { ...selector, ...spec },
  };
}

export function egressPolicy(of: string, spec: Manifest): Manifest {
  return {
    apiVersion: 'ambit.dev/v1alpha1',
    kind: 'EgressPolicy',
    metadata: { name: 'egress', namespace: of },
    spec,
  };
}

export function mutualTlsPolicy(mode: 'Strict' | 'Permissive'): Manifest {
  return {
    apiVersion: 'ambit.dev/v1alpha1',
    kind: 'MutualTLSPolicy',
    metadata: { name: 'shop', namespace: 'shop' },
    spec: { mode },
  };
}
