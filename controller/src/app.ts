import { type GrpcServer, startGrpcServer } from '@ambit/mesh/grpc';
import { createDirectorySource, createProblemReporter } from '@ambit/mesh/manifests';
import {
  type AdminSection,
  type AdminServer,
  type Clock,
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
} from '@ambit/mesh/runtime';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import { type ControllerConfig, describeConfig, type ListenAddress } from './config.ts';
import { type ControllerIdentity, openIdentity } from './identity/index.ts';
import { Pipeline } from './pipeline.ts';
import { PushServer } from './push/push-server.ts';

export interface ControllerDependencies {
  readonly clock: Clock;
  readonly logger: RootLogger;
  /** Of this build, for the metrics. */
  readonly version: string;
}

/** A running controller; disposing it ends all streams and releases every port. */
export interface ControllerApp extends AsyncDisposable {
  /** Ports in use, also where the configuration said 0. */
  readonly ports: { readonly grpc: number; readonly metrics: number; readonly health: number; readonly debug: number };
}

const CLOSE_STEP_MS = 5000;

/**
 * Composition root. Order matters: nothing listens for agents before the first state is complete, so that an agent never
 * takes a mesh that is still being read for the whole mesh. Rejects when a port or directory cannot be used.
 */
export async function startController(
  config: ControllerConfig,
  dependencies: ControllerDependencies,
): Promise<ControllerApp> {
  const { clock, logger } = dependencies;
  const lifetime = new Lifetime({ clock, stepDeadlineMs: CLOSE_STEP_MS });
  try {
    const ports = await openAll(config, dependencies, lifetime);
    logger.info('controller is ready', { ports });
    return { ports, [Symbol.asyncDispose]: () => lifetime[Symbol.asyncDispose]() };
  } catch (error) {
    await lifetime[Symbol.asyncDispose]();
    throw error;
  }
}

async function openAll(
  config: ControllerConfig,
  { clock, logger, version }: ControllerDependencies,
  lifetime: Lifetime,
): Promise<ControllerApp['ports']> {
  const metrics = new Metrics();
  registerLogMetrics(metrics, logger);
  registerProcessMetrics(metrics, { component: 'controller', version });
  const readiness = new Readiness();
  const stateTask = readiness.task('first state');
  const listenTask = readiness.task('discovery');
  const open = async (name: string, address: ListenAddress, sections: readonly AdminSection[]): Promise<AdminServer> =>
    lifetime.own(
      name,
      await openAdminServer({
        host: address.ip,
        port: address.port,
        sections,
        logger: logger.child({ scope: 'admin' }),
      }),
    );
  const health = await open('health server', config.healthListen, [readinessSection(readiness)]);
  const metricsServer = await open('metrics server', config.metricsListen, metricsSections(metrics));
  logger.info('effective configuration', describeConfig(config));

  const pipeline = createPipeline(config, clock, logger, metrics);
  const identity = lifetime.own(
    'identity',
    await openIdentity({
      stateDirectory: config.stateDirectory,
      trustDomain: config.mesh.trustDomain,
      serverNames: [...config.serverNames, config.listen.ip],
      workloadsByNode: pipeline.workloadsByNode,
      clock,
      logger: logger.child({ scope: 'identity' }),
      metrics,
    }),
  );
  const push = createPushServer(pipeline, identity, clock, logger, metrics);
  const debug = await open('debug server', config.debugListen, debugSections(config, pipeline, push, logger));

  const stop = new AbortController();
  lifetime.defer('source', () => stop.abort(new DOMException('controller stops', 'AbortError')));
  await pipeline.start(stop.signal);
  stateTask.done();
  const grpc = lifetime.own('grpc server', await listen(config, identity, push, logger));
  listenTask.done();
  return { grpc: grpc.port, metrics: metricsServer.port, health: health.port, debug: debug.port };
}

function createPipeline(config: ControllerConfig, clock: Clock, logger: RootLogger, metrics: Metrics): Pipeline {
  const sourceLogger = logger.child({ scope: 'source' });
  return new Pipeline({
    source: createDirectorySource({ directory: config.manifestsDirectory, clock, logger: sourceLogger }),
    settings: config.mesh,
    clock,
    logger: logger.child({ scope: 'pipeline' }),
    metrics,
    onProblems: createProblemReporter(sourceLogger),
  });
}

function createPushServer(
  pipeline: Pipeline,
  identity: ControllerIdentity,
  clock: Clock,
  logger: RootLogger,
  metrics: Metrics,
): PushServer {
  const push = new PushServer({
    stores: [pipeline.addresses, pipeline.authorizations],
    authenticate: async (peer) => ({ kind: 'node-agent', node: (await identity.authenticateNode(peer)).node }),
    clock,
    logger: logger.child({ scope: 'xds' }),
    metrics,
  });
  pipeline.onResources((typeUrl, names) => push.changed(typeUrl, names));
  identity.onRevoked((node) => push.drop((subscriber) => subscriber.node === node));
  return push;
}

async function listen(
  config: ControllerConfig,
  identity: ControllerIdentity,
  push: PushServer,
  logger: RootLogger,
): Promise<GrpcServer> {
  const server = await startGrpcServer({
    host: config.listen.ip,
    port: config.listen.port,
    tls: identity.serverTls,
    services: {
      discovery: (stream) => push.serve(stream),
      certificates: identity.certificates,
      nodes: identity.nodes,
    },
    logger: logger.child({ scope: 'grpc' }),
  });
  identity.onServerTls((tls) => server.updateTls(tls));
  return server;
}

function debugSections(
  config: ControllerConfig,
  pipeline: Pipeline,
  push: PushServer,
  logger: RootLogger,
): readonly AdminSection[] {
  const versions = (typeUrl: string): Readonly<Record<string, string>> => {
    const store = typeUrl === ADDRESS_TYPE_URL ? pipeline.addresses : pipeline.authorizations;
    return Object.fromEntries([...store.names()].sort().map((name) => [name, store.get(name)?.version ?? '']));
  };
  return [
    get('/config', 'effective configuration', () => jsonResponse(describeConfig(config))),
    get('/problems', 'objects that are not in force as written', () => jsonResponse(pipeline.problems)),
    get('/subscribers', 'open discovery streams', () => jsonResponse(push.subscribers)),
    get('/resources', 'names and versions of everything served', () =>
      jsonResponse({
        addresses: versions(ADDRESS_TYPE_URL),
        authorizations: versions(AUTHORIZATION_TYPE_URL),
      }),
    ),
    ...loggingSections(logger),
  ];
}
