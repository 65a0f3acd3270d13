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
} from './identity/index.ts';
import type { KubernetesParts } from './kubernetes-parts.ts';
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
  if (kubernetes !== null) {
    kubernetes.gate.whileLeading('session keys', (term) => keepSessionSecret(options, term));
  } else {
    keepSessionSecret(options, signal).catch((error: unknown) => {
      if (!signal.aborted) logger.error('session keys are not kept any more', { error });
    });
  }
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
