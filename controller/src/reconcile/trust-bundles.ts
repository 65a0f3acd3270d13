import { decideEnrolment, MODE_LABEL, WAYPOINT_CLASS } from '@ambit/mesh/kinds';
import { KubeApiError, type KubeClient, type KubeResource, listAll } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { ObjectCollections } from '../collections/object-collections.ts';
import { jsonAt, jsonText } from '../json.ts';
import type { LeaderWork } from '../leader/index.ts';
import { Bell, type RoundTiming } from './bell.ts';
import { decideTrustBundles, type PresentBundle } from './decide-trust-bundles.ts';

/** Where workloads and agents find the roots of the mesh: a ConfigMap of this name, under this key. */
export const TRUST_BUNDLE_NAME = 'ambit-ca-root-cert';
export const TRUST_BUNDLE_KEY = 'root-cert.pem';

const CONFIG_MAPS: KubeResource = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  kind: 'ConfigMap',
  scope: 'namespaced',
};
const OURS_LABEL = 'ambit.dev/trust-bundle';
const FIELD_MANAGER = 'ambit-controller';
/** An edit by somebody else stays until the next round. */
const TIMING: RoundTiming = { pauseMs: 500, resyncMs: 30_000 };

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

/** Keeps the trust bundle in every namespace that has enrolled pods or waypoints, or will enrol those that come. */
export class TrustBundles {
  readonly #options: TrustBundleOptions;
  readonly #bell: Bell;

  /** Make it before the first objects arrive: it follows them from then on. */
  constructor(options: TrustBundleOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
    options.objects.namespaces.onChange(() => this.#bell.ring());
    options.objects.pods.onChange(() => this.#bell.ring());
    options.objects.gateways.onChange(() => this.#bell.ring());
  }

  /** The bundle has changed. */
  changed(): void {
    this.#bell.ring();
  }

  /** Work of the leader: what is missing or wrong is written, at once after a change and otherwise from time to time. */
  readonly work: LeaderWork = async (signal) => {
    await this.#bell.repeat(() => this.#round(signal), TIMING, signal);
  };

  async #round(signal: AbortSignal): Promise<void> {
    const { client, logger, bundlePem } = this.#options;
    const pem = bundlePem();
    const present = await this.#present(signal);
    const { apply, remove } = decideTrustBundles({ pem, wanted: this.#wanted(), present });
    for (const namespace of apply) {
      await this.#each('trust bundle cannot be written', namespace, signal, async () => {
        const name = { namespace, name: TRUST_BUNDLE_NAME };
        const object = configMap(namespace, pem);
        await client.apply(CONFIG_MAPS, name, { object, fieldManager: FIELD_MANAGER, force: true }, signal);
      });
    }
    for (const namespace of remove) {
      await this.#each('trust bundle cannot be removed', namespace, signal, async () => {
        await client.delete(CONFIG_MAPS, { namespace, name: TRUST_BUNDLE_NAME }, {}, signal);
      });
    }
    if (apply.length + remove.length > 0) {
      logger.info('trust bundles written', { 'namespaces.written': apply.length, 'namespaces.left': remove.length });
    }
  }

  /** One namespace that refuses (it is being deleted, say) must not keep the others from theirs. */
  async #each(message: string, namespace: string, signal: AbortSignal, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (signal.aborted || !(error instanceof KubeApiError) || error.code === 'unreachable') throw error;
      this.#options.logger.warn(message, { namespace, error });
    }
  }

  /** Those with our label, and those of the wanted namespaces that have lost it. */
  async #present(signal: AbortSignal): Promise<ReadonlyMap<string, PresentBundle>> {
    const { client } = this.#options;
    const found = new Map<string, PresentBundle>();
    const selection = { fieldSelector: `metadata.name=${TRUST_BUNDLE_NAME}` };
    for await (const object of listAll(client, CONFIG_MAPS, selection, signal)) {
      const pem = jsonAt(object, 'data', TRUST_BUNDLE_KEY);
      const isOurs = jsonText(object, 'metadata', 'labels', OURS_LABEL) === 'true';
      found.set(jsonText(object, 'metadata', 'namespace'), { pem: typeof pem === 'string' ? pem : null, isOurs });
    }
    return found;
  }

  #wanted(): ReadonlySet<string> {
    const { objects, ownNamespace, excludedNamespaces } = this.#options;
    const wanted = new Set<string>([ownNamespace]);
    for (const [, namespace] of objects.namespaces.entries()) {
      const { name, labels } = namespace.meta;
      if (labels.get(MODE_LABEL) === 'ambient' && !excludedNamespaces.includes(name)) wanted.add(name);
    }
    for (const [, { className, meta }] of objects.gateways.entries()) {
      if (className === WAYPOINT_CLASS) wanted.add(meta.namespace);
    }
    for (const [, pod] of objects.pods.entries()) {
      const { namespace } = pod.meta;
      if (wanted.has(namespace)) continue;
      const { kind } = decideEnrolment(pod, objects.namespaces.get(`/${namespace}`), excludedNamespaces);
      if (kind === 'enrolled') wanted.add(namespace);
    }
    return wanted;
  }
}

function configMap(namespace: string, pem: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: TRUST_BUNDLE_NAME, namespace, labels: { [OURS_LABEL]: 'true' } },
    data: { [TRUST_BUNDLE_KEY]: pem },
  };
}
