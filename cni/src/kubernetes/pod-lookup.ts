import { type MeshObject, type Namespace, parseObject, type Pod, type RawObject } from '@ambit/mesh/kinds';
import type { KubeClient } from '@ambit/mesh/kube';
import type { Logger } from '@ambit/mesh/runtime';
import type { PodIdentity } from '../enrol/netns-finder.ts';
import type { PodFacts } from '../plugin-server/decide-addition.ts';
import { NAMESPACES, PODS } from './resources.ts';

export interface PodLookupOptions {
  readonly client: Pick<KubeClient, 'get'>;
  /** What the watch has shown. */
  readonly cache: {
    pod(namespace: string, name: string): Pod | null;
    namespace(name: string): Namespace | null;
  };
  readonly logger: Logger;
}

/** A pod that starts waits for this answer; the watch is nearly always as fresh. */
const READ_MS = 2000;

/**
 * Reads a pod and its namespace as they are now; as the watch has shown them last when the API server does not answer.
 * Rejects only with the signal's reason.
 */
export async function readPod(options: PodLookupOptions, asked: PodIdentity, signal: AbortSignal): Promise<PodFacts> {
  const { client, cache, logger } = options;
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(READ_MS)]);
  try {
    const [pod, namespace] = await Promise.all([
      client.get(PODS, { namespace: asked.namespace, name: asked.name }, inTime),
      client.get(NAMESPACES, { namespace: '', name: asked.namespace }, inTime),
    ]);
    return { pod: parse(pod, 'Pod'), namespace: parse(namespace, 'Namespace'), source: 'api' };
  } catch (error) {
    signal.throwIfAborted();
    logger.warn('a pod that starts could not be read, what is known of it decides', {
      'pod.namespace': asked.namespace,
      'pod.name': asked.name,
      error,
    });
    const { namespace, name } = asked;
    return { pod: cache.pod(namespace, name), namespace: cache.namespace(namespace), source: 'cache' };
  }
}

function parse<Kind extends MeshObject['kind']>(
  raw: RawObject,
  kind: Kind,
): Extract<MeshObject, { kind: Kind }> | null {
  const object = raw === null ? null : parseObject(raw);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the comparison is the proof, which a type parameter hides
  return object?.kind === kind ? (object as Extract<MeshObject, { kind: Kind }>) : null;
}
