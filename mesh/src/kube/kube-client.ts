import type { RawObject } from '../kinds/parse-object.ts';
import type { Recovery } from './recovery.ts';

/** A kind as the API server's paths name it. */
export interface KubeResource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly scope: 'cluster' | 'namespaced';
}

/** Which objects of a kind. Everything absent means all. */
export interface KubeSelection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** One object's name; the namespace is empty for cluster-scoped kinds. */
export interface KubeName {
  readonly namespace: string;
  readonly name: string;
}

/** One page of a list. */
export interface KubeListPage {
  readonly items: readonly RawObject[];
  /** Where to begin to watch, once the last page is there. */
  readonly resourceVersion: string;
  /** Null on the last page. */
  readonly continueToken: string | null;
}

/** One line of a watch. A bookmark carries no object, only how far the watch has come. */
export type KubeWatchEvent =
  | { readonly kind: 'put'; readonly object: RawObject; readonly resourceVersion: string }
  | { readonly kind: 'delete'; readonly object: RawObject; readonly resourceVersion: string }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string };

/** What a write is checked against: it fails with `conflict` unless these are still true. */
export interface KubePreconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** Server-side apply: the fields of `object` become this manager's. */
export interface KubeApply {
  /** With apiVersion, kind and metadata. */
  readonly object: RawObject;
  readonly fieldManager: string;
  /** Take over fields of other managers; without it their owner makes it a `conflict`. */
  readonly force: boolean;
  readonly subresource?: 'status';
}

/** A part of an object that is created by itself, such as `token` of a ServiceAccount. */
export interface KubeSubresource {
  readonly name: string;
  readonly subresource: 'token' | 'eviction' | 'binding';
}

/**
 * The API server, as much of it as Ambit uses. Every call rejects with KubeApiError, except that an aborted signal rejects
 * with its reason. Nothing retries in here: callers know what is worth repeating (`KubeApiError.retryable`).
 */
export interface KubeClient {
  /** Tells when calls that failed are worth repeating before their time. */
  readonly recovery?: Recovery;

  /** Null when the object does not exist, which a kind that is not served looks like too. */
  get(resource: KubeResource, name: KubeName, signal: AbortSignal): Promise<RawObject>;
  /**
   * One page of at most `itemsMax` (default 500); `continueToken` of the page before, or null for the first. Items have
   * apiVersion and kind, which the API server leaves out, and no managedFields. `too-large`: ask for fewer.
   */
  listPage(
    resource: KubeResource,
    selection: KubeSelection,
    continueToken: string | null,
    signal: AbortSignal,
    itemsMax?: number,
  ): Promise<KubeListPage>;
  /**
   * Events after `resourceVersion`, until the server ends the watch (returns) or refuses it (throws; `gone` asks for a new
   * list). `onOpen` is called when it is accepted, which may be long before the first event.
   */
  watch(
    resource: KubeResource,
    selection: KubeSelection,
    resourceVersion: string,
    signal: AbortSignal,
    onOpen?: () => void,
  ): AsyncIterable<KubeWatchEvent>;
  /** `already-exists` when there is one of that name. Also for reviews, which are answered and not kept. */
  create(
    resource: KubeResource,
    namespace: string,
    object: RawObject,
    signal: AbortSignal,
    of?: KubeSubresource,
  ): Promise<RawObject>;
  /** Replaces as a whole; the object's own resourceVersion, when it has one, must still be the current one. */
  replace(resource: KubeResource, name: KubeName, object: RawObject, signal: AbortSignal): Promise<RawObject>;
  apply(resource: KubeResource, name: KubeName, apply: KubeApply, signal: AbortSignal): Promise<RawObject>;
  /** JSON merge patch (RFC 7386). */
  mergePatch(
    resource: KubeResource,
    name: KubeName,
    patch: RawObject,
    signal: AbortSignal,
    subresource?: 'status',
  ): Promise<RawObject>;
  /** True when it was there; `conflict` when a precondition does not hold. */
  delete(
    resource: KubeResource,
    name: KubeName,
    preconditions: KubePreconditions,
    signal: AbortSignal,
  ): Promise<boolean>;
}
