import type { MeshKind, ObjectSource } from '@ambit/mesh/kinds';
import { createKubeSource, type KubeClient } from '@ambit/mesh/kube';
import { createDirectorySource } from '@ambit/mesh/manifests';
import type { Clock, Logger, Metrics } from '@ambit/mesh/runtime';
import type { ControllerConfig } from '../config.ts';
import { createMergedSource } from './merged-source.ts';

/** Kinds that the pipeline makes something of. */
const KINDS: readonly MeshKind[] = [
  'Namespace',
  'Node',
  'Pod',
  'Service',
  'EndpointSlice',
  'AccessPolicy',
  'MutualTLSPolicy',
  'ExternalWorkload',
];

export interface SourceDependencies {
  /** Null in file mode. */
  readonly client: KubeClient | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The objects of the mesh: those of the cluster, of a directory, or of both, and then the cluster wins. */
export function openSource(
  { manifestsDirectory: directory }: Pick<ControllerConfig, 'manifestsDirectory'>,
  { client, clock, logger, metrics }: SourceDependencies,
): ObjectSource {
  const files = directory === null ? null : createDirectorySource({ directory, clock, logger });
  const cluster = client === null ? null : createKubeSource({ client, kinds: KINDS, clock, logger, metrics });
  if (cluster !== null) return files === null ? cluster : createMergedSource(cluster, files);
  if (files === null) throw new Error('bug: a configuration without any source');
  return files;
}
