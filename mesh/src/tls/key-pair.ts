import { generateKeyPair, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const P256 = { namedCurve: 'P-256' } as const;
const generate = promisify(generateKeyPair);

/** A fresh EC P-256 key pair, made outside the calling thread. */
export async function createKeyPair(): Promise<KeyPair> {
  return generate('ec', P256);
}

/** As `createKeyPair`, at once: for the creation of a CA and for tests. */
export function createKeyPairSync(): KeyPair {
  return generateKeyPairSync('ec', P256);
}

/** PKCS#8 PEM. A secret. */
export function privateKeyToPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** DER SubjectPublicKeyInfo. */
export function publicKeyToDer(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' });
}

export function isP256(publicKey: KeyObject): boolean {
  return publicKey.asymmetricKeyType === 'ec' && publicKey.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}
