import type { KubeClient } from '@ambit/mesh/kube';
import { type Clock, type Logger, type Metrics, usableHost } from '@ambit/mesh/runtime';
import { openAdmissionServer } from './admission/admission-server.ts';
import { CaBundleKeeper } from './admission/ca-bundle.ts';
import { type AdmissionMetrics, createAdmissionMetrics } from './admission/metrics.ts';
import type { ListenAddress } from './config.ts';
import type { HttpsServer, HttpsServerTls } from './https-server.ts';
import type { LeaderGate } from './leader/leader-gate.ts';
import type { PeerProgress } from './peers/peer-progress.ts';
import type { Pipeline } from './pipeline.ts';
import { createPolicyWorld, type PolicyWorld } from './status/policy-world.ts';
import type { PolicyVersions } from './status/policy-versions.ts';
import { StatusWriter } from './status/status-writer.ts';
import type { MeshSettings } from './translate/mesh-settings.ts';

export interface OwnKindsOptions {
  readonly client: KubeClient;
  readonly gate: LeaderGate;
  readonly pipeline: Pipeline;
  readonly versions: PolicyVersions;
  readonly progress: Pick<PeerProgress, 'look' | 'onChange' | 'firstRound'>;
  readonly settings: MeshSettings;
  /** Roots that the webhook's certificate chains to, now; PEM. */
  readonly rootsPem: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What the API server has of us besides objects: statuses of our own kinds, and the webhook that looks at them first. */
export class OwnKinds {
  readonly #options: OwnKindsOptions;
  readonly #admissionMetrics: AdmissionMetrics;
  readonly #keeper: CaBundleKeeper;

  constructor(options: OwnKindsOptions) {
    const { client, gate, pipeline, versions, progress, rootsPem, clock, logger, metrics } = options;
    this.#options = options;
    this.#admissionMetrics = createAdmissionMetrics(metrics);
    const writer = new StatusWriter({
      client,
      versions,
      world: () => this.#world(),
      problems: () => pipeline.problems,
      progress: () => progress.look(),
      clock,
      logger: logger.child({ scope: 'status' }),
      metrics,
    });
    this.#keeper = new CaBundleKeeper({
      client,
      rootsPem,
      clock,
      logger: logger.child({ scope: 'admission' }),
      onWrite: () => this.#admissionMetrics.caBundleWrites.add([]),
    });
    pipeline.onChange(() => writer.poke());
    progress.onChange(() => writer.poke());
    gate.whileLeading('status', async (signal) => {
      // Otherwise every change of leaders would first tell people that nothing is known.
      await progress.firstRound(signal);
      await writer.run(signal);
    });
    gate.whileLeading('roots of the webhook', (signal) => this.#keeper.run(signal));
  }

  /** Opens the webhook; to be called when the first state is complete. The caller disposes it. */
  async listen(address: ListenAddress, tls: HttpsServerTls): Promise<HttpsServer> {
    const { clock, logger } = this.#options;
    return openAdmissionServer({
      host: await usableHost(address.ip),
      port: address.port,
      tls,
      world: () => this.#world(),
      clock,
      logger: logger.child({ scope: 'admission' }),
      metrics: this.#admissionMetrics,
    });
  }

  /** The roots have changed. */
  rootsChanged(): void {
    this.#keeper.poke();
  }

  #world(): PolicyWorld {
    return createPolicyWorld(this.#options.pipeline.objects, this.#options.settings);
  }
}
