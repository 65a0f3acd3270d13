import type { IncomingMessage } from 'node:http';
import type { RawObject } from '../kinds/parse-object.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Instruments, Metrics } from '../runtime/metrics.ts';
import { ApiConnection, type ApiRequest } from './api-connection.ts';
import { apiPath, type ApiQuery, type ApiTarget } from './api-path.ts';
import { KubeApiError } from './errors.ts';
import type { KubeAccess } from './kube-access.ts';
import type {
  KubeApply,
  KubeClient,
  KubeListPage,
  KubeName,
  KubePreconditions,
  KubeResource,
  KubeSelection,
  KubeSubresource,
  KubeWatchEvent,
} from './kube-client.ts';
import { KUBE_LIMITS, type KubeLimits, LIST_PAGE_ITEMS, WATCH_SECONDS_MIN } from './limits.ts';
import { decodeListPage, decodeWatchEvent } from './decode-response.ts';
import { KUBE_CLIENT_METRICS } from './metrics.ts';
import { Recovery } from './recovery.ts';
import { parseJson, readBody, readLines } from './read-response.ts';

export interface KubeClientOptions {
  readonly access: KubeAccess;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Shown in the API server's audit log, such as `ambit-controller/0.1.0`. */
  readonly userAgent: string;
  readonly limits?: KubeLimits;
  /** Numbers in [0, 1). */
  readonly random?: () => number;
}

type Verb = 'get' | 'list' | 'watch' | 'create' | 'replace' | 'apply' | 'patch' | 'delete';

const METHODS = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  replace: 'PUT',
  apply: 'PATCH',
  patch: 'PATCH',
  delete: 'DELETE',
} as const satisfies Record<Verb, ApiRequest['method']>;

const JSON_TYPE = 'application/json';
const MERGE_PATCH_TYPE = 'application/merge-patch+json';
/** Any JSON is YAML. */
const APPLY_TYPE = 'application/apply-patch+yaml';

/** A client of one API server. Its connections are closed when it is disposed of; abort what runs before. */
export function createKubeClient(options: KubeClientOptions): KubeClient & Disposable {
  return new HttpsKubeClient(options);
}

class HttpsKubeClient implements KubeClient, Disposable {
  readonly #connection: ApiConnection;
  readonly #limits: KubeLimits;
  readonly #metrics: Instruments<typeof KUBE_CLIENT_METRICS>;
  readonly #random: () => number;
  readonly recovery: Recovery;

  constructor(options: KubeClientOptions) {
    this.#limits = options.limits ?? KUBE_LIMITS;
    this.#random = options.random ?? Math.random;
    this.#metrics = options.metrics.register(KUBE_CLIENT_METRICS);
    const { access, clock, userAgent } = options;
    this.recovery = new Recovery(clock);
    this.#connection = new ApiConnection({ access, clock, userAgent, limits: this.#limits });
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  async get(resource: KubeResource, name: KubeName, signal: AbortSignal): Promise<RawObject> {
    try {
      return await this.#call('get', resource, name, signal);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  async listPage(
    resource: KubeResource,
    selection: KubeSelection,
    continueToken: string | null,
    signal: AbortSignal,
    itemsMax: number = LIST_PAGE_ITEMS,
  ): Promise<KubeListPage> {
    const query = { ...selectors(selection), limit: String(itemsMax), continue: continueToken ?? undefined };
    const target = { namespace: selection.namespace ?? '' };
    return this.#callFor('list', resource, target, signal, { query }, (body) => decodeListPage(resource, body));
  }

  async *watch(
    resource: KubeResource,
    selection: KubeSelection,
    resourceVersion: string,
    signal: AbortSignal,
    onOpen?: () => void,
  ): AsyncIterable<KubeWatchEvent> {
    const timeoutSeconds = String(Math.round(WATCH_SECONDS_MIN * (1 + this.#random())));
    const request = this.#request(
      'watch',
      resource,
      { namespace: selection.namespace ?? '' },
      {
        query: { ...selectors(selection), watch: '1', allowWatchBookmarks: 'true', resourceVersion, timeoutSeconds },
      },
    );
    const bytesMax = this.#limits.watchLineBytesMax;
    const { recovery } = this;
    const read = async function* (response: IncomingMessage): AsyncGenerator<KubeWatchEvent> {
      recovery.answered();
      onOpen?.();
      for await (const line of readLines(response, request.call, bytesMax)) {
        yield decodeWatchEvent(resource, request.call, parseJson(line, request.call));
      }
    };
    try {
      yield* this.#connection.stream(request, signal, read);
    } catch (error) {
      throw this.#noted('watch', error, signal);
    }
  }

  create(
    resource: KubeResource,
    namespace: string,
    object: RawObject,
    signal: AbortSignal,
    of?: KubeSubresource,
  ): Promise<RawObject> {
    return this.#call('create', resource, { namespace, ...of }, signal, { json: object, type: JSON_TYPE });
  }

  replace(resource: KubeResource, name: KubeName, object: RawObject, signal: AbortSignal): Promise<RawObject> {
    return this.#call('replace', resource, name, signal, { json: object, type: JSON_TYPE });
  }

  apply(resource: KubeResource, name: KubeName, apply: KubeApply, signal: AbortSignal): Promise<RawObject> {
    const { object, fieldManager, force, subresource } = apply;
    const target = subresource === undefined ? name : { ...name, subresource };
    const query = { fieldManager, force: String(force) };
    return this.#call('apply', resource, target, signal, { json: object, type: APPLY_TYPE, query });
  }

  mergePatch(
    resource: KubeResource,
    name: KubeName,
    patch: RawObject,
    signal: AbortSignal,
    subresource?: 'status',
  ): Promise<RawObject> {
    const target = subresource === undefined ? name : { ...name, subresource };
    return this.#call('patch', resource, target, signal, { json: patch, type: MERGE_PATCH_TYPE });
  }

  async delete(
    resource: KubeResource,
    name: KubeName,
    preconditions: KubePreconditions,
    signal: AbortSignal,
  ): Promise<boolean> {
    const json = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions };
    try {
      await this.#call('delete', resource, name, signal, { json, type: JSON_TYPE });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  #call(
    verb: Verb,
    resource: KubeResource,
    target: ApiTarget,
    signal: AbortSignal,
    content: RequestContent = {},
  ): Promise<RawObject> {
    return this.#callFor(verb, resource, target, signal, content, (body) => body);
  }

  async #callFor<T>(
    verb: Verb,
    resource: KubeResource,
    target: ApiTarget,
    signal: AbortSignal,
    content: RequestContent,
    decode: (body: unknown) => T,
  ): Promise<T> {
    const request = this.#request(verb, resource, target, content);
    try {
      return await this.#connection.call(request, signal, async (response) => {
        const body = await readBody(response, request.call, this.#limits.responseBytesMax);
        this.recovery.answered();
        return decode(parseJson(body, request.call));
      });
    } catch (error) {
      throw this.#noted(verb, error, signal);
    }
  }

  #request(verb: Verb, resource: KubeResource, target: ApiTarget, content: RequestContent): ApiRequest {
    const { json, type, query } = content;
    const what = [target.namespace, target.name].filter((part) => part !== undefined && part !== '').join('/');
    const part = target.subresource === undefined ? resource.plural : `${resource.plural}/${target.subresource}`;
    return {
      method: METHODS[verb],
      path: apiPath(resource, target, query),
      call: what === '' ? `${verb} ${part}` : `${verb} ${part} ${what}`,
      ...(type === undefined ? {} : { body: { json, type } }),
    };
  }

  /** Aborted calls did not fail, and what is looked for and not there is an answer. */
  #noted(verb: Verb, error: unknown, signal: AbortSignal): unknown {
    if (error instanceof KubeApiError && error.code === 'unreachable' && !signal.aborted) this.recovery.unanswered();
    const answer = isNotFound(error) && (verb === 'get' || verb === 'delete');
    if (error instanceof KubeApiError && !answer) this.#metrics.apiErrors.add([verb, error.code]);
    return error;
  }
}

interface RequestContent {
  readonly query?: ApiQuery;
  /** Sent when `type` is given. */
  readonly json?: unknown;
  readonly type?: string;
}

function selectors({ labelSelector, fieldSelector }: KubeSelection): ApiQuery {
  return { labelSelector, fieldSelector };
}

function isNotFound(error: unknown): boolean {
  return error instanceof KubeApiError && error.code === 'not-found';
}
