import {
  type AccessKind,
  type ControllerAccess,
  createCaClient,
  createPushTransport,
  hintedTransport,
  openControllerAccess,
  POD_HEADER,
  renewWithRoots,
  requestSvid,
  SvidStore,
  withHint,
} from '@ambit/mesh/grpc';
import type { MeshViewUpdate, ServiceKey } from '@ambit/mesh/model';
import type { PolicySet, PolicySetName } from '@ambit/mesh/policies';
import { type NamedChanges, type OtherType, PushClient } from '@ambit/mesh/push';
import {
  BACKEND_TYPE_URL,
  closedBackend,
  closedRoutes,
  parseBackend,
  parsePolicySet,
  parseServiceRoutes,
  parseSessionKeys,
  POLICY_SET_TYPE_URL,
  SERVICE_ROUTES_TYPE_URL,
  SESSION_KEYS_TYPE_URL,
} from '@ambit/mesh/route-wire';
import type { BackendSecurity, ClosedBackend, ClosedRoutes, ServiceRoutes, SessionKeys } from '@ambit/mesh/routes';
import type { Clock, RootLogger, WorkerPool } from '@ambit/mesh/runtime';
import type { Svid } from '@ambit/mesh/tls';
import type { DiscoveryNode } from '@ambit/mesh/wire';
import type { PolicySetChanges } from '../authorize/access-table.ts';
import type { Upstream } from '../config.ts';
import type { RouteChanges } from '../route/route-tables.ts';
import type { Source } from '../source.ts';
import type { WorkerCalls } from '../worker/worker-protocol.ts';
import { RouteGate } from './route-gate.ts';

type ControllerUpstream = Upstream & { readonly kind: 'controller' };

export interface ControllerSourceOptions {
  readonly upstream: ControllerUpstream;
  readonly network: string;
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly workers: WorkerPool<WorkerCalls>;
}

const NO_ROUTES: RouteChanges = { put: [], removed: [] };
const NO_POLICIES: PolicySetChanges = { put: [], removed: [] };

/**
 * Addresses, routes, policies and the certificate from the controller, which may come and go once they have come. Until then it is
 * asked again and again; only what no further attempt would mend ends it.
 */
export function openControllerSource(options: ControllerSourceOptions, stack: AsyncDisposableStack): Source {
  const source = new ControllerSource(options);
  stack.defer(() => source.close());
  return source;
}

class ControllerSource implements Source {
  readonly configured: Promise<readonly never[]>;
  readonly #options: ControllerSourceOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #stack = new AsyncDisposableStack();
  readonly #gate: RouteGate;
  readonly #certified = Promise.withResolvers<void>();
  #push: PushClient | null = null;
  /** A first state is in force: what comes now replaces something. */
  #hasState = false;
  #svid: Svid | undefined;

  constructor(options: ControllerSourceOptions) {
    this.#options = options;
    const { clock, logger } = options;
    const onDue = (changes: RouteChanges): void => {
      logger.warn('routes name services that are not there; they come into force with what there is', {
        services: changes.put.map(({ service }) => service),
      });
      // Workers that are gone end the process by themselves.
      this.#configure({}, changes).catch(() => {});
    };
    this.#gate = this.#stack.use(new RouteGate({ clock, onDue }));
    this.configured = this.#start();
    this.configured.catch(() => {});
  }

  get connected(): boolean {
    return this.#push?.status().connected === true;
  }

  svid(): Svid | undefined {
    return this.#svid;
  }

  status(): Record<string, unknown> {
    const { upstream } = this.#options;
    const push = this.#push?.status() ?? null;
    return { kind: 'controller', address: upstream.address, push, routesWaiting: this.#gate.waiting };
  }

  async close(): Promise<void> {
    this.#stop.abort(new DOMException('the waypoint stops', 'AbortError'));
    await Promise.allSettled([this.configured, ...this.#running]);
    await this.#stack.disposeAsync();
  }

  async #start(): Promise<readonly never[]> {
    const { upstream, clock, logger } = this.#options;
    const { signal } = this.#stop;
    const access = await openControllerAccess(upstream, {
      node: upstream.nodeName,
      headers: {
        clusterid: upstream.clusterId,
        ...(upstream.bearer === undefined ? { [POD_HEADER]: `${upstream.podNamespace}/${upstream.podName}` } : {}),
      },
      clock,
      logger: logger.child({ scope: 'identity' }),
      signal,
      running: this.#running,
    });
    const kind: AccessKind = upstream.bearer === undefined ? 'certificate' : 'token';
    const svids = this.#openSvids(access, kind);
    renewWithRoots(upstream, svids, { clock, logger, signal, running: this.#running });
    const state = Promise.withResolvers<void>();
    const push = new PushClient({
      transport: hintedTransport(createPushTransport(access), kind, () => {}),
      node: discoveryNode(this.#options),
      clock,
      logger: logger.child({ scope: 'xds' }),
      withPolicies: false,
      apply: (update) => this.#configure(update, this.#gate.see(update)),
      others: this.#types(),
      onEvent: (event) => {
        if (event.kind === 'connected') svids.retryDelayed();
      },
      onReady: () => {
        this.#hasState = true;
        state.resolve();
      },
    });
    this.#push = push;
    this.#running.push(push.run(signal));
    const stopped = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => stopped.reject(signal.reason), { once: true });
    await Promise.race([Promise.all([state.promise, this.#certified.promise]), stopped.promise]);
    return [];
  }

  /** In the order in which they are asked for: how and by whom a service may be reached before what leads there. */
  #types(): readonly OtherType[] {
    const policies: OtherType<PolicySet> = {
      typeUrl: POLICY_SET_TYPE_URL,
      parse: parsePolicySet,
      apply: ({ put, removed }) =>
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked when the resource came
        this.#configure({}, NO_ROUTES, { put: [...put.values()], removed: removed as readonly PolicySetName[] }),
    };
    const backends: OtherType<BackendSecurity | ClosedBackend> = {
      typeUrl: BACKEND_TYPE_URL,
      parse: parseBackend,
      // Without it the ports would be reached in plaintext. A set of policies that is not there denies by itself.
      standIn: closedBackend,
      apply: async ({ put, removed }) => {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked when the resource came
        const changes = { put: [...put.values()], removed: removed as readonly ServiceKey[] };
        await this.#options.workers.callAll('set-backends', changes);
      },
    };
    const sessionKeys: OtherType<SessionKeys> = {
      typeUrl: SESSION_KEYS_TYPE_URL,
      parse: parseSessionKeys,
      // Of our Gateway, so there is one. When it goes the keys stay: sessions must not end because a controller has none for a while.
      apply: async ({ put }) => {
        for (const { keys } of put.values()) await this.#options.workers.callAll('set-session-keys', { keys });
      },
    };
    const routes: OtherType<ServiceRoutes | ClosedRoutes> = {
      typeUrl: SERVICE_ROUTES_TYPE_URL,
      parse: parseServiceRoutes,
      // Without it requests would go to the Service itself, past whatever its routes refuse, rewrite or send elsewhere.
      standIn: closedRoutes,
      apply: (changes: NamedChanges<ServiceRoutes | ClosedRoutes>) =>
        this.#configure({}, this.#gate.take(changes, this.#hasState)),
    };
    return [policies, backends, sessionKeys, routes];
  }

  async #configure(update: MeshViewUpdate, routes: RouteChanges, policySets = NO_POLICIES): Promise<void> {
    await this.#options.workers.callAll('configure', { update, routes, policySets });
  }

  #openSvids(access: ControllerAccess, kind: AccessKind): SvidStore {
    const { upstream, clock, logger, workers } = this.#options;
    const client = this.#stack.use(createCaClient(access));
    const validitySeconds = Math.ceil(upstream.certificateTtlMs / 1000);
    const isOwn = upstream.bearer !== undefined;
    const store = this.#stack.use(
      new SvidStore({
        clock,
        logger: logger.child({ scope: 'identity' }),
        request: (identity, signal) =>
          withHint(kind, () => requestSvid(client, { identity, validitySeconds, isOwn }, signal)),
        publish: async (_identity, svid) => {
          await workers.callAll('set-svid', { svid });
          this.#svid = svid;
          this.#certified.resolve();
        },
        forget: async () => {},
        onFailure: () => {},
        random: Math.random,
      }),
    );
    store.hold(upstream.identity);
    return store;
  }
}

function discoveryNode({ upstream, network }: ControllerSourceOptions): DiscoveryNode {
  const { podName: name, podNamespace: namespace, nodeName, clusterId } = upstream;
  return {
    id: `waypoint~1.1.1.1~${name}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: 'waypoint',
    metadata: { NAME: name, NAMESPACE: namespace, NODE_NAME: nodeName, CLUSTER_ID: clusterId, NETWORK: network },
  };
}
