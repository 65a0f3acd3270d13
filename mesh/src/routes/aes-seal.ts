import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { SessionSeal } from './session-seal.ts';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const TOKEN_CHARACTERS = /^[A-Za-z0-9_-]{38,2048}$/;

/**
 * A seal of AES-256-GCM: clients can neither read nor make nor move tokens. The first key seals, all of them open, so that
 * keys can be changed without ending sessions. Every waypoint of a service needs the same keys. @throws RangeError for keys
 * that are not 32 bytes, or none.
 */
export function createAesSeal(keys: readonly Uint8Array[]): SessionSeal {
  const [current] = keys;
  if (current === undefined || keys.some((key) => key.length !== KEY_BYTES)) {
    throw new RangeError(`a seal needs keys of ${KEY_BYTES} bytes`);
  }
  return {
    seal: (text, context) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, current, nonce);
      cipher.setAAD(Buffer.from(context));
      const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return sealed.toString('base64url');
    },
    open: (token, context) => {
      if (!TOKEN_CHARACTERS.test(token)) return null;
      const bytes = Buffer.from(token, 'base64url');
      return keys.map((key) => openWith(key, bytes, context)).find((text) => text !== null) ?? null;
    },
  };
}

function openWith(key: Uint8Array, bytes: Buffer, context: string): string | null {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  const end = bytes.length - TAG_BYTES;
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(bytes.subarray(end));
  try {
    return decipher.update(bytes.subarray(NONCE_BYTES, end), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    return null;
  }
}
