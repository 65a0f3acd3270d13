import {
  createLineSink,
  createRootLogger,
  type MainContext,
  readNamedFile,
  runMain,
  systemClock,
} from '@ambit/mesh/runtime';
import { startController } from './app.ts';
import { type ControllerConfig, parseCommand, USAGE } from './config.ts';
import { issueJoinToken, revokeNode, revokeWorkload } from './identity/index.ts';

const VERSION = '0.1.0';

await runMain({
  name: 'controller',
  version: VERSION,
  usage: USAGE,
  run: async (context) => {
    const command = parseCommand(context.args, context.environment);
    switch (command.kind) {
      case 'run':
        return await serve(command.config, context);
      case 'token':
        context.print(await issueJoinToken({ ...command, clock: systemClock }));
        return undefined;
      case 'revoke-certificate': {
        const certificatePem = readNamedFile('--certificate', command.certificateFile);
        context.print(revokeWorkload({ ...command, certificatePem, clock: systemClock }).trimEnd());
        return undefined;
      }
      case 'revoke': {
        const { certificates, tokens } = await revokeNode({ ...command, clock: systemClock });
        // Two zeros may mean a misspelt name or directory.
        context.print(`node ${command.node} is revoked: certificates ${certificates}, unused tokens ${tokens}`);
        return undefined;
      }
    }
  },
});

async function serve(config: ControllerConfig, context: MainContext): Promise<undefined> {
  const sink = createLineSink({ fd: context.logFd, clock: systemClock });
  const logger = await createRootLogger({
    format: config.logFormat,
    filter: config.logFilter,
    sink,
    clock: systemClock,
    scope: 'controller',
  });
  context.onFatal(() => logger.flushSync());
  {
    const { environment, signal } = context;
    const dependencies = { clock: systemClock, logger, version: VERSION, environment };
    await using app = await startController(config, dependencies, signal).catch((error: unknown) => {
      // Told to stop while it still waited for the cluster.
      if (signal.aborted) return null;
      throw error;
    });
    if (app !== null) await aborted(signal);
    logger.info('controller stops');
  }
  await logger.flush();
  return undefined;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
