import {
  keyOf,
  type MeshObject,
  type ObjectObserver,
  type ObjectSource,
  parseObject,
  type RawObject,
} from '@ambit/mesh/kinds';
import { KubeApiError, type KubeClient, type KubeWatchEvent } from '@ambit/mesh/kube';

type Json = Readonly<Record<string, unknown>>;

/**
 * Stands in for the API server, as far as the CNI agent calls it. It does not check rights, versions or schemas, it never ends a watch,
 * and its watch shows a write at once unless it is told to lag.
 */
export class StandInApi implements ObjectSource {
  readonly objects: Map<string, Json> = new Map();
  readonly events: Json[] = [];
  /** Every call fails as if nobody listened. */
  isDown = false;
  /** Changes reach the watch only once this is false again. */
  isLagging = false;
  #observer: ObjectObserver | null = null;
  readonly #late: (() => void)[] = [];
  readonly #daemonSetWatchers: Set<(event: KubeWatchEvent) => void> = new Set();

  readonly client: KubeClient = {
    get: async (resource, { namespace, name }) => {
      if (this.isDown) throw new KubeApiError('unreachable');
      return this.objects.get(`${resource.kind}/${namespace}/${name}`) ?? null;
    },
    mergePatch: async (resource, { namespace, name }, patch) => {
      const object = this.#read(`${resource.kind}/${namespace}/${name}`);
      const annotations = { ...Object(Reflect.get(Object(object['metadata']), 'annotations')) };
      for (const [key, value] of Object.entries(Object(Reflect.get(Object(patch), 'metadata').annotations))) {
        if (value === null) delete annotations[key];
        else annotations[key] = value;
      }
      this.put({ ...object, metadata: { ...Object(object['metadata']), annotations } });
      return object;
    },
    create: async (_resource, _namespace, object) => {
      if (this.isDown) throw new KubeApiError('unreachable');
      this.events.push(Object(object));
      return object;
    },
    watch: (resource, { namespace, fieldSelector = '' }, _version, signal) =>
      this.#watch(`${resource.kind}/${namespace}/${fieldSelector.split('=')[1]}`, signal),
    listPage: async (resource, { namespace = '', fieldSelector = '' }) => {
      if (this.isDown) throw new KubeApiError('unreachable');
      const object = this.objects.get(`${resource.kind}/${namespace}/${fieldSelector.split('=')[1]}`);
      return { items: object === undefined ? [] : [object], resourceVersion: '1', continueToken: null };
    },
    replace: unused,
    apply: unused,
    delete: unused,
  };

  async watch(observer: ObjectObserver): Promise<void> {
    this.#observer = observer;
    const objects = [...this.objects.values()].flatMap((object) => parse(object) ?? []);
    observer.onChanges(objects.map((object) => ({ kind: 'put', object })));
  }

  put(object: Json): void {
    this.objects.set(keyIn(object), object);
    const parsed = parse(object);
    if (parsed !== null) this.#show(() => this.#observer?.onChanges([{ kind: 'put', object: parsed }]));
  }

  delete(kind: string, namespace: string, name: string): void {
    const key = `${kind}/${namespace}/${name}`;
    const object = this.objects.get(key);
    this.objects.delete(key);
    if (object === undefined) return;
    for (const notify of this.#daemonSetWatchers) notify({ kind: 'delete', object, resourceVersion: '2' });
    const last = parse(object);
    if (last !== null) this.#show(() => this.#observer?.onChanges([{ kind: 'delete', key: keyOf(last), last }]));
  }

  /** The watch shows what it has not shown yet. */
  catchUp(): void {
    this.isLagging = false;
    for (const show of this.#late.splice(0)) show();
  }

  namespace(name: string, labels: Json = {}): void {
    this.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  }

  #show(show: () => void): void {
    if (this.isLagging) this.#late.push(show);
    else show();
  }

  #read(key: string): Json {
    if (this.isDown) throw new KubeApiError('unreachable');
    const object = this.objects.get(key);
    if (object === undefined) throw new KubeApiError('not-found');
    return object;
  }

  /** Of one object, which existed a moment ago; what happened since is shown first. */
  async *#watch(key: string, signal: AbortSignal): AsyncGenerator<KubeWatchEvent> {
    if (!this.objects.has(key)) yield { kind: 'delete', object: {}, resourceVersion: '2' };
    while (!signal.aborted) {
      const next = Promise.withResolvers<KubeWatchEvent | null>();
      this.#daemonSetWatchers.add(next.resolve);
      signal.addEventListener('abort', () => next.resolve(null), { once: true });
      const event = await next.promise;
      this.#daemonSetWatchers.delete(next.resolve);
      if (event !== null) yield event;
    }
  }
}

function parse(object: RawObject): MeshObject | null {
  return parseObject(object);
}

function keyIn(object: Json): string {
  const { namespace = '', name } = Object(object['metadata']) as { namespace?: string; name: string };
  return `${String(object['kind'])}/${namespace}/${name}`;
}

function unused(): never {
  throw new Error('the CNI agent has no reason to call this');
}
