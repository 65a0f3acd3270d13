import { openKubeAccess } from '@ambit/mesh/kube';
import {
  createEnvironment,
  createLineSink,
  createRootLogger,
  type Environment,
  EXIT,
  type MainContext,
  readArguments,
  type RootLogger,
  runMain,
  systemClock,
  UsageError,
} from '@ambit/mesh/runtime';
import { type CniAgentOptions, createCniAgent, uninstall } from './app.ts';
import { type CniConfig, parseConfig, SETTINGS, usage } from './config.ts';
import { createKubeConnection } from './kubernetes/kube-connection.ts';

const VERSION = '0.1.0';
const UNINSTALL_MS = 30_000;

await runMain({ name: 'cni', version: VERSION, usage: usage(), run });

async function run(context: MainContext): Promise<number> {
  const { uninstalls, environment } = parseArguments(context);
  const config = parseConfig(environment);
  const clock = systemClock;
  const sink = createLineSink({ fd: context.logFd, clock });
  const logger = await createRootLogger({
    format: config.logFormat,
    filter: config.logFilter,
    sink,
    clock,
    scope: 'cni',
  });
  context.onFatal(() => logger.flushSync());
  const options: CniAgentOptions = {
    config,
    version: VERSION,
    userId: process.getuid?.() ?? 0,
    clock,
    logger,
    ...(config.kubernetes === null ? {} : await openCluster(context, config, logger)),
  };
  if (uninstalls) {
    const left = await uninstall(options, UNINSTALL_MS);
    await logger.flush();
    return left === 0 ? EXIT.ok : EXIT.failed;
  }
  logger.info('CNI agent starts', {
    version: VERSION,
    node: config.nodeName,
    pods: config.kubernetes === null ? config.manifests : 'API server',
  });
  const agent = await createCniAgent(options);
  logger.info('CNI agent runs', { pods: agent.statuses().length });
  const stopped = Promise.withResolvers<void>();
  if (context.signal.aborted) stopped.resolve();
  context.signal.addEventListener('abort', () => stopped.resolve(), { once: true });
  await stopped.promise;
  logger.info('CNI agent stops', { redirection: config.removeOnExit ? 'removed' : 'left in place' });
  await agent.stop();
  await logger.flush();
  return EXIT.ok;
}

/** @throws EnvironmentError when the API server cannot be found. */
async function openCluster(
  context: MainContext,
  { nodeName }: CniConfig,
  logger: RootLogger,
): Promise<Pick<Required<CniAgentOptions>, 'connect'>> {
  const clock = systemClock;
  const access = await openKubeAccess({ environment: context.environment, clock });
  const version = VERSION;
  return { connect: (metrics) => createKubeConnection({ access, nodeName, version, clock, logger, metrics }) };
}

/** Options of the command line stand in for environment variables, and win. @throws UsageError. */
function parseArguments(context: MainContext): { readonly uninstalls: boolean; readonly environment: Environment } {
  const variables: Record<string, string | undefined> = {};
  for (const name of context.environment.names()) variables[name] = context.environment.get(name);
  const named = new Map(SETTINGS.flatMap(({ name, flag }) => (flag === undefined ? [] : [[flag, name]])));
  const { texts, flags, words } = readArguments(context.args, { texts: [...named.keys()], flags: ['uninstall'] });
  const [extra] = words;
  if (extra !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(extra)}`);
  for (const [flag, name] of named) variables[name] = texts[flag] ?? variables[name];
  return { uninstalls: flags.has('uninstall'), environment: createEnvironment(variables) };
}
