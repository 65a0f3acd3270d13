import { readFileSync } from 'node:fs';
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
import { revokeOnKubernetes } from './kubernetes-parts.ts';
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
        const certificatePem = readCertificate(command.certificateFile);
        context.print(revokeWorkload({ ...command, certificatePem, clock: systemClock }).trimEnd());
        return undefined;
      }
      case 'revoke-on-kubernetes': {
        const { environment, signal } = context;
        const certificatePem = readCertificate(command.certificateFile);
        const dependencies = { clock: systemClock, environment, version: VERSION };
        await revokeOnKubernetes(command.kubernetes, certificatePem, dependencies, signal);
        context.print('the certificate is revoked: node agents and waypoints hear of it within two minutes');
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

/** `-`: what a command in the controller's pod is given, whose user may open no file of others. */
function readCertificate(file: string): string {
  return file === '-' ? readFileSync(0, 'utf8') : readNamedFile('--certificate', file);
}

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
