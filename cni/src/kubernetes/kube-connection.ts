import type { ObjectSource } from '@ambit/mesh/kinds';
import { createKubeClient, createKubeSource, type KubeAccess, type KubeClient } from '@ambit/mesh/kube';
import type { Clock, Logger, Metrics } from '@ambit/mesh/runtime';

/** The API server, and what of it is watched. Disposing it closes its connections. */
export interface KubeConnection extends Disposable {
  readonly client: KubeClient;
  /** Namespaces and EgressPolicies, and the Pods of this node. */
  readonly source: ObjectSource;
}

export interface KubeConnectionOptions {
  readonly access: KubeAccess;
  readonly nodeName: string;
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Nothing is sent before the source is watched. */
export function createKubeConnection(options: KubeConnectionOptions): KubeConnection {
  const { access, nodeName, version, clock, logger, metrics } = options;
  const client = createKubeClient({ access, clock, metrics, userAgent: `ambit-cni/${version}` });
  const source = createKubeSource({
    client,
    kinds: ['Namespace', 'Pod', 'EgressPolicy'],
    selections: { Pod: { fieldSelector: `spec.nodeName=${nodeName}` } },
    clock,
    logger: logger.child({ scope: 'kube' }),
    metrics,
  });
  return { client, source, [Symbol.dispose]: () => client[Symbol.dispose]() };
}
