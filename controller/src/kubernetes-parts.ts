import { randomBytes } from 'node:crypto';
import type { ObjectProblem } from '@ambit/mesh/kinds';
import { createKubeClient, type KubeClient, openKubeAccess } from '@ambit/mesh/kube';
import { bug, type Clock, type Environment, type Lifetime, Metrics } from '@ambit/mesh/runtime';
import type { ControllerDependencies } from './app.ts';
import type { ControllerConfig } from './config.ts';
import type { KubernetesConfig } from './config-environment.ts';
import {
  AUTHORITY_SECRETS,
  AuthorityKeeper,
  type ControllerIdentity,
  createKubernetesIdentity,
  IdentityError,
  revokeInCluster,
  SecretAuthority,
  SecretStore,
} from './identity/index.ts';
import { LeaderElection, type LeaderGate, LeaderTasks } from './leader/index.ts';
import { OwnKinds } from './own-kinds.ts';
import { OwnPods } from './peers/own-pods.ts';
import { PeerProgress } from './peers/peer-progress.ts';
import type { PeerTls } from './peers/peer-server.ts';
import type { Pipeline } from './pipeline.ts';
import type { RefusedObject } from './reconcile/decide-problem-events.ts';
import { LabelledObjects } from './reconcile/labelled-objects.ts';
import { ProblemEvents } from './reconcile/problem-events.ts';
import { StartupTaints } from './reconcile/startup-taints.ts';
import { createRevocationLists, createTrustBundles } from './reconcile/trust-bundles.ts';
import { boundServicesKind } from './reconcile/waypoints/bound-services.ts';
import { WaypointGateways } from './reconcile/waypoints/waypoint-gateways.ts';
import { WaypointPods } from './reconcile/waypoints/waypoint-pods.ts';
import type { PushServer } from './push/push-server.ts';
import { gatewayStatusKinds } from './status/gateway-statuses.ts';
import { STATUS_LIMITS } from './status/limits.ts';
import { PolicyVersions } from './status/policy-versions.ts';
import { StatusRounds } from './status/status-rounds.ts';

/** Name of the Lease that replicas share. */
const LEASE = 'ambit-controller';
/** Of the controller's Service. */
const DISCOVERY_PORT = 15_012;
/** Of every replica. */
const SERVICE_ACCOUNT = 'ambit-controller';
/** Without a ready pod of each of these a node takes no other pods while it has the startup taint. */
const NODE_DAEMON_SETS = ['ambit-cni', 'ambit-node-agent'] as const;

/** What everything on Kubernetes needs: the API server, and whether this replica may write to it. */
export interface KubernetesParts {
  readonly config: KubernetesConfig;
  readonly client: KubeClient;
  readonly gate: LeaderGate;
}

/** Connects and takes part in the election; both end with `lifetime`. @throws EnvironmentError when no API server is known. */
export async function openKubernetes(
  config: KubernetesConfig,
  dependencies: ControllerDependencies & { readonly environment: Environment; readonly metrics: Metrics },
  lifetime: Lifetime,
): Promise<KubernetesParts> {
  const { clock, environment, metrics, version } = dependencies;
  const logger = dependencies.logger.child({ scope: 'leader' });
  const access = await openKubeAccess({ environment, clock });
  const userAgent = `ambit-controller/${version}`;
  const client = lifetime.own('API server client', createKubeClient({ access, clock, metrics, userAgent }));
  const tasks = new LeaderTasks(clock, logger);
  const lease = { namespace: config.namespace, name: LEASE };
  // Every process is a new candidate: one that was restarted must not take itself for the one before.
  const self = `${config.podName}_${randomBytes(4).toString('hex')}`;
  const election = new LeaderElection({ client, lease, self, tasks, clock, logger, metrics });
  const stop = new AbortController();
  const running = election.run(stop.signal);
  lifetime.defer('leader election', async () => {
    stop.abort(new DOMException('controller stops', 'AbortError'));
    await running;
  });
  return { config, client, gate: tasks };
}

/**
 * `controller revoke --kubernetes --certificate`, beside running controllers.
 * @throws IdentityError, as `revokeInCluster` does, and `authority-not-ours`; EnvironmentError when no API server is known.
 */
export async function revokeOnKubernetes(
  { caSecret, namespace }: KubernetesConfig,
  certificatePem: string,
  dependencies: { readonly clock: Clock; readonly environment: Environment; readonly version: string },
  signal: AbortSignal,
): Promise<void> {
  const { clock, environment, version } = dependencies;
  if (caSecret !== null) throw new IdentityError('authority-not-ours', { data: { secret: caSecret } });
  const access = await openKubeAccess({ environment, clock });
  const userAgent = `ambit-controller/${version}`;
  using client = createKubeClient({ access, clock, metrics: new Metrics(), userAgent });
  await revokeInCluster({ store: new SecretStore(client, namespace), certificatePem, clock, signal });
}

/** Identity of the cluster, once there is an authority to sign with. Rejects when `signal` aborts before. */
export async function openKubernetesIdentity(
  { config: own, client, gate }: KubernetesParts,
  pipeline: Pipeline,
  parts: ControllerDependencies & {
    readonly config: ControllerConfig;
    readonly metrics: Metrics;
    readonly lifetime: Lifetime;
  },
  signal: AbortSignal,
): Promise<ControllerIdentity> {
  const { config, clock, metrics, lifetime } = parts;
  const logger = parts.logger.child({ scope: 'identity' });
  const store = new SecretStore(client, own.namespace);
  if (own.caSecret === null) {
    const keeper = new AuthorityKeeper({ store, clock, logger });
    gate.whileLeading('authority', (term) => keeper.run(term));
  }
  const secret = own.caSecret ?? AUTHORITY_SECRETS.intermediate;
  const authority = await SecretAuthority.open({ store, secret, directory: own.caDirectory, clock, logger }, signal);
  const identity = createKubernetesIdentity({
    client,
    authority,
    trustDomain: config.mesh.trustDomain,
    audiences: own.audiences,
    nodeAgentAccounts: own.nodeAgentAccounts,
    serverNames: config.serverNames,
    workloadsByNode: pipeline.workloadsByNode,
    podByName: (namespace, name) => pipeline.objects.pods.get(`${namespace}/${name}`),
    clock,
    logger,
    metrics,
  });
  return lifetime.own('identity', identity);
}

/**
 * What the leader keeps as it should be in the cluster: trust bundles, revocation lists, startup taints, and events about what is not taken. It
 * follows the objects from before the first of them; what is returned begins it, once there is something to write.
 */
export function prepareUpkeep(
  parts: KubernetesParts,
  pipeline: Pipeline,
  dependencies: ControllerDependencies & { readonly config: ControllerConfig },
): (identity: ControllerIdentity) => void {
  const { config: own, client, gate } = parts;
  const { config, clock, logger: base } = dependencies;
  const logger = base.child({ scope: 'upkeep' });
  const common = { client, objects: pipeline.objects, ownNamespace: own.namespace, clock, logger };
  const problems = (): readonly ObjectProblem[] => pipeline.problems;
  const labelled = new LabelledObjects(pipeline.objects);
  const labelFaults = (): readonly RefusedObject[] => labelled.faults();
  const events = new ProblemEvents({ client, problems, labelFaults, self: own.podName, clock, logger });
  pipeline.onChange(() => events.poke());
  const taints = own.startupTaint ? new StartupTaints({ ...common, required: NODE_DAEMON_SETS }) : null;
  const { objects, routeWorld: world } = pipeline;
  const kinds = gatewayStatusKinds({ client, objects, world, clock });
  const statuses = new StatusRounds({ kinds, client, clock, logger: base.child({ scope: 'status' }) });
  pipeline.onChange(() => statuses.poke());
  const waypoints = prepareWaypoints(parts, pipeline, dependencies);
  let current: ControllerIdentity | null = null;
  const lists = createRevocationLists({ ...common, listsPem: () => current?.revocations?.revocationLists ?? null });
  const bundles = createTrustBundles({
    ...common,
    excludedNamespaces: config.mesh.excludedNamespaces,
    bundlePem: () =>
      current?.trustBundle.rootsPem.join('') ?? bug('trust bundles are asked for before there are roots'),
  });
  return (identity) => {
    current = identity;
    // A change of the roots brings another server certificate with it.
    identity.onServerTls(() => bundles.changed());
    identity.revocations?.onRevocations(() => lists.changed());
    gate.whileLeading('trust bundles', bundles.work);
    gate.whileLeading('revocation lists', lists.work);
    gate.whileLeading('events of what is not taken', events.work);
    if (taints !== null) gate.whileLeading('startup taints', taints.work);
    gate.whileLeading('statuses of Gateway API', statuses.work);
    waypoints?.();
  };
}

/** The leader's work for waypoints, to be begun once there is something to write; null when this controller makes none. */
function prepareWaypoints(
  { config: own, client, gate }: KubernetesParts,
  pipeline: Pipeline,
  { config, clock, logger: base }: ControllerDependencies & { readonly config: ControllerConfig },
): (() => void) | null {
  const { waypoints: settings } = own;
  if (settings === null) return null;
  const logger = base.child({ scope: 'waypoints' });
  const { objects } = pipeline;
  const common = { client, objects, pods: new WaypointPods(objects), clock, logger };
  const { trustDomain, clusterId, defaultNetwork: network } = config.mesh;
  const { logFilter, logFormat } = config;
  const controllerAddress = `ambit-controller.${own.namespace}.svc:${DISCOVERY_PORT}`;
  const mesh = { controllerAddress, trustDomain, clusterId, network, logFilter, logFormat };
  const gateways = new WaypointGateways({ ...common, settings, mesh, meshSettings: config.mesh });
  const services = new StatusRounds({ kinds: [boundServicesKind(common)], client, clock, logger });
  pipeline.onChange(() => {
    gateways.poke();
    services.poke();
  });
  return () => {
    gate.whileLeading('waypoints', gateways.work);
    gate.whileLeading('services of waypoints', services.work);
  };
}

/** Ports of what only a controller on Kubernetes has. */
export interface KubernetesPorts {
  readonly admission: number;
  readonly peers: number;
}

/**
 * Statuses of our own kinds, what replicas tell each other for them, and the admission webhook. Both listeners show the
 * certificate of discovery.
 */
export async function openOwnKinds(
  { config: own, client, gate }: KubernetesParts,
  parts: ControllerDependencies & {
    readonly config: ControllerConfig;
    readonly metrics: Metrics;
    readonly lifetime: Lifetime;
  },
  pipeline: Pipeline,
  identity: ControllerIdentity,
  push: PushServer,
): Promise<KubernetesPorts> {
  const { config, awayMs = STATUS_LIMITS.awayMs, clock, logger, metrics, lifetime } = parts;
  const rootsPem = (): string => identity.trustBundle.rootsPem.join('');
  const peerTls = (): PeerTls => ({ ...identity.serverTls, clientRootsPem: rootsPem() });
  const versions = new PolicyVersions(pipeline.objects, [pipeline.addresses, pipeline.authorizations]);
  const pods = new OwnPods({
    pods: pipeline.objects.pods,
    namespace: own.namespace,
    serviceAccount: SERVICE_ACCOUNT,
    self: own.podName,
    nodeAgentAccounts: own.nodeAgentAccounts,
  });
  const peerLogger = logger.child({ scope: 'peers' });
  const peer = { tls: peerTls, awayMs, clock, logger: peerLogger, metrics };
  const progress = new PeerProgress({ gate, pods, versions, push, ...peer });
  pipeline.onChange(() => {
    versions.committed();
    progress.changed();
  });
  const addresses = config.kubernetesListen ?? bug('a configuration for Kubernetes without its listeners');
  const peers = lifetime.own('peers', await progress.listen(addresses.peers));
  const kinds = new OwnKinds({
    client,
    gate,
    pipeline,
    progress,
    versions,
    settings: config.mesh,
    rootsPem,
    clock,
    logger,
    metrics,
  });
  const webhook = lifetime.own('admission webhook', await kinds.listen(addresses.admission, identity.serverTls));
  identity.onServerTls((tls) => {
    webhook.updateTls(tls);
    peers.updateTls(peerTls());
    kinds.rootsChanged();
  });
  return { admission: webhook.port, peers: peers.port };
}
