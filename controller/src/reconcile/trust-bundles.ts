import { decideEnrolment, MODE_LABEL, WAYPOINT_CLASS } from '@ambit/mesh/kinds';
import type { KubeClient } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { ObjectCollections } from '../collections/object-collections.ts';
import { REVOCATION_LISTS } from './decide-copies.ts';
import { ConfigMapCopies } from './config-map-copies.ts';

export interface TrustBundleOptions {
  readonly client: KubeClient;
  readonly objects: ObjectCollections;
  /** The controller's own namespace: always has a bundle. */
  readonly ownNamespace: string;
  readonly excludedNamespaces: readonly string[];
  /** The roots now, PEM. */
  readonly bundlePem: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Keeps the trust bundle, under which workloads and agents find the roots of the mesh, in every namespace that has enrolled pods or
 * waypoints, or will enrol those that come. To be made before the first objects arrive: it follows them from then on.
 */
export function createTrustBundles(options: TrustBundleOptions): ConfigMapCopies {
  const { objects, ownNamespace, excludedNamespaces, bundlePem } = options;
  const wanted = (): ReadonlySet<string> => {
    const found = namespacesWithWaypoints(objects, ownNamespace);
    for (const [, namespace] of objects.namespaces.entries()) {
      const { name, labels } = namespace.meta;
      if (labels.get(MODE_LABEL) === 'ambient' && !excludedNamespaces.includes(name)) found.add(name);
    }
    for (const [, pod] of objects.pods.entries()) {
      const { namespace } = pod.meta;
      if (found.has(namespace)) continue;
      const { kind } = decideEnrolment(pod, objects.namespaces.get(`/${namespace}`), excludedNamespaces);
      if (kind === 'enrolled') found.add(namespace);
    }
    return found;
  };
  const copies = new ConfigMapCopies({
    ...options,
    name: 'ambit-ca-root-cert',
    key: 'root-cert.pem',
    label: 'ambit.dev/trust-bundle',
    text: bundlePem,
    wanted,
  });
  for (const followed of [objects.namespaces, objects.pods, objects.gateways])
    followed.onChange(() => copies.changed());
  return copies;
}

export interface RevocationListOptions {
  readonly client: KubeClient;
  readonly objects: ObjectCollections;
  /** The controller's own namespace, where node agents are: always has the lists. */
  readonly ownNamespace: string;
  /** PEM of the lists now; empty: nothing is revoked. Null while nobody knows: those that were written stay. */
  readonly listsPem: () => string | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps the revocation lists where proxies that read them are: with node agents, and with waypoints. Otherwise as `createTrustBundles`. */
export function createRevocationLists(options: RevocationListOptions): ConfigMapCopies {
  const { objects, ownNamespace, listsPem } = options;
  const copies = new ConfigMapCopies({
    ...options,
    ...REVOCATION_LISTS,
    label: 'ambit.dev/revocation-lists',
    text: listsPem,
    wanted: () => namespacesWithWaypoints(objects, ownNamespace),
  });
  objects.gateways.onChange(() => copies.changed());
  return copies;
}

function namespacesWithWaypoints(objects: ObjectCollections, ownNamespace: string): Set<string> {
  const found = new Set<string>([ownNamespace]);
  for (const [, { className, meta }] of objects.gateways.entries()) {
    if (className === WAYPOINT_CLASS) found.add(meta.namespace);
  }
  return found;
}
