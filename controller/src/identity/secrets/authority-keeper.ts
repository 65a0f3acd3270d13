import type { Clock, Logger } from '@ambit/mesh/runtime';
import { X509Certificate } from 'node:crypto';
import { type AuthorityProfile, createAuthority, type KeptCertificate } from '../authority.ts';
import { INTERMEDIATE_VALIDITY_MS, ROOT_VALIDITY_MS, TRUST_OVERLAP_MS } from '../limits.ts';
import { type AuthorityMaterial, parseAuthorityMaterial, SECRET_KEYS } from './authority-material.ts';
import {
  type AuthorityLife,
  decideRotation,
  type IntermediateState,
  isRootNeeded,
  type RotationStep,
} from './decide-rotation.ts';
import { updateRevocations, REVOCATION_KEYS } from './revocations-in-secret.ts';
import type { SecretStore, StoredSecret } from './secret-store.ts';

/** Names of the Secrets that the controller makes for itself. */
export const AUTHORITY_SECRETS = { root: 'ambit-ca-root', intermediate: 'ambit-ca-intermediate' } as const;
/** An operator who sets this on the intermediate's Secret, to whatever, gets a new root. */
export const ROTATE_ANNOTATION = 'ambit.dev/rotate-root';

const NEXT_KEYS = { certificate: 'next.crt', privateKey: 'next.key' } as const;
const ROOT_PROFILE: AuthorityProfile = { commonName: 'root', validityMs: ROOT_VALIDITY_MS, pathLength: 1 };
/** Between two looks while nothing is due. */
const LOOK_MS = 60_000;
/** Between two steps, and after one that somebody else was faster at. */
const STEP_MS = 100;

export interface AuthorityKeeperOptions {
  readonly store: SecretStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Shorter times, for tests and for the careful. */
  readonly validity?: { readonly intermediateMs?: number; readonly overlapMs?: number; readonly lookMs?: number };
}

interface Root {
  readonly stored: StoredSecret;
  readonly own: KeptCertificate;
  readonly next: KeptCertificate | null;
}

interface Intermediate {
  readonly stored: StoredSecret;
  readonly material: AuthorityMaterial;
}

/**
 * The leader's work on the authorities: makes them on first use and replaces them in time. Whatever it writes is made only if
 * it is not there, or replaced only in the version that was read, so that two who believe to lead end up with the same. The
 * root's key is read for a step that needs it and forgotten after.
 */
export class AuthorityKeeper {
  readonly #options: AuthorityKeeperOptions;

  constructor(options: AuthorityKeeperOptions) {
    this.#options = options;
  }

  /** Keeps them until `signal` aborts. Rejects when a Secret cannot be read, written or used. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, validity = {} } = this.#options;
    for (;;) {
      const step = await this.step(signal);
      await clock.sleep(step.kind === 'none' ? (validity.lookMs ?? LOOK_MS) : STEP_MS, signal);
    }
  }

  /** Takes the step that is due now, if any, and answers which; `relist`: the revocation list is made anew. */
  async step(signal: AbortSignal): Promise<RotationStep | { readonly kind: 'relist' }> {
    const { store, clock, validity = {} } = this.#options;
    const stored = await store.read(AUTHORITY_SECRETS.intermediate, signal);
    const intermediate = stored && {
      stored,
      material: parseAuthorityMaterial(stored.texts, AUTHORITY_SECRETS.intermediate),
    };
    if (intermediate !== null && (await this.#relist(intermediate, signal))) return { kind: 'relist' };
    const state = intermediate && stateOf(intermediate);
    if (!isRootNeeded(state, clock.now())) return { kind: 'none' };
    const root = await this.#readRoot(signal);
    const step = decideRotation({
      root: root && { ...lifeOf(root.own), next: root.next && lifeOf(root.next) },
      intermediate: state,
      nowMs: clock.now(),
      overlapMs: validity.overlapMs ?? TRUST_OVERLAP_MS,
    });
    if (step.kind !== 'none') await this.#take(step, root, intermediate, signal);
    return step;
  }

  /** What has ended is left out in time, and a list is made anew before those who read it take it for an old one. */
  async #relist({ stored, material }: Intermediate, signal: AbortSignal): Promise<boolean> {
    const { store, clock, logger } = this.#options;
    const name = AUTHORITY_SECRETS.intermediate;
    const texts = updateRevocations(stored.texts, material.signer, null, clock.now(), name);
    if (texts === null) return false;
    const done = await store.replace(name, stored, { ...stored, texts }, signal);
    if (done) logger.info('authority: revocation list made anew');
    return true;
  }

  async #take(
    step: Exclude<RotationStep, { kind: 'none' }>,
    root: Root | null,
    intermediate: Intermediate | null,
    signal: AbortSignal,
  ): Promise<void> {
    const done = await this.#write(step, root, intermediate, signal);
    const { logger } = this.#options;
    if (done) logger.info('authority: step of its life taken', { step: step.kind });
    else logger.info('authority: somebody else was faster', { step: step.kind });
  }

  async #write(
    step: Exclude<RotationStep, { kind: 'none' }>,
    root: Root | null,
    intermediate: Intermediate | null,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { store, clock } = this.#options;
    if (root === null) {
      const texts = textsOf(createAuthority(ROOT_PROFILE, undefined, clock.now()), SECRET_KEYS);
      return await store.create(AUTHORITY_SECRETS.root, { texts, annotations: new Map() }, signal);
    }
    switch (step.kind) {
      case 'create-root':
        return false;
      case 'prepare-root': {
        const next = createAuthority(ROOT_PROFILE, undefined, clock.now());
        const texts = new Map([...root.stored.texts, ...textsOf(next, NEXT_KEYS)]);
        return await store.replace(AUTHORITY_SECRETS.root, root.stored, { ...root.stored, texts }, signal);
      }
      case 'switch-root': {
        const texts = textsOf(root.next ?? root.own, SECRET_KEYS);
        return await store.replace(AUTHORITY_SECRETS.root, root.stored, { ...root.stored, texts }, signal);
      }
      case 'sign':
        return await this.#sign(root, intermediate, step.roots, signal);
      case 'publish':
        return intermediate !== null && (await this.#publish(root, intermediate, step.roots, signal));
    }
  }

  async #sign(
    root: Root,
    intermediate: Intermediate | null,
    roots: readonly string[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { store, clock, validity = {} } = this.#options;
    const validityMs = validity.intermediateMs ?? INTERMEDIATE_VALIDITY_MS;
    const fresh = createAuthority({ commonName: 'intermediate', validityMs, pathLength: 0 }, root.own, clock.now());
    const texts = new Map([
      ...textsOf(fresh, SECRET_KEYS),
      [SECRET_KEYS.roots, rootsText(root, intermediate, roots)] as const,
    ]);
    const name = AUTHORITY_SECRETS.intermediate;
    if (intermediate === null) return await store.create(name, { texts, annotations: new Map() }, signal);
    const { stored } = intermediate;
    // Its predecessor's certificates go on to be used: what is withdrawn of them stays so.
    for (const key of Object.values(REVOCATION_KEYS)) {
      const text = stored.texts.get(key);
      if (text !== undefined) texts.set(key, text);
    }
    return await store.replace(name, stored, { texts, annotations: stored.annotations }, signal);
  }

  async #publish(
    root: Root,
    intermediate: Intermediate,
    roots: readonly string[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { stored } = intermediate;
    const texts = new Map([...stored.texts, [SECRET_KEYS.roots, rootsText(root, intermediate, roots)] as const]);
    // What an operator asked for is under way.
    const annotations = new Map([...stored.annotations].filter(([name]) => name !== ROTATE_ANNOTATION));
    return await this.#options.store.replace(AUTHORITY_SECRETS.intermediate, stored, { texts, annotations }, signal);
  }

  async #readRoot(signal: AbortSignal): Promise<Root | null> {
    const stored = await this.#options.store.read(AUTHORITY_SECRETS.root, signal);
    if (stored === null) return null;
    const own = new Map([...stored.texts].filter(([key]) => key !== SECRET_KEYS.roots));
    const next = new Map([
      [SECRET_KEYS.certificate, stored.texts.get(NEXT_KEYS.certificate) ?? ''],
      [SECRET_KEYS.privateKey, stored.texts.get(NEXT_KEYS.privateKey) ?? ''],
    ]);
    return {
      stored,
      own: parseAuthorityMaterial(own, AUTHORITY_SECRETS.root).signer,
      next: stored.texts.has(NEXT_KEYS.certificate)
        ? parseAuthorityMaterial(next, `${AUTHORITY_SECRETS.root} (next)`).signer
        : null,
    };
  }
}

function textsOf(
  kept: KeptCertificate,
  keys: { readonly certificate: string; readonly privateKey: string },
): ReadonlyMap<string, string> {
  return new Map([
    [keys.certificate, kept.certificatePem],
    [keys.privateKey, kept.privateKeyPem],
  ]);
}

/** The certificates with those fingerprints, wherever they are known from. */
function rootsText(root: Root, intermediate: Intermediate | null, fingerprints: readonly string[]): string {
  const known = new Map<string, string>();
  for (const pem of intermediate?.material.trustBundle.rootsPem ?? []) known.set(fingerprintOf(pem), pem);
  for (const kept of [root.own, root.next]) if (kept !== null) known.set(lifeOf(kept).fingerprint, kept.certificatePem);
  return fingerprints.map((fingerprint) => known.get(fingerprint) ?? '').join('');
}

function stateOf({ stored, material }: Intermediate): IntermediateState {
  const { signer, trustBundle } = material;
  const own = new X509Certificate(signer.certificate);
  const issuer = trustBundle.rootsPem.find((pem) => own.verify(new X509Certificate(pem).publicKey));
  return {
    ...lifeOf(signer),
    signedBy: issuer === undefined ? '' : fingerprintOf(issuer),
    published: trustBundle.rootsPem.map(lifeOfPem),
    rotationWanted: stored.annotations.has(ROTATE_ANNOTATION),
  };
}

function lifeOf({ certificatePem, notBeforeMs, notAfterMs }: KeptCertificate): AuthorityLife {
  return { fingerprint: fingerprintOf(certificatePem), notBeforeMs, notAfterMs };
}

function lifeOfPem(pem: string): AuthorityLife {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  return { fingerprint: fingerprintOf(pem), notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() };
}

function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256;
}
