import type { RawObject } from '@ambit/mesh/kinds';
import {
  type KubeApply,
  KubeApiError,
  type KubeApiErrorCode,
  type KubeClient,
  type KubeName,
  type KubeResource,
} from '@ambit/mesh/kube';

type Json = Readonly<Record<string, unknown>>;

/**
 * Objects in memory behind the calls that reconcilers make: `get`, and `apply` as a shallow merge. It knows no schema, no
 * field ownership, no watch and no list; test:kube asks a real API server.
 */
export class MemoryKubeClient {
  readonly objects: Map<string, Json> = new Map();
  /** Every apply that succeeded, in order. */
  readonly applied: { readonly key: string; readonly apply: KubeApply }[] = [];
  /** Codes of errors that the next calls end with, in order. */
  readonly failures: KubeApiErrorCode[] = [];
  reads = 0;

  /** As the whole interface; what is not here ends the test. */
  get client(): KubeClient {
    const missing = (): never => {
      throw new Error('bug: MemoryKubeClient does not do this');
    };
    return {
      get: async (resource, name, signal) => this.#get(resource, name, signal),
      apply: async (resource, name, apply, signal) => this.#apply(resource, name, apply, signal),
      listPage: missing,
      watch: missing,
      create: missing,
      replace: missing,
      mergePatch: missing,
      delete: missing,
    };
  }

  put(resource: string, namespace: string, name: string, object: Json): void {
    this.objects.set(`${resource}/${namespace}/${name}`, object);
  }

  object(resource: string, namespace: string, name: string): Json | undefined {
    return this.objects.get(`${resource}/${namespace}/${name}`);
  }

  #get({ plural }: KubeResource, { namespace, name }: KubeName, signal: AbortSignal): RawObject {
    this.reads++;
    this.#fail(signal);
    return this.objects.get(`${plural}/${namespace}/${name}`) ?? null;
  }

  #apply({ plural }: KubeResource, { namespace, name }: KubeName, apply: KubeApply, signal: AbortSignal): RawObject {
    this.#fail(signal);
    const key = `${plural}/${namespace}/${name}`;
    const before = this.objects.get(key);
    if (before === undefined) throw new KubeApiError('not-found');
    const { metadata: _metadata, ...fields } = Object(apply.object) as Json;
    const after = { ...before, ...fields };
    this.objects.set(key, after);
    this.applied.push({ key, apply });
    return after;
  }

  #fail(signal: AbortSignal): void {
    signal.throwIfAborted();
    const code = this.failures.shift();
    if (code !== undefined) throw new KubeApiError(code);
  }
}
