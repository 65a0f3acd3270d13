import { type KubeClient, KubeApiError, type KubeResource } from '@ambit/mesh/kube';
import { isRecord, jsonAt, jsonText } from '../../json.ts';

const SECRETS: KubeResource = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', scope: 'namespaced' };

/** A Secret's texts. Never to be logged. */
export interface StoredSecret {
  readonly texts: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  readonly resourceVersion: string;
}

/** What a Secret is to hold. */
export type SecretContent = Pick<StoredSecret, 'texts' | 'annotations'>;

/** Single Secrets of one namespace, by name. Every call rejects with KubeApiError when the API server says no. */
export class SecretStore {
  readonly #client: KubeClient;
  readonly #namespace: string;

  constructor(client: KubeClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  /** Null when there is none. */
  async read(name: string, signal: AbortSignal): Promise<StoredSecret | null> {
    try {
      const object = await this.#client.get(SECRETS, { namespace: this.#namespace, name }, signal);
      return isRecord(object) ? readSecret(object) : null;
    } catch (error) {
      if (error instanceof KubeApiError && error.code === 'not-found') return null;
      throw error;
    }
  }

  /** False when somebody made one before. */
  async create(name: string, content: SecretContent, signal: AbortSignal): Promise<boolean> {
    const object = formatSecret(this.#namespace, name, content, '');
    return await unlessRaced(this.#client.create(SECRETS, this.#namespace, object, signal));
  }

  /** False when it is not the version that was read any more. */
  async replace(name: string, before: StoredSecret, content: SecretContent, signal: AbortSignal): Promise<boolean> {
    const object = formatSecret(this.#namespace, name, content, before.resourceVersion);
    return await unlessRaced(this.#client.replace(SECRETS, { namespace: this.#namespace, name }, object, signal));
  }
}

async function unlessRaced(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (error instanceof KubeApiError && (error.code === 'conflict' || error.code === 'already-exists')) return false;
    throw error;
  }
}

function readSecret(object: unknown): StoredSecret {
  const texts = new Map<string, string>();
  for (const [key, text] of textsAt(object, 'data')) texts.set(key, Buffer.from(text, 'base64').toString('utf8'));
  return {
    texts,
    annotations: new Map(textsAt(object, 'metadata', 'annotations')),
    resourceVersion: jsonText(object, 'metadata', 'resourceVersion'),
  };
}

function textsAt(object: unknown, ...path: readonly string[]): readonly (readonly [string, string])[] {
  const members = jsonAt(object, ...path);
  if (!isRecord(members)) return [];
  return Object.entries(members).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value] as const] : []));
}

function formatSecret(
  namespace: string,
  name: string,
  { texts, annotations }: SecretContent,
  resourceVersion: string,
): Readonly<Record<string, unknown>> {
  const base64 = ([key, text]: readonly [string, string]): [string, string] => [
    key,
    Buffer.from(text, 'utf8').toString('base64'),
  ];
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: {
      namespace,
      name,
      labels: { 'app.kubernetes.io/part-of': 'ambit', 'app.kubernetes.io/managed-by': 'ambit-controller' },
      annotations: Object.fromEntries(annotations),
      ...(resourceVersion === '' ? {} : { resourceVersion }),
    },
    data: Object.fromEntries([...texts].map(base64)),
  };
}
