import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { parseRevocationFile, type TrustBundle } from '@ambit/mesh/tls';
import { callWithin } from '../../call-within.ts';
import {
  type IssuedLeaf,
  issueServerCertificate,
  issueWorkloadCertificate,
  type ServerCertificateIssue,
} from '../issue-leaf.ts';
import { SERVER_VALIDITY_MS } from '../limits.ts';
import type { SigningAuthority } from '../signing-authority.ts';
import { type AuthorityMaterial, parseAuthorityMaterial, SECRET_KEYS } from './authority-material.ts';
import { REVOCATION_KEYS } from './revocations-in-secret.ts';
import type { SecretStore } from './secret-store.ts';

/** Between two looks at the Secret, for a change or for its appearance. */
const FOLLOW_MS = 5000;
const APPEAR_MS = 500;
/** Deadline of one look. */
const READ_MS = 5000;

export interface SecretAuthorityOptions {
  readonly store: SecretStore;
  /** Name of the Secret. */
  readonly secret: string;
  /** Where the same Secret is mounted, for a start while the API server is away; null when it is not. */
  readonly directory: string | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly validity?: { readonly serverMs?: number };
}

/**
 * The authority of a Secret, as every replica uses it: read when it is there, followed when it changes, kept in memory only.
 * A Secret that becomes unusable or goes away leaves what was read before in charge.
 */
export class SecretAuthority implements SigningAuthority {
  readonly #options: SecretAuthorityOptions;
  readonly #listeners: (() => void)[] = [];
  readonly #revocationListeners: (() => void)[] = [];
  #revocationLists: string | null = null;
  #material: AuthorityMaterial;
  #version: string;
  #renewed = true;

  private constructor(options: SecretAuthorityOptions, { material, version, revocationLists }: ReadMaterial) {
    this.#options = options;
    this.#material = material;
    this.#version = version;
    this.#useLists(revocationLists);
  }

  /** Waits until there is a usable Secret, however long; follows it until `signal` aborts. Rejects only when that happens first. */
  static async open(options: SecretAuthorityOptions, signal: AbortSignal): Promise<SecretAuthority> {
    const { clock, logger, secret } = options;
    for (let told = false; ; ) {
      const found = await findFirst(options, signal);
      if (found !== null && found.material.signer.notAfterMs > clock.now()) {
        const authority = new SecretAuthority(options, found);
        void authority.#follow(signal);
        return authority;
      }
      if (!told) logger.info('waiting for the authority', { secret, expired: found !== null });
      told = true;
      await clock.sleep(APPEAR_MS, signal);
    }
  }

  get trustBundle(): TrustBundle {
    return this.#material.trustBundle;
  }

  get intermediatePem(): string {
    return this.#material.intermediatePem;
  }

  get intermediateNotAfterMs(): number {
    return this.#material.signer.notAfterMs;
  }

  /** PEM of the revocation lists beside the authority; empty where there are none, null while they cannot be used. */
  get revocationLists(): string | null {
    return this.#revocationLists;
  }

  /** Hears of other revocation lists. */
  onRevocations(listener: () => void): void {
    this.#revocationListeners.push(listener);
  }

  issueWorkload(request: Parameters<SigningAuthority['issueWorkload']>[0]): IssuedLeaf {
    return issueWorkloadCertificate(this.#material.signer, this.#options.clock.now(), request);
  }

  issueServer(names: readonly string[]): ServerCertificateIssue {
    this.#renewed = false;
    const { signer, intermediatePem } = this.#material;
    const validityMs = this.#options.validity?.serverMs ?? SERVER_VALIDITY_MS;
    return issueServerCertificate(signer, this.#options.clock.now(), {
      names,
      validityMs,
      issuersPem: intermediatePem,
    });
  }

  renewIntermediate(): boolean {
    return this.#renewed;
  }

  /** Hears of every change of the authority or of the roots to believe. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { clock, logger, secret } = this.#options;
    let failing = false;
    for (;;) {
      try {
        await clock.sleep(FOLLOW_MS, signal);
        const read = await readSecret(this.#options, signal);
        if (read !== null && read.version !== this.#version) this.#replace(read);
        failing = false;
      } catch (error) {
        if (signal.aborted) return;
        if (!failing) logger.warn('authority cannot be read, the one of before stays in use', { secret, error });
        failing = true;
      }
    }
  }

  #replace(read: ReadMaterial): void {
    const { material, version, revocationLists } = read;
    this.#version = version;
    this.#useLists(revocationLists);
    if (isSame(material, this.#material)) return;
    this.#material = material;
    this.#renewed = true;
    this.#options.logger.info('authority replaced', {
      roots: material.trustBundle.rootsPem.length,
      'valid.until': new Date(material.signer.notAfterMs),
    });
    for (const listener of this.#listeners) listener();
  }

  /** Whoever distributes lists is told of no other until they can be used. */
  #useLists(text: string): void {
    if (text === this.#revocationLists) return;
    const { logger, secret } = this.#options;
    try {
      const lists = parseRevocationFile(Buffer.from(text));
      const entries = lists.reduce((sum, { entryCount }) => sum + entryCount, 0);
      if (text !== '') logger.info('revocation lists read', { secret, lists: lists.length, entries });
    } catch (error) {
      logger.error('revocation lists beside the authority cannot be used: those of before stay', { secret, error });
      return;
    }
    this.#revocationLists = text;
    for (const listener of this.#revocationListeners) listener();
  }
}

function isSame(one: AuthorityMaterial, other: AuthorityMaterial): boolean {
  return (
    one.signer.certificatePem === other.signer.certificatePem &&
    one.signer.privateKeyPem === other.signer.privateKeyPem &&
    one.intermediatePem === other.intermediatePem &&
    one.trustBundle.rootsPem.join('') === other.trustBundle.rootsPem.join('')
  );
}

interface ReadMaterial {
  readonly material: AuthorityMaterial;
  /** Empty for one that was not read from the API server. */
  readonly version: string;
  /** PEM; empty where there are none. */
  readonly revocationLists: string;
}

/** From the API server, or, when that does not answer, from the directory. Null when it is not there or cannot be used. */
async function findFirst(options: SecretAuthorityOptions, signal: AbortSignal): Promise<ReadMaterial | null> {
  const { logger, secret, directory } = options;
  try {
    return await readSecret(options, signal);
  } catch (error) {
    signal.throwIfAborted();
    logger.warn('authority cannot be read', { secret, error });
  }
  if (directory === null) return null;
  try {
    const read = readMaterial(await readMounted(directory), directory, '');
    logger.info('authority taken from the mounted Secret', { directory });
    return read;
  } catch (error) {
    logger.warn('authority cannot be read from the mounted Secret either', { directory, error });
    return null;
  }
}

async function readSecret(options: SecretAuthorityOptions, signal: AbortSignal): Promise<ReadMaterial | null> {
  const { store, secret, clock } = options;
  const stored = await callWithin(clock, READ_MS, signal, (within) => store.read(secret, within));
  if (stored === null) return null;
  return readMaterial(stored.texts, secret, stored.resourceVersion);
}

function readMaterial(texts: ReadonlyMap<string, string>, where: string, version: string): ReadMaterial {
  const revocationLists = texts.get(REVOCATION_KEYS.list) ?? '';
  return { material: parseAuthorityMaterial(texts, where), version, revocationLists };
}

async function readMounted(directory: string): Promise<ReadonlyMap<string, string>> {
  const keys = [...Object.values(SECRET_KEYS), REVOCATION_KEYS.list];
  const texts = await Promise.all(keys.map((key) => readFile(join(directory, key), 'utf8').catch(orNothing)));
  return new Map(keys.map((key, index) => [key, texts[index] ?? '']));
}

/** A Secret need not have all keys; what is missing is told by whoever needs it. */
function orNothing(): string {
  return '';
}
