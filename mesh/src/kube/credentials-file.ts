import { readFile } from 'node:fs/promises';
import type { Clock } from '../runtime/clock.ts';
import { KubeApiError } from './errors.ts';
import { CREDENTIALS_AGE_MAX_MS, CREDENTIALS_FILE_BYTES_MAX } from './limits.ts';

/**
 * A token or certificate that somebody else replaces at will: read again when it is older than some seconds. While a new
 * version cannot be read, the last one that could be stays in use.
 */
export class CredentialsFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #accept: (text: string) => boolean;
  #last: { readonly text: string; readonly atMs: number } | null = null;

  /** `accept` tells whether a text, trimmed, can be what the file is for. */
  constructor(options: { readonly path: string; readonly clock: Clock; readonly accept: (text: string) => boolean }) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#accept = options.accept;
  }

  /** `fresh`: what was read before is not good enough. @throws KubeApiError `unauthenticated` when nothing was ever read. */
  async read(fresh: boolean): Promise<string> {
    const now = this.#clock.monotonic();
    const last = this.#last;
    if (!fresh && last !== null && now - last.atMs < CREDENTIALS_AGE_MAX_MS) return last.text;
    try {
      this.#last = { text: await this.#readNow(), atMs: now };
      return this.#last.text;
    } catch (cause) {
      if (last !== null) return last.text;
      throw new KubeApiError('unauthenticated', { data: { path: this.#path, reason: 'no-usable-file' }, cause });
    }
  }

  async #readNow(): Promise<string> {
    const bytes = await readFile(this.#path);
    const text = bytes.length > CREDENTIALS_FILE_BYTES_MAX ? '' : bytes.toString('utf8').trim();
    if (!this.#accept(text)) throw new Error('the file does not hold what it should');
    return text;
  }
}
