import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { SESSION_KEY_BYTES } from './session-keys.ts';
import type { OpenedToken, SessionSeal } from './session-seal.ts';

const ALGORITHM = 'aes-256-gcm';
/** Which key a token is for: what is not for any of them costs no cipher. */
const ID_BYTES = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const OVERHEAD_BYTES = ID_BYTES + NONCE_BYTES + TAG_BYTES;
const TOKEN_CHARACTERS = /^[A-Za-z0-9_-]{39,2048}$/;

/**
 * The key of one holder, by what it is called: a Gateway's name, for its waypoints. Who has it learns neither the secret nor the key of
 * another holder; the same secret gives the same key everywhere and always.
 */
export function deriveSessionKey(secret: Uint8Array, holder: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', `ambit.dev session key v1\0${holder}`, SESSION_KEY_BYTES));
}

interface SealKey {
  readonly id: number;
  readonly key: KeyObject;
}

/**
 * A seal of AES-256-GCM: clients can neither read nor make nor move tokens. The first key seals, all of them open, so that
 * keys can be changed without ending sessions. Every waypoint of a service needs the same keys. @throws RangeError for keys
 * that are not 32 bytes, or none.
 */
export function createAesSeal(keys: readonly Uint8Array[]): SessionSeal {
  const known = keys.map(keyOf);
  const [current] = known;
  if (current === undefined) throw new RangeError('a seal needs a key');
  return {
    seal: (text, context) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, current.key, nonce);
      cipher.setAAD(Buffer.from(context));
      const sealed = [Buffer.of(current.id), nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
      return Buffer.concat(sealed).toString('base64url');
    },
    open: (token, context) => {
      if (!TOKEN_CHARACTERS.test(token)) return null;
      const bytes = Buffer.from(token, 'base64url');
      // Bits that say nothing would let a token have several forms.
      if (bytes.toString('base64url') !== token) return null;
      for (const key of known) {
        const opened = openWith(key, bytes, context);
        if (opened !== null) return { text: opened, isCurrent: key === current };
      }
      return null;
    },
  };
}

/** The same seal, which remembers the last tokens that it opened: a session's requests bring the same one again and again. */
export function createRememberingSeal(seal: SessionSeal, tokensMax: number): SessionSeal {
  // Two of half the size: when the younger is full it takes the place of the older.
  let young = new Map<string, Remembered>();
  let old = new Map<string, Remembered>();
  const remember = (token: string, one: Remembered): void => {
    if (young.size >= tokensMax / 2) {
      old = young;
      young = new Map();
    }
    young.set(token, one);
  };
  return {
    seal: (text, context) => seal.seal(text, context),
    open: (token, context) => {
      const known = young.get(token) ?? old.get(token);
      if (known !== undefined) {
        if (!young.has(token)) remember(token, known);
        return known.context === context ? known.opened : null;
      }
      const opened = seal.open(token, context);
      // In memory of its own: the token is a part of a head, which would be kept as a whole.
      if (opened !== null) remember(Buffer.from(token, 'latin1').toString('latin1'), { context, opened });
      return opened;
    },
  };
}

interface Remembered {
  readonly context: string;
  readonly opened: OpenedToken;
}

function keyOf(bytes: Uint8Array): SealKey {
  if (bytes.length !== SESSION_KEY_BYTES) throw new RangeError(`a seal needs keys of ${SESSION_KEY_BYTES} bytes`);
  return { id: hash('sha256', bytes, 'buffer')[0] ?? 0, key: createSecretKey(bytes) };
}

function openWith({ id, key }: SealKey, bytes: Buffer, context: string): string | null {
  if (bytes.length < OVERHEAD_BYTES || bytes[0] !== id) return null;
  const start = ID_BYTES + NONCE_BYTES;
  const end = bytes.length - TAG_BYTES;
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(ID_BYTES, start), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(bytes.subarray(end));
  try {
    return decipher.update(bytes.subarray(start, end), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    return null;
  }
}
