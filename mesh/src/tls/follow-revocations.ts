import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { counter, gauge, type Metrics, type MetricSpec } from '../runtime/metrics.ts';
import type { RevokedSerials } from './revocation.ts';
import { RevocationWatch } from './revocation-watch.ts';

/** What every proxy with revocation lists tells of them. */
export const revocationMetrics: {
  readonly revokedCertificates: MetricSpec<'gauge'>;
  readonly revocationFailing: MetricSpec<'gauge'>;
  readonly revocationRejections: MetricSpec<'counter'>;
} = {
  revokedCertificates: gauge({
    name: 'ambit_crl_entries',
    help: 'Certificates that the revocation lists in force withdraw.',
  }),
  revocationFailing: gauge({
    name: 'ambit_crl_failing',
    help: 'Whether the file with revocation lists cannot be used: the last that could stay in force.',
  }),
  revocationRejections: counter({
    name: 'istio_crl_policy_rejections_total',
    help: 'Tunnel connections refused or cut because the certificate of the peer is revoked.',
    labels: ['reporter'],
  }),
};

export interface FollowRevocationsOptions {
  /** The file with the lists; null: nothing is ever revoked. */
  readonly path: string | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Resolves once the lists are in force. Called for one change at a time. */
  readonly publish: (lists: readonly RevokedSerials[]) => Promise<void>;
}

/**
 * Puts the lists of a file in force before it resolves, and each change of it until the answer is disposed.
 * @throws Error when the file is there and cannot be used: whom to refuse is not known then.
 */
export async function followRevocations(options: FollowRevocationsOptions): Promise<AsyncDisposable> {
  const { path, metrics } = options;
  if (path === null) return { [Symbol.asyncDispose]: async () => {} };
  const watch = new RevocationWatch({ ...options, path });
  metrics.collect(revocationMetrics.revokedCertificates, () => [{ labels: [], value: watch.entryCount }]);
  metrics.collect(revocationMetrics.revocationFailing, () => [{ labels: [], value: watch.isFailing ? 1 : 0 }]);
  await watch.open();
  const stop = new AbortController();
  const watching = watch.watch(stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await watching;
    },
  };
}
