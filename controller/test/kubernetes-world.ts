import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControllerAccess } from '@ambit/mesh/grpc';
import type { KubeClient } from '@ambit/mesh/kube';
import { createEnvironment, createRootLogger, type RootLogger, systemClock } from '@ambit/mesh/runtime';
import { TestApiServer } from '../../test/e2e/kube/api-server.ts';
import { applyObject, coreKind, requestToken, testClient } from '../../test/e2e/kube/clients.ts';
import { type ControllerApp, startController } from '../src/app.ts';
import { parseCommand } from '../src/config.ts';

const PODS = coreKind('pods', 'Pod');
const ACCOUNTS = coreKind('serviceaccounts', 'ServiceAccount');
const NAMESPACES = coreKind('namespaces', 'Namespace', 'cluster');
const NODES = coreKind('nodes', 'Node', 'cluster');

/** A pod of a test, as far as it is asked for again. */
export interface KubePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly serviceAccount: string;
}

export interface PodWish {
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly node: string;
  readonly ip: string;
  readonly ready?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A real API server with controllers of ours beside it; disposing ends them all. */
export class KubernetesWorld implements AsyncDisposable {
  readonly api: TestApiServer;
  readonly client: KubeClient;
  readonly lines: string[] = [];
  readonly #stack: AsyncDisposableStack;

  private constructor(api: TestApiServer, client: KubeClient, stack: AsyncDisposableStack) {
    this.api = api;
    this.client = client;
    this.#stack = stack;
  }

  static async start(): Promise<KubernetesWorld> {
    await using half = new AsyncDisposableStack();
    const stack = half.use(new AsyncDisposableStack());
    const api = stack.use(await TestApiServer.start());
    const client = stack.use(testClient(api));
    const world = new KubernetesWorld(api, client, stack);
    await world.createNamespace('ambit-system');
    half.move();
    return world;
  }

  async createNamespace(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    await applyObject(this.client, NAMESPACES, { metadata: { name, labels } });
  }

  async createNode(name: string, podCIDRs: readonly string[] = []): Promise<void> {
    await applyObject(this.client, NODES, { metadata: { name }, spec: { podCIDR: podCIDRs[0], podCIDRs } });
  }

  /** A pod as scheduler and kubelet leave it: on a node, with an address, running. */
  async createPod(wish: PodWish): Promise<KubePod> {
    const { namespace, name, serviceAccount, node, ip, ready = true, labels = {} } = wish;
    await applyObject(this.client, ACCOUNTS, { metadata: { namespace, name: serviceAccount } });
    const object = await applyObject(this.client, PODS, {
      metadata: { namespace, name, labels },
      spec: { nodeName: node, serviceAccountName: serviceAccount, containers: [{ name: 'app', image: 'x' }] },
    });
    const status = { phase: 'Running', podIPs: [{ ip }], podIP: ip, ...readyCondition(ready) };
    await this.client.mergePatch(PODS, { namespace, name }, { status }, AbortSignal.timeout(60_000), 'status');
    const { uid } = (object as { readonly metadata: { readonly uid: string } }).metadata;
    return { namespace, name, uid, serviceAccount };
  }

  async setReady(pod: KubePod, ready: boolean): Promise<void> {
    const { namespace, name } = pod;
    const patch = { status: readyCondition(ready) };
    await this.client.mergePatch(PODS, { namespace, name }, patch, AbortSignal.timeout(60_000), 'status');
  }

  async deletePod({ namespace, name }: KubePod): Promise<void> {
    await this.api.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}?gracePeriodSeconds=0`);
  }

  /** A replica as the chart starts it, on free ports of loopback. `state` outlives it when given; `name` is that of its pod. */
  async startController(
    change: {
      readonly name?: string;
      readonly state?: string;
      /** Where other replicas ask it: the address of its pod, and the same port for all. */
      readonly peers?: string;
      readonly arguments?: readonly string[];
      /** How long a node agent may be away before it is told. */
      readonly awayMs?: number;
    } = {},
    variables: Readonly<Record<string, string>> = {},
  ): Promise<ControllerApp> {
    const state = change.state ?? this.newDirectory();
    const ports = ['listen', 'metrics', 'health', 'debug', 'admission'].flatMap((name) => [`--${name}`, '127.0.0.1:0']);
    const peers = ['--peers', change.peers ?? '127.0.0.1:0'];
    const args = ['--kubernetes', '--state', state, ...ports, ...peers, ...(change.arguments ?? [])];
    const environment = createEnvironment({
      KUBECONFIG: this.api.kubeconfig,
      AMBIT_POD_NAME: change.name ?? 'controller',
      ...variables,
    });
    const command = parseCommand(args, environment);
    const config = command.kind === 'run' ? command.config : assert.fail();
    const logger = await this.#logger(change.name ?? 'controller');
    const { awayMs } = change;
    const timing = awayMs === undefined ? {} : { awayMs };
    return startController(config, { clock: systemClock, logger, version: 'test', environment, ...timing });
  }

  newDirectory(): string {
    const path = mkdtempSync(join(tmpdir(), 'ambit-state-'));
    this.#stack.defer(() => rmSync(path, { recursive: true, force: true }));
    return join(path, 'state');
  }

  /** A directory with a Secret's files, as the kubelet mounts it. */
  async mountSecret(name: string): Promise<string> {
    const directory = mkdtempSync(join(tmpdir(), 'ambit-mounted-'));
    this.#stack.defer(() => rmSync(directory, { recursive: true, force: true }));
    const secret = await this.api.request('GET', `/api/v1/namespaces/ambit-system/secrets/${name}`);
    const { data } = secret as { readonly data: Readonly<Record<string, string>> };
    for (const [file, text] of Object.entries(data)) writeFileSync(join(directory, file), Buffer.from(text, 'base64'));
    return directory;
  }

  /** How a node agent reaches a controller, by the token that its kubelet gives it. */
  async accessOf(app: ControllerApp, agent: KubePod): Promise<ControllerAccess> {
    const { namespace, serviceAccount, name, uid } = agent;
    const audiences = ['ambit-ca'];
    const token = await requestToken(this.client, { namespace, serviceAccount, audiences, pod: { name, uid } });
    const path = '/api/v1/namespaces/ambit-system/secrets/ambit-ca-intermediate';
    const secret = (await this.api.request('GET', path)) as { readonly data: Readonly<Record<string, string>> };
    const credentials = { rootsPem: Buffer.from(secret.data['ca.crt'] ?? '', 'base64').toString() };
    return {
      address: `127.0.0.1:${app.ports.grpc}`,
      serverName: 'ambit-controller.ambit-system.svc',
      credentials: () => credentials,
      headers: { clusterid: 'Kubernetes' },
      bearerToken: async () => token,
    };
  }

  async #logger(scope: string): Promise<RootLogger> {
    const sink = {
      write: (line: string) => void this.lines.push(line),
      dropped: 0,
      flush: async () => {},
      flushSync: () => {},
    };
    return createRootLogger({ format: 'text', filter: 'debug', sink, clock: systemClock, scope });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function readyCondition(ready: boolean): object {
  return { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] };
}
