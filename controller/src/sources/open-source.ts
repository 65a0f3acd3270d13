import { join } from 'node:path';
import type { MeshKind, ObjectSource } from '@ambit/mesh/kinds';
import { createKubeSource, type KubeClient } from '@ambit/mesh/kube';
import { createDirectorySource } from '@ambit/mesh/manifests';
import { bug, type Clock, type Logger, type Metrics } from '@ambit/mesh/runtime';
import { openPrivateDirectory } from '@ambit/mesh/tls';
import type { ControllerConfig } from '../config.ts';
import { createMergedSource } from './merged-source.ts';
import { createSnapshotSource } from './snapshot-source.ts';

/** Kinds that the pipeline makes something of. */
const KINDS: readonly MeshKind[] = [
  'Namespace',
  'Node',
  'ServiceAccount',
  'Pod',
  'Service',
  'EndpointSlice',
  'ConfigMap',
  'Gateway',
  'HTTPRoute',
  'GRPCRoute',
  'TCPRoute',
  'TLSRoute',
  'ReferenceGrant',
  'BackendTLSPolicy',
  'ServiceImport',
  'AccessPolicy',
  'MutualTLSPolicy',
  'EgressPolicy',
  'ExternalService',
  'ExternalWorkload',
];

export interface SourceDependencies {
  /** Null in file mode. */
  readonly client: KubeClient | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Of this build. */
  readonly version: string;
}

/** In the state directory. */
const SNAPSHOT_FILE = 'objects.snapshot';

/**
 * The objects of the mesh: those of the cluster, of a directory, or of both, and then the cluster wins. Those of the cluster
 * are kept in the state directory, for a restart while the API server is away.
 */
export function openSource(
  { manifestsDirectory: directory, stateDirectory }: Pick<ControllerConfig, 'manifestsDirectory' | 'stateDirectory'>,
  { client, clock, logger, metrics, version }: SourceDependencies,
): ObjectSource {
  const files = directory === null ? null : createDirectorySource({ directory, clock, logger });
  if (client === null) return files ?? bug('a configuration without any source');
  const live = createKubeSource({ client, kinds: KINDS, clock, logger, metrics });
  const path = join(openPrivateDirectory(stateDirectory).path, SNAPSHOT_FILE);
  const cluster = createSnapshotSource({ source: live, path, version, clock, logger });
  return files === null ? cluster : createMergedSource(cluster, files);
}
