import { openSync, readFileSync } from 'node:fs';
import { readNamedFile } from '@ambit/mesh/runtime';
import type { AgentParts, CreateSupervisor, Source } from '../app.ts';
import type { Upstream } from '../config.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import { parseLocalConfig } from './local-config.ts';

/**
 * Serves the pods of one file, once: the whole mesh, its certificates and pods are in it and nothing changes while the
 * agent runs. Rejects when the file or a namespace cannot be used.
 */
export async function openLocalSource(
  { workers, mesh, logger, readiness }: AgentParts,
  upstream: Upstream & { readonly kind: 'local' },
  createSupervisor: CreateSupervisor,
): Promise<{ readonly supervisor: PodSupervisor; readonly source: Source }> {
  const ready = readiness.task('local configuration');
  const text = readNamedFile('AMBIT_LOCAL_CONFIG', upstream.file);
  const config = parseLocalConfig(text, (path) => readFileSync(path, 'utf8'));
  const { workloads, services, policies } = config;
  await mesh.apply({ workloads, services, policies });
  for (const svid of config.svids) await workers.callAll('set-svid', { identity: svid.id, svid });
  const supervisor = createSupervisor({
    hold: () => ({ [Symbol.dispose]: () => {} }),
    // All there will ever be is there.
    whenServable: async () => {},
  });
  for (const pod of config.pods) {
    const error = await supervisor.add(pod.uid, pod.names, openSync(pod.netnsPath, 'r'));
    if (error !== '') throw new Error(`pod ${pod.uid} cannot be served: ${error}`);
  }
  // Those that another agent serves are still being taken over.
  const servedAll = Promise.withResolvers<void>();
  const look = (): void => void (supervisor.pendingCount === 0 && servedAll.resolve());
  supervisor.onChange(look);
  look();
  void servedAll.promise.then(() => {
    logger.info('serving a local configuration', { file: upstream.file, pods: config.pods.length });
    ready.done();
  });
  return {
    supervisor,
    source: {
      certificates: () => config.svids.map((svid) => ({ identity: svid.id, state: 'Available', svid })),
      status: () => ({ kind: 'local', file: upstream.file }),
    },
  };
}
