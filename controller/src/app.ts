import { type GrpcServer, startGrpcServer } from '@ambit/mesh/grpc';
import { createProblemReporter } from '@ambit/mesh/manifests';
import {
  type AdminSection,
  type AdminServer,
  type Clock,
  type Environment,
  get,
  jsonResponse,
  Lifetime,
  loggingSections,
  Metrics,
  metricsSections,
  openAdminServer,
  Readiness,
  readinessSection,
  registerLogMetrics,
  registerProcessMetrics,
  type RootLogger,
  usableHost,
} from '@ambit/mesh/runtime';
import { type ControllerConfig, describeConfig, type ListenAddress } from './config.ts';
import { type ControllerIdentity, openIdentity } from './identity/index.ts';
import {
  type KubernetesParts,
  openKubernetes,
  openKubernetesIdentity,
  openOwnKinds,
  prepareUpkeep,
} from './kubernetes-parts.ts';
import { openSessionKeys } from './open-session-keys.ts';
import { Pipeline } from './pipeline.ts';
import type { SubscriberWorld } from './push/decide-subscriber.ts';
import { authenticateSubscriber } from './push/authenticate-subscriber.ts';
import { PushServer } from './push/push-server.ts';
import type { ResourceStore } from './push/resource-store.ts';
import { WaypointPods } from './reconcile/waypoints/waypoint-pods.ts';
import { openSource } from './sources/open-source.ts';
import { type Finding, listFindings } from './status/list-findings.ts';
import { LogFindings } from './status/log-findings.ts';

export interface ControllerDependencies {
  readonly clock: Clock;
  readonly logger: RootLogger;
  /** Of this build, for the metrics. */
  readonly version: string;
  /** Says where the API server is. */
  readonly environment: Environment;
  /** How long a node agent may be away before statuses tell it; other than usual in tests. */
  readonly awayMs?: number;
}

/** A running controller; disposing it ends all streams and releases every port. */
export interface ControllerApp extends AsyncDisposable {
  /** Ports in use, also where the configuration said 0. */
  readonly ports: {
    readonly grpc: number;
    readonly metrics: number;
    readonly health: number;
    readonly debug: number;
    /** On Kubernetes only. */
    readonly admission?: number;
    readonly peers?: number;
  };
}

interface Parts extends ControllerDependencies {
  readonly config: ControllerConfig;
  readonly metrics: Metrics;
  readonly lifetime: Lifetime;
  /** Null in file mode. */
  readonly kubernetes: KubernetesParts | null;
}

const CLOSE_STEP_MS = 5000;

/**
 * Composition root. Order matters: nothing listens for agents before the first state is complete, so that an agent never
 * takes a mesh that is still being read for the whole mesh. Rejects when a port or directory cannot be used.
 */
export async function startController(
  config: ControllerConfig,
  dependencies: ControllerDependencies,
  signal: AbortSignal = new AbortController().signal,
): Promise<ControllerApp> {
  const { clock, logger } = dependencies;
  const lifetime = new Lifetime({ clock, stepDeadlineMs: CLOSE_STEP_MS });
  try {
    const ports = await openAll(config, dependencies, lifetime, signal);
    logger.info('controller is ready', { ports });
    return { ports, [Symbol.asyncDispose]: () => lifetime[Symbol.asyncDispose]() };
  } catch (error) {
    await lifetime[Symbol.asyncDispose]();
    throw error;
  }
}

async function openAll(
  config: ControllerConfig,
  dependencies: ControllerDependencies,
  lifetime: Lifetime,
  signal: AbortSignal,
): Promise<ControllerApp['ports']> {
  const { logger, version } = dependencies;
  const metrics = new Metrics();
  registerLogMetrics(metrics, logger);
  registerProcessMetrics(metrics, { component: 'controller', version });
  const readiness = new Readiness();
  const stateTask = readiness.task('first state');
  const listenTask = readiness.task('discovery');
  const open = async (name: string, address: ListenAddress, sections: readonly AdminSection[]): Promise<AdminServer> =>
    lifetime.own(name, await openAdmin(address, sections, logger));
  const health = await open('health server', config.healthListen, [readinessSection(readiness)]);
  const metricsServer = await open('metrics server', config.metricsListen, metricsSections(metrics));
  logger.info('effective configuration', describeConfig(config));

  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const kubernetes =
    config.kubernetes === null ? null : await openKubernetes(config.kubernetes, { ...dependencies, metrics }, lifetime);
  const parts: Parts = { ...dependencies, config, metrics, lifetime, kubernetes };
  const pipeline = createPipeline(parts);
  const upkeep = kubernetes === null ? null : prepareUpkeep(kubernetes, pipeline, parts);
  const findings = prepareFindings(config, pipeline);
  lifetime.defer('source', () => stop.abort(new DOMException('controller stops', 'AbortError')));
  const [identity] = await Promise.all([
    openOwnIdentity(parts, pipeline, ended),
    openSessionKeys(parts, pipeline, ended),
    pipeline.start(ended).then(() => stateTask.done()),
  ]);
  upkeep?.(identity);
  if (kubernetes === null) followFindings(findings, pipeline, parts, ended);
  const push = createPushServer(parts, pipeline, identity);
  const debug = await open('debug server', config.debugListen, debugSections(config, pipeline, findings, push, logger));
  const grpc = lifetime.own('grpc server', await listen(config, identity, push, logger));
  const more = kubernetes === null ? {} : await openOwnKinds(kubernetes, parts, pipeline, identity, push);
  listenTask.done();
  return { grpc: grpc.port, metrics: metricsServer.port, health: health.port, debug: debug.port, ...more };
}

async function openAdmin(
  { ip: host, port }: ListenAddress,
  sections: readonly AdminSection[],
  logger: RootLogger,
): Promise<AdminServer> {
  return openAdminServer({ host, port, sections, logger: logger.child({ scope: 'admin' }) });
}

function createPipeline({ config, kubernetes, clock, metrics, logger, version }: Parts): Pipeline {
  const sourceLogger = logger.child({ scope: 'source' });
  const client = kubernetes?.client ?? null;
  return new Pipeline({
    source: openSource(config, { client, clock, metrics, logger: sourceLogger, version }),
    settings: config.mesh,
    clock,
    logger: logger.child({ scope: 'pipeline' }),
    metrics,
    onProblems: createProblemReporter(sourceLogger),
  });
}

async function openOwnIdentity(parts: Parts, pipeline: Pipeline, signal: AbortSignal): Promise<ControllerIdentity> {
  const { config, kubernetes, lifetime, clock, logger, metrics } = parts;
  if (kubernetes !== null) return openKubernetesIdentity(kubernetes, pipeline, parts, signal);
  const identity = await openIdentity({
    stateDirectory: config.stateDirectory,
    trustDomain: config.mesh.trustDomain,
    serverNames: [...config.serverNames, config.listen.ip],
    workloadsByNode: pipeline.workloadsByNode,
    clock,
    logger: logger.child({ scope: 'identity' }),
    metrics,
  });
  return lifetime.own('identity', identity);
}

function createPushServer(
  { clock, logger, metrics }: Parts,
  pipeline: Pipeline,
  identity: ControllerIdentity,
): PushServer {
  const xds = logger.child({ scope: 'xds' });
  const { pods, gateways } = pipeline.objects;
  const world: SubscriberWorld = {
    pod: (namespace, name) => pods.get(`${namespace}/${name}`),
    gateway: (namespace, name) => gateways.get(`${namespace}/${name}`),
  };
  const push = new PushServer({
    stores: [
      pipeline.ranges,
      pipeline.addresses,
      pipeline.authorizations,
      pipeline.policySets,
      pipeline.backends,
      pipeline.routes,
      pipeline.sessionKeys,
    ],
    authenticate: (peer) => authenticateSubscriber({ identity, world, clock, logger: xds }, peer),
    clock,
    logger: xds,
    metrics,
  });
  pipeline.onResources((typeUrl, names) => push.changed(typeUrl, names));
  identity.onUnwanted((isUnwanted) => void push.drop(isUnwanted));
  return push;
}

async function listen(
  config: ControllerConfig,
  identity: ControllerIdentity,
  push: PushServer,
  logger: RootLogger,
): Promise<GrpcServer> {
  const server = await startGrpcServer({
    host: await usableHost(config.listen.ip),
    port: config.listen.port,
    tls: identity.serverTls,
    services: {
      discovery: (stream) => push.serve(stream),
      certificates: identity.certificates,
      ...(identity.nodes === undefined ? {} : { nodes: identity.nodes }),
    },
    logger: logger.child({ scope: 'grpc' }),
  });
  identity.onServerTls((tls) => server.updateTls(tls));
  return server;
}

/** To be called before the first objects arrive. */
function prepareFindings(config: ControllerConfig, pipeline: Pipeline): () => readonly Finding[] {
  const { objects, routeWorld: routes } = pipeline;
  const pods = new WaypointPods(objects);
  return () => listFindings({ objects, pods, routes, settings: config.mesh });
}

/** Without Kubernetes no object has a status. */
function followFindings(
  list: () => readonly Finding[],
  pipeline: Pipeline,
  { clock, logger }: Parts,
  signal: AbortSignal,
): void {
  const log = new LogFindings({ list, clock, logger: logger.child({ scope: 'status' }) });
  pipeline.onChange(() => log.poke());
  log.run(signal).catch((error: unknown) => {
    if (!signal.aborted) logger.error('findings are told no more', { error });
  });
}

function debugSections(
  config: ControllerConfig,
  pipeline: Pipeline,
  findings: () => readonly Finding[],
  push: PushServer,
  logger: RootLogger,
): readonly AdminSection[] {
  const versions = (store: ResourceStore): Readonly<Record<string, string>> =>
    Object.fromEntries([...store.names()].sort().map((name) => [name, store.get(name)?.version ?? '']));
  return [
    get('/config', 'effective configuration', () => jsonResponse(describeConfig(config))),
    get('/problems', 'objects that are not in force as written', () => jsonResponse(pipeline.problems)),
    get('/findings', 'what does not fit other objects: conditions as status has them', () => jsonResponse(findings())),
    get('/subscribers', 'open discovery streams', () => jsonResponse(push.subscribers)),
    get('/resources', 'names and versions of everything served', () =>
      jsonResponse({
        addresses: versions(pipeline.addresses),
        authorizations: versions(pipeline.authorizations),
        backends: versions(pipeline.backends),
        policySets: versions(pipeline.policySets),
        ranges: versions(pipeline.ranges),
        routes: versions(pipeline.routes),
        sessionKeys: versions(pipeline.sessionKeys),
      }),
    ),
    ...loggingSections(logger),
  ];
}
