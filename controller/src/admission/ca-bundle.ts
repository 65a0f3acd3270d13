import type { KubeClient, KubeResource } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { Bell } from '../reconcile/bell.ts';
import { decideCaBundle } from './decide-ca-bundle.ts';
import { CA_BUNDLE_POLL_MS } from './limits.ts';

const CONFIGURATIONS: KubeResource = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'validatingwebhookconfigurations',
  kind: 'ValidatingWebhookConfiguration',
  scope: 'cluster',
};
/** Made by the chart, without roots: those exist only when the controller runs. */
const CONFIGURATION = { namespace: '', name: 'ambit-validation' };
const FIELD_MANAGER = 'ambit-controller';

export interface CaBundleOptions {
  readonly client: KubeClient;
  /** What the API server is to verify the webhook's certificate against, now. PEM; during a rotation old and new roots. */
  readonly rootsPem: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Each write. */
  readonly onWrite: () => void;
}

/**
 * Keeps our roots in every webhook of the configuration, by the leader. Only this one field is ours: what else the
 * configuration says, and whether it exists, is for whoever installed it.
 */
export class CaBundleKeeper {
  readonly #options: CaBundleOptions;
  readonly #bell: Bell;
  /** Said once while it lasts: nobody asks our webhook then. */
  #saidMissing = false;

  constructor(options: CaBundleOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
  }

  /** The roots changed: looks at once. */
  poke(): void {
    this.#bell.ring();
  }

  /** Until `signal` aborts. Rejects when the API server does not answer as hoped: to be begun again after a pause. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#bell.repeat(() => this.#repair(signal), { resyncMs: CA_BUNDLE_POLL_MS }, signal);
  }

  async #repair(signal: AbortSignal): Promise<void> {
    const { client, rootsPem, logger, onWrite } = this.#options;
    const current = await client.get(CONFIGURATIONS, CONFIGURATION, signal);
    if (current === null && !this.#saidMissing) {
      logger.warn('there is no webhook configuration', { configuration: CONFIGURATION.name });
    }
    this.#saidMissing = current === null;
    if (current === null) return;
    const caBundle = Buffer.from(rootsPem()).toString('base64');
    const patch = decideCaBundle(current, caBundle);
    if (patch === null) return;
    await client.apply(
      CONFIGURATIONS,
      CONFIGURATION,
      { object: patch, fieldManager: FIELD_MANAGER, force: true },
      signal,
    );
    onWrite();
    logger.info('webhook configuration has our roots', { configuration: CONFIGURATION.name });
  }
}
