import { SESSION_KEY_BYTES } from '@ambit/mesh/routes';
import type { PrivateDirectory } from '@ambit/mesh/tls';
import { IdentityError } from '../errors.ts';
import type { SecretStore } from '../secrets/secret-store.ts';
import type { SessionSecret } from './decide-session-secret.ts';

/** Name of the Secret, and of the file where there is no Kubernetes. */
export const SESSION_SECRET = 'ambit-session-keys';
const SESSION_FILE = 'session-keys.secret.json';

/** What is kept, and how it is replaced. */
export interface KeptSessionSecret {
  readonly secret: SessionSecret;
  /** False when it is not what was read any more. */
  replace(next: SessionSecret, signal: AbortSignal): Promise<boolean>;
}

/** Where the secret of sessions is kept. Rejects with IdentityError when what is there cannot be used. */
export interface SessionSecretStore {
  /** Null when there is none. */
  read(signal: AbortSignal): Promise<KeptSessionSecret | null>;
  /** False when somebody made one before. */
  create(secret: SessionSecret, signal: AbortSignal): Promise<boolean>;
}

/** In a Secret, which all replicas read. */
export function sessionSecretIn(store: SecretStore): SessionSecretStore {
  return {
    read: async (signal) => {
      const stored = await store.read(SESSION_SECRET, signal);
      if (stored === null) return null;
      const { annotations } = stored;
      return {
        secret: parseTexts(stored.texts, SESSION_SECRET),
        replace: (next, within) => store.replace(SESSION_SECRET, stored, { texts: textsOf(next), annotations }, within),
      };
    },
    create: (secret, signal) =>
      store.create(SESSION_SECRET, { texts: textsOf(secret), annotations: new Map() }, signal),
  };
}

/** In a file of the state directory, which is that of one process. */
export function sessionSecretFile(state: PrivateDirectory): SessionSecretStore {
  const format = (secret: SessionSecret): string => `${JSON.stringify(Object.fromEntries(textsOf(secret)))}\n`;
  return {
    read: async () => {
      const text = state.read(SESSION_FILE);
      if (text === undefined) return null;
      return {
        secret: parseTexts(textsIn(text, `${state.path}/${SESSION_FILE}`), `${state.path}/${SESSION_FILE}`),
        replace: async (next) => {
          state.write(SESSION_FILE, format(next));
          return true;
        },
      };
    },
    create: async (secret) => state.create(SESSION_FILE, format(secret)),
  };
}

function textsOf({ current, next, previous, sinceMs }: SessionSecret): ReadonlyMap<string, string> {
  const texts = new Map([['since', new Date(sinceMs).toISOString()]]);
  for (const [name, secret] of Object.entries({ current, next, previous })) {
    if (secret !== null) texts.set(name, Buffer.from(secret).toString('base64'));
  }
  return texts;
}

function textsIn(json: string, where: string): ReadonlyMap<string, string> {
  try {
    return new Map(Object.entries(JSON.parse(json)).map(([name, value]) => [name, String(value)]));
  } catch {
    // Without the cause, which quotes the text.
    throw unusable(where, 'no JSON object');
  }
}

/** Nothing of a secret is in an error. */
function parseTexts(texts: ReadonlyMap<string, string>, where: string): SessionSecret {
  const secretOf = (name: string): Uint8Array | null => {
    const text = texts.get(name);
    if (text === undefined) return null;
    const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
    if (bytes.length !== SESSION_KEY_BYTES)
      throw unusable(where, `${name} is not ${SESSION_KEY_BYTES} bytes in base64`);
    return bytes;
  };
  const current = secretOf('current');
  if (current === null) throw unusable(where, 'current is missing');
  const sinceMs = Date.parse(texts.get('since') ?? '');
  if (Number.isNaN(sinceMs)) throw unusable(where, 'since is not a time');
  return { current, next: secretOf('next'), previous: secretOf('previous'), sinceMs };
}

function unusable(where: string, reason: string): IdentityError {
  return new IdentityError('session-secret-unusable', { data: { where, reason } });
}
