import {
  type AccessKind,
  type ControllerAccess,
  createCaClient,
  createPushTransport,
  GrpcError,
  hintedTransport,
  openControllerAccess,
  renewWithRoots,
  requestSvid,
  SvidStore,
  withHint,
} from '@ambit/mesh/grpc';
import { type Demand, PushClient, type PushEvent } from '@ambit/mesh/push';
import type { MetricSample } from '@ambit/mesh/runtime';
import type { DiscoveryNode } from '@ambit/mesh/wire';
import type { AgentParts, CreateSupervisor, Source } from '../app.ts';
import type { NodeAgentConfig, Upstream } from '../config.ts';
import { ServableIdentities } from '../identity/servable-identities.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import { ZdsClient } from '../pods/zds-client.ts';
import { agentMetrics } from '../telemetry/agent-metrics.ts';
import { openDemand } from './open-demand.ts';
import { RangeWatch } from './range-watch.ts';

type ControllerUpstream = Upstream & { readonly kind: 'controller' };

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
  const { config, clock, logger, readiness } = parts;
  const stateReady = readiness.task('controller state');
  const podsReady = readiness.task('pods');
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  stack.defer(async () => {
    stop.abort(new DOMException('the agent stops', 'AbortError'));
    await Promise.allSettled(running);
  });
  const access = await openControllerAccess(upstream, {
    node: config.nodeName,
    headers: { clusterid: config.clusterId },
    clock,
    logger: logger.child({ scope: 'identity' }),
    signal: stop.signal,
    running,
  });
  const kind: AccessKind = upstream.bearer === undefined ? 'certificate' : 'token';
  const failures = countFailures(parts);
  const servable = new ServableIdentities();
  const svids = openSvidStore(parts, access, kind, failures, servable, stack);
  const supervisor = createSupervisor({
    hold: (identity) => svids.hold(identity),
    whenServable: (identity, signal) => servable.when(identity, signal),
  });
  let isSnapshotTaken = false;
  const showPending = (): void => {
    if (isSnapshotTaken && supervisor.pendingCount === 0) podsReady.done();
    else podsReady.undo();
  };
  supervisor.onChange(showPending);
  const ranges = new RangeWatch({ ranges: config.meshRanges, network: config.network, logger });
  const demand = config.xdsOnDemand ? openDemand(parts) : null;
  const onReady = (): void => {
    stateReady.done();
    servable.viewIsThere();
  };
  const push = createPushClient(parts, access, kind, failures, { ranges, demand, svids, onReady });
  collectPushStatus(parts, push, ranges);
  const zds = new ZdsClient({
    clock,
    logger: logger.child({ scope: 'zds' }),
    socketPath: upstream.zdsSocket,
    slot: config.slot,
    supervisor,
    onSnapshot: () => {
      isSnapshotTaken = true;
      showPending();
    },
    mayConnect: () => !parts.handover.isOver,
    random: Math.random,
  });
  running.push(push.run(stop.signal), zds.run(stop.signal));
  renewWithRoots(upstream, svids, { clock, logger, signal: stop.signal, running });
  const status: Source['status'] = () => ({
    kind: 'controller',
    address: upstream.address,
    push: push.status(),
    ...(demand === null ? {} : { namesFollowed: demand.size }),
    cniAgentConnected: zds.connected,
  });
  return { supervisor, source: { certificates: () => svids.status(), status } };
}

/** What the agent does with what is pushed, besides applying it. */
interface PushUse {
  readonly ranges: RangeWatch;
  readonly demand: Demand | null;
  /** A first state is in force. */
  readonly onReady: () => void;
  /** Told when the controller is there again. */
  readonly svids: SvidStore;
}

function createPushClient(
  parts: AgentParts,
  access: ControllerAccess,
  kind: AccessKind,
  countFailure: CountFailure,
  { ranges, demand, svids, onReady }: PushUse,
): PushClient {
  const { config, clock, logger, mesh } = parts;
  const countEvent = countPushEvents(parts);
  return new PushClient({
    transport: hintedTransport(createPushTransport(access), kind, (error) => countFailure('discovery', error)),
    node: discoveryNode(config),
    clock,
    logger: logger.child({ scope: 'xds' }),
    apply: async (update) => {
      ranges.see(update);
      await mesh.apply(update);
    },
    withRanges: config.followNodeRanges,
    ...(demand === null ? {} : { demand }),
    onReady,
    onEvent: (event) => {
      countEvent(event);
      if (event.kind === 'connected') svids.retryDelayed();
    },
  });
}

function collectPushStatus({ metrics }: AgentParts, push: PushClient, ranges: RangeWatch): void {
  metrics.collect(agentMetrics.outsideRanges, () => [{ labels: [], value: ranges.count }]);
  metrics.collect(agentMetrics.controllerConnected, () => [{ labels: [], value: push.status().connected ? 1 : 0 }]);
  metrics.collect(agentMetrics.policyStandIns, () => {
    const standIns = push.status().types.reduce((sum, type) => sum + type.standIns, 0);
    return [{ labels: [], value: standIns }];
  });
}

function openSvidStore(
  { config, clock, logger, workers, metrics }: AgentParts,
  access: ControllerAccess,
  kind: AccessKind,
  countFailure: CountFailure,
  servable: ServableIdentities,
  stack: AsyncDisposableStack,
): SvidStore {
  const client = stack.use(createCaClient(access));
  const { failures } = metrics.register({ failures: agentMetrics.certificateFailures });
  const validitySeconds = Math.ceil(config.certificateTtlMs / 1000);
  const store = stack.use(
    new SvidStore({
      clock,
      logger: logger.child({ scope: 'identity' }),
      request: (identity, signal) => withHint(kind, () => requestSvid(client, { identity, validitySeconds }, signal)),
      publish: async (identity, svid) => {
        await workers.callAll('set-svid', { identity, svid });
        servable.certificateIsThere(identity);
      },
      forget: async (identity) => {
        servable.certificateIsGone(identity);
        await workers.callAll('forget-svid', { identity });
      },
      onFailure: (error) => {
        failures.add([]);
        countFailure('certificates', error);
      },
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

type CountFailure = (service: 'discovery' | 'certificates', error: unknown) => void;

/** By the code of the call's status, of which there are few; `other` is no answer of the controller's. */
function countFailures({ metrics }: AgentParts): CountFailure {
  const { failures } = metrics.register({ failures: agentMetrics.controllerFailures });
  return (service, error) => failures.add([service, error instanceof GrpcError ? error.code : 'other']);
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
