import { GrpcError } from '@ambit/mesh/grpc';
import { type Pod, parseObject, type RawObject } from '@ambit/mesh/kinds';
import { type KubeClient, KubeApiError, type KubeResource } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { callWithin } from '../call-within.ts';
import type { LivePod, TokenBearer } from './admit-token-caller.ts';
import { ExpiringMap } from './expiring-map.ts';
import { LIVE_READ_LIMITS } from './limits.ts';

const PODS: KubeResource = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', scope: 'namespaced' };

export interface LivePodsOptions {
  readonly client: KubeClient;
  /** The pod of that name in our copy of the cluster. */
  readonly known: (namespace: string, name: string) => Pod | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Pods as they are, for decisions that must not depend on how far our copy of the cluster is behind: what it lacks is looked
 * for in the API server, within bounds.
 */
export class LivePods {
  readonly #options: LivePodsOptions;
  readonly #absent: ExpiringMap<string, true>;
  #underWay = 0;

  constructor(options: LivePodsOptions) {
    this.#options = options;
    this.#absent = new ExpiringMap(options.clock, LIVE_READ_LIMITS.absentMax);
  }

  /** The pod a token is bound to; null when there is none of that name and UID. @throws GrpcError as `runsServiceAccount`. */
  async find({ namespace, podName, podUid }: TokenBearer): Promise<LivePod | null> {
    const known = this.#options.known(namespace, podName);
    if (known?.meta.uid === podUid && known.nodeName !== '') return liveOf(known);
    const name = { namespace, name: podName };
    return await this.#unlessAbsent(`${namespace}/${podName}/${podUid}`, null, async (signal) => {
      const pod = readPod(await this.#options.client.get(PODS, name, signal));
      return pod?.meta.uid === podUid ? liveOf(pod) : null;
    });
  }

  /**
   * Whether the API server has a pod of that service account on that node that has not finished.
   * @throws GrpcError `unavailable` when it cannot be asked, `resource-exhausted` when too many ask.
   */
  async runsServiceAccount(node: string, namespace: string, serviceAccount: string): Promise<boolean> {
    const fieldSelector = `spec.nodeName=${node},spec.serviceAccountName=${serviceAccount}`;
    return await this.#unlessAbsent(`${namespace}/${fieldSelector}`, false, async (signal) => {
      const { items } = await this.#options.client.listPage(PODS, { namespace, fieldSelector }, null, signal);
      return items.some((item) => {
        const pod = readPod(item);
        return pod !== null && pod.phase !== 'Succeeded' && pod.phase !== 'Failed';
      });
    });
  }

  async #unlessAbsent<T>(key: string, absent: T, read: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#absent.get(key) === true) return absent;
    const found = await this.#read(absent, read);
    if (found === absent) this.#absent.set(key, true, LIVE_READ_LIMITS.absentMs);
    return found;
  }

  async #read<T>(absent: T, read: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, logger } = this.#options;
    if (this.#underWay >= LIVE_READ_LIMITS.underWayMax) {
      throw new GrpcError('resource-exhausted', { data: { reason: 'too-many-live-reads' } });
    }
    this.#underWay++;
    try {
      return await callWithin(clock, LIVE_READ_LIMITS.readMs, new AbortController().signal, read);
    } catch (error) {
      if (error instanceof KubeApiError && error.code === 'not-found') return absent;
      logger.warn('pod cannot be looked up in the API server', { error }, { limitBy: String(error) });
      throw new GrpcError('unavailable', { cause: error });
    } finally {
      this.#underWay--;
    }
  }
}

function liveOf({ meta, nodeName, serviceAccountName }: Pod): LivePod {
  return { uid: meta.uid, nodeName, serviceAccountName };
}

/** Null for what is no pod or none that we can read. */
function readPod(json: RawObject): Pod | null {
  try {
    const object = json === null ? null : parseObject(json);
    return object?.kind === 'Pod' ? object : null;
  } catch {
    return null;
  }
}
