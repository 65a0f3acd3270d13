import { readFile } from 'node:fs/promises';
import {
  createCaClient,
  createPushTransport,
  type ControllerAccess,
  type ControllerCredentials,
  GrpcError,
  openNodeIdentity,
  requestSvid,
} from '@ambit/mesh/grpc';
import { PushClient, type PushEvent } from '@ambit/mesh/push';
import { createBackoff, type MetricSample } from '@ambit/mesh/runtime';
import { openPrivateDirectory } from '@ambit/mesh/tls';
import type { DiscoveryNode } from '@ambit/mesh/wire';
import type { AgentParts, CreateSupervisor, Source } from '../app.ts';
import type { NodeAgentConfig, Upstream } from '../config.ts';
import { SvidStore } from '../identity/svid-store.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import { ZdsClient } from '../pods/zds-client.ts';
import { agentMetrics } from '../telemetry/agent-metrics.ts';

type ControllerUpstream = Upstream & { readonly kind: 'controller' };

const JOIN_BACKOFF = { initialMs: 200, maxMs: 15_000, factor: 2, jitter: 0.2 } as const;

/**
 * Mesh state and certificates from the controller, pods from the CNI agent. Rejects when this node cannot prove who it
 * is; once it can, the controller may come and go.
 */
export async function openControllerSource(
  parts: AgentParts,
  upstream: ControllerUpstream,
  createSupervisor: CreateSupervisor,
  stack: AsyncDisposableStack,
): Promise<{ readonly supervisor: PodSupervisor; readonly source: Source }> {
  const { config, clock, logger, workers, readiness } = parts;
  const stateReady = readiness.task('controller state');
  const podsReady = readiness.task('pods');
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  stack.defer(async () => {
    stop.abort(new DOMException('the agent stops', 'AbortError'));
    await Promise.allSettled(running);
  });
  const access = await openAccess(parts, upstream, stop.signal, running);
  const svids = openSvidStore(parts, access, stack);
  const supervisor = createSupervisor(svids);
  let isSnapshotTaken = false;
  const showPending = (): void => {
    if (isSnapshotTaken && supervisor.pendingCount === 0) podsReady.done();
    else podsReady.undo();
  };
  supervisor.onChange(showPending);
  const push = new PushClient({
    transport: createPushTransport(access),
    node: discoveryNode(config),
    clock,
    logger: logger.child({ scope: 'xds' }),
    apply: async (update) => void (await workers.callAll('apply-view', { update })),
    onReady: () => stateReady.done(),
    onEvent: countPushEvents(parts),
  });
  parts.metrics.collect(agentMetrics.policyStandIns, () => {
    const standIns = push.status().types.reduce((sum, type) => sum + type.standIns, 0);
    return [{ labels: [], value: standIns }];
  });
  const zds = new ZdsClient({
    clock,
    logger: logger.child({ scope: 'zds' }),
    socketPath: upstream.zdsSocket,
    supervisor,
    onSnapshot: () => {
      isSnapshotTaken = true;
      showPending();
    },
    random: Math.random,
  });
  running.push(push.run(stop.signal), zds.run(stop.signal));
  const source: Source = {
    certificates: () => svids.status(),
    status: () => ({
      kind: 'controller',
      address: upstream.address,
      push: push.status(),
      cniAgentConnected: zds.connected,
    }),
  };
  return { supervisor, source };
}

function openSvidStore(
  { config, clock, logger, workers, metrics }: AgentParts,
  access: ControllerAccess,
  stack: AsyncDisposableStack,
): SvidStore {
  const client = stack.use(createCaClient(access));
  const { failures } = metrics.register({ failures: agentMetrics.certificateFailures });
  const validitySeconds = Math.ceil(config.certificateTtlMs / 1000);
  const store = stack.use(
    new SvidStore({
      clock,
      logger: logger.child({ scope: 'identity' }),
      request: (identity, signal) => requestSvid(client, { identity, validitySeconds }, signal),
      publish: async (identity, svid) => void (await workers.callAll('set-svid', { identity, svid })),
      forget: async (identity) => void (await workers.callAll('forget-svid', { identity })),
      onFailure: () => failures.add([]),
      random: Math.random,
    }),
  );
  metrics.collect(agentMetrics.certificates, () => {
    const counts = new Map([
      ['available', 0],
      ['initializing', 0],
      ['unavailable', 0],
    ]);
    for (const { state } of store.status()) {
      const key = state.startsWith('Unavailable') ? 'unavailable' : state.toLowerCase();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return [...counts].map(([state, value]): MetricSample => ({ labels: [state], value }));
  });
  return store;
}

/** By bearer token where one is configured, else by this node's own certificate. */
async function openAccess(
  parts: AgentParts,
  upstream: ControllerUpstream,
  signal: AbortSignal,
  running: Promise<void>[],
): Promise<ControllerAccess> {
  const { config, clock, logger } = parts;
  const { address, serverName, bearerTokenFile, rootFile, joinTokenFile, stateDirectory } = upstream;
  const headers = { clusterid: config.clusterId };
  if (bearerTokenFile !== undefined && rootFile !== undefined) {
    return {
      address,
      ...(serverName === undefined ? {} : { serverName }),
      credentials: rereadRoots(rootFile),
      headers,
      bearerToken: async () => (await readFile(bearerTokenFile, 'utf8')).trim(),
    };
  }
  const state = openPrivateDirectory(stateDirectory);
  const scoped = logger.child({ scope: 'identity' });
  const backoff = createBackoff(JOIN_BACKOFF);
  for (;;) {
    let unreadable: unknown;
    const token =
      joinTokenFile === undefined
        ? undefined
        : await readFile(joinTokenFile, 'utf8').then(
            (text) => text.trim(),
            (error: unknown) => {
              // It may be deleted once the node has joined; openNodeIdentity knows whether it is still needed.
              unreadable = error;
              return undefined;
            },
          );
    try {
      const identity = await openNodeIdentity({
        address,
        ...(token === undefined ? {} : { token }),
        node: config.nodeName,
        state,
        clock,
        logger: scoped,
        signal,
      });
      if (identity.node !== config.nodeName)
        throw new GrpcError('failed-precondition', {
          data: { reason: 'joined as another node', node: identity.node, configured: config.nodeName },
        });
      running.push(identity.keepRenewed(signal));
      return { ...identity.access, headers };
    } catch (error) {
      if (unreadable !== undefined)
        scoped.error('join token cannot be read', { path: joinTokenFile, error: unreadable });
      else if (token !== undefined && error instanceof GrpcError && error.code === 'invalid-argument')
        scoped.error('join token cannot be used', { path: joinTokenFile });
      if (!(error instanceof GrpcError) || !error.retryable) throw error;
      scoped.warn('node could not join yet, will try again', { error });
      await clock.sleep(backoff.nextMs(), signal);
    }
  }
}

/** The roots of a file, as one object for as long as the file says the same. */
function rereadRoots(path: string): () => Promise<ControllerCredentials> {
  let current: ControllerCredentials = { rootsPem: '' };
  return async () => {
    const rootsPem = await readFile(path, 'utf8');
    if (rootsPem !== current.rootsPem) current = { rootsPem };
    return current;
  };
}

/** How ztunnel names itself, which is what a controller of Istio's expects of a node agent (protocol.md 3.1). */
function discoveryNode({ nodeName, clusterId, network }: NodeAgentConfig): DiscoveryNode {
  const namespace = 'ambit-system';
  const name = `node-agent-${nodeName}`;
  return {
    id: `ztunnel~1.1.1.1~${name}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: 'ztunnel',
    metadata: { NAME: name, NAMESPACE: namespace, NODE_NAME: nodeName, CLUSTER_ID: clusterId, NETWORK: network },
  };
}

function countPushEvents({ metrics }: AgentParts): (event: PushEvent) => void {
  const { xdsTerminations, xdsMessages, xdsMessageBytes, xdsRefused } = metrics.register({
    xdsTerminations: agentMetrics.xdsTerminations,
    xdsMessages: agentMetrics.xdsMessages,
    xdsMessageBytes: agentMetrics.xdsMessageBytes,
    xdsRefused: agentMetrics.xdsRefused,
  });
  return (event) => {
    if (event.kind === 'disconnected') xdsTerminations.add([event.clean ? 'clean' : 'error']);
    if (event.kind !== 'response') return;
    xdsMessages.add([event.typeUrl]);
    xdsMessageBytes.add([event.typeUrl], event.resourceBytes);
    if (event.refused > 0) xdsRefused.add([event.typeUrl], event.refused);
  };
}
