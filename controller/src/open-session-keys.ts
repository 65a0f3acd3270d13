import type { Clock, Logger } from '@ambit/mesh/runtime';
import { openPrivateDirectory } from '@ambit/mesh/tls';
import {
  followSessionSecret,
  keepSessionSecret,
  SecretStore,
  secretsInUse,
  sessionSecretFile,
  sessionSecretIn,
  type SessionSecretOptions,
  stepSessionSecret,
} from './identity/index.ts';
import type { KubernetesParts } from './kubernetes-parts.ts';
import { type LeaderGate, LeaderTasks } from './leader/index.ts';
import type { Pipeline } from './pipeline.ts';

/** How long a start waits for them: without, waypoints serve requests all the same, and sessions begin and go on later. */
const PATIENCE_MS = 5000;

/**
 * Sees to it that waypoints are sent what sessions are sealed with, until `signal` aborts. Where it is kept: on Kubernetes in a Secret,
 * which the leader makes and replaces, else in the state directory. Resolves once there is something, or after PATIENCE_MS.
 */
export async function openSessionKeys(
  parts: {
    readonly config: { readonly stateDirectory: string };
    readonly kubernetes: KubernetesParts | null;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  pipeline: Pick<Pipeline, 'useSessionSecrets'>,
  signal: AbortSignal,
): Promise<void> {
  const { kubernetes, clock } = parts;
  const logger = parts.logger.child({ scope: 'sessions' });
  const store =
    kubernetes === null
      ? sessionSecretFile(openPrivateDirectory(parts.config.stateDirectory))
      : sessionSecretIn(new SecretStore(kubernetes.client, kubernetes.config.namespace));
  const options: SessionSecretOptions = { store, clock, logger };
  if (kubernetes === null) {
    // Before it is looked for, so that a first start need not look twice. A failure is told of by what keeps it, which tries again.
    await stepSessionSecret(options, signal).catch(() => false);
  }
  const gate = kubernetes?.gate ?? gateOfOne(clock, logger, signal);
  gate.whileLeading('session keys', (term) => keepSessionSecret(options, term));
  const first = Promise.withResolvers<void>();
  void followSessionSecret(
    options,
    (secret) => {
      pipeline.useSessionSecrets(secretsInUse(secret));
      first.resolve();
    },
    signal,
  );
  await Promise.race([first.promise, clock.sleep(PATIENCE_MS, signal)]);
}

/** Of a process that has no other beside it: it leads as long as it runs. */
function gateOfOne(clock: Clock, logger: Logger, signal: AbortSignal): LeaderGate {
  const tasks = new LeaderTasks(clock, logger);
  tasks.begin(signal);
  return tasks;
}
