import { randomBytes } from 'node:crypto';
import { SESSION_KEY_BYTES } from '@ambit/mesh/routes';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { callWithin } from '../../call-within.ts';
import { decideSessionSecret, type SessionSecret, secretsInUse } from './decide-session-secret.ts';
import type { SessionSecretStore } from './session-secret-store.ts';

/** Between two looks whether something is due, or has changed; what is to come is announced long before it counts. */
const LOOK_MS = 60_000;
/** The same while there is nothing yet. */
const APPEAR_MS = 500;
/** Deadline of one look. */
const READ_MS = 5000;

export interface SessionSecretOptions {
  readonly store: SessionSecretStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Keeps the secret until `signal` aborts, for whoever may write: makes it, and replaces it in time. What is written is made only if it
 * is not there, or replaced only as it was read, so that two who believe to lead end up with the same. Rejects when it cannot be read,
 * written or used.
 */
export async function keepSessionSecret(options: SessionSecretOptions, signal: AbortSignal): Promise<void> {
  for (;;) {
    await stepSessionSecret(options, signal);
    await options.clock.sleep(LOOK_MS, signal);
  }
}

/** Takes the step that is due now, if any. Answers whether it has. */
export async function stepSessionSecret(
  { store, clock, logger }: SessionSecretOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const kept = await store.read(signal);
  const fresh = (): Uint8Array => randomBytes(SESSION_KEY_BYTES);
  const next = decideSessionSecret(kept?.secret ?? null, clock.now(), fresh);
  if (next === null) return false;
  const isDone = kept === null ? await store.create(next, signal) : await kept.replace(next, signal);
  if (isDone) logger.info('session keys: step of their life taken', { open: secretsInUse(next).length });
  return isDone;
}

/**
 * Tells the secret that there is, as soon as there is one, and every change of it, until `signal` aborts. One that becomes unusable or
 * goes away leaves what was told before. Never rejects.
 */
export async function followSessionSecret(
  { store, clock, logger }: SessionSecretOptions,
  onSecret: (secret: SessionSecret) => void,
  signal: AbortSignal,
): Promise<void> {
  let known: SessionSecret | null = null;
  let isFailing = false;
  while (!signal.aborted) {
    try {
      const kept = await callWithin(clock, READ_MS, signal, (within) => store.read(within));
      if (kept !== null && (known === null || kept.secret.sinceMs !== known.sinceMs)) {
        known = kept.secret;
        onSecret(known);
      }
      isFailing = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!isFailing) logger.warn('session keys cannot be read, those of before stay in use', { error });
      isFailing = true;
    }
    // A sleep that is cut short means that the signal aborted, which the loop sees.
    await clock.sleep(known === null ? APPEAR_MS : LOOK_MS, signal).catch(() => undefined);
  }
}
