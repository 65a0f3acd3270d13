import { KubeApiError, type KubeClient, type KubeResource, listAll } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { jsonAt, jsonText } from '../json.ts';
import type { LeaderWork } from '../leader/index.ts';
import { Bell, type RoundTiming } from './bell.ts';
import { decideCopies, type PresentCopy } from './decide-copies.ts';

const CONFIG_MAPS: KubeResource = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  kind: 'ConfigMap',
  scope: 'namespaced',
};
const FIELD_MANAGER = 'ambit-controller';
/** An edit by somebody else stays until the next round. */
const TIMING: RoundTiming = { pauseMs: 500, resyncMs: 30_000 };

export interface ConfigMapCopiesOptions {
  readonly client: KubeClient;
  /** Of the ConfigMaps. */
  readonly name: string;
  /** Their only key. */
  readonly key: string;
  /** Tells ours from others of the name. */
  readonly label: string;
  /** What they say now; null while nobody knows: they stay as they are. */
  readonly text: () => string | null;
  /** Namespaces that need one. */
  readonly wanted: () => ReadonlySet<string>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps a ConfigMap of one name and text in every namespace that needs it, and in no other. */
export class ConfigMapCopies {
  readonly #options: ConfigMapCopiesOptions;
  readonly #bell: Bell;

  constructor(options: ConfigMapCopiesOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
  }

  /** The text has changed, or who needs it. */
  changed(): void {
    this.#bell.ring();
  }

  /** Work of the leader: what is missing or wrong is written, at once after a change and otherwise from time to time. */
  readonly work: LeaderWork = async (signal) => {
    await this.#bell.repeat(() => this.#round(signal), TIMING, signal);
  };

  async #round(signal: AbortSignal): Promise<void> {
    const { client, logger, name, text: textNow, wanted } = this.#options;
    const text = textNow();
    if (text === null) return;
    const present = await this.#present(signal);
    const { apply, remove } = decideCopies({ text, wanted: wanted(), present });
    for (const namespace of apply) {
      await this.#each('ConfigMap cannot be written', namespace, signal, async () => {
        const object = this.#configMap(namespace, text);
        await client.apply(
          CONFIG_MAPS,
          { namespace, name },
          { object, fieldManager: FIELD_MANAGER, force: true },
          signal,
        );
      });
    }
    for (const namespace of remove) {
      await this.#each('ConfigMap cannot be removed', namespace, signal, async () => {
        await client.delete(CONFIG_MAPS, { namespace, name }, {}, signal);
      });
    }
    if (apply.length + remove.length > 0) {
      logger.info('ConfigMaps written', {
        name,
        'namespaces.written': apply.length,
        'namespaces.left': remove.length,
      });
    }
  }

  /** One namespace that refuses (it is being deleted, say) must not keep the others from theirs. */
  async #each(message: string, namespace: string, signal: AbortSignal, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (signal.aborted || !(error instanceof KubeApiError) || error.code === 'unreachable') throw error;
      const { logger, name } = this.#options;
      logger.warn(message, { name, namespace, error });
    }
  }

  /** Those with our label, and those of the wanted namespaces that have lost it. */
  async #present(signal: AbortSignal): Promise<ReadonlyMap<string, PresentCopy>> {
    const { client, name, key, label } = this.#options;
    const found = new Map<string, PresentCopy>();
    const selection = { fieldSelector: `metadata.name=${name}` };
    for await (const object of listAll(client, CONFIG_MAPS, selection, signal)) {
      const text = jsonAt(object, 'data', key);
      const isOurs = jsonText(object, 'metadata', 'labels', label) === 'true';
      found.set(jsonText(object, 'metadata', 'namespace'), { text: typeof text === 'string' ? text : null, isOurs });
    }
    return found;
  }

  #configMap(namespace: string, text: string): unknown {
    const { name, key, label } = this.#options;
    return {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace, labels: { [label]: 'true' } },
      data: { [key]: text },
    };
  }
}
