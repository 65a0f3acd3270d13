import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { TlsError } from './errors.ts';
import type { RevokedSerials } from './revocation.ts';
import { parseRevocationFile, REVOCATION_FILE_BYTES_MAX } from './revocation-file.ts';
import type { RevocationList } from './revocation-list.ts';

const WATCH_INTERVAL_MS = 1000;
/** How often one warns of lists that should have been replaced. */
const EXPIRED_WARNING_MS = 3_600_000;

export interface RevocationWatchOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Resolves once the lists are in force. Called for one change at a time. */
  readonly publish: (lists: readonly RevokedSerials[]) => Promise<void>;
}

/**
 * The file with revocation lists. Each change is put in force; one that cannot be used leaves the last good lists in force, and
 * one that is missing is no error at the start only: it may be mounted later. One with fewer lists counts once it has stood still for
 * one look.
 */
export class RevocationWatch {
  readonly #options: RevocationWatchOptions;
  #lists: readonly RevocationList[] = [];
  /** What the file looked like when it was last read. */
  #seen = '';
  /** What it looked like at the last look, whatever was in it. */
  #looked = '';
  #failure: string | null = null;
  #warnedMs = Number.NEGATIVE_INFINITY;

  constructor(options: RevocationWatchOptions) {
    this.#options = options;
  }

  get entryCount(): number {
    return this.#lists.reduce((sum, { entryCount }) => sum + entryCount, 0);
  }

  get isFailing(): boolean {
    return this.#failure !== null;
  }

  /** Puts the lists in force. @throws Error when the file is there and cannot be used: whom to refuse is not known then. */
  async open(): Promise<void> {
    const { path, logger } = this.#options;
    try {
      await this.#readIfChanged();
    } catch (error) {
      if (!isMissing(error))
        throw new Error(`the file with revocation lists, ${path}, cannot be used: ${reasonOf(error)}`);
      this.#failure = 'missing';
      logger.warn('the file with revocation lists is missing: nothing is revoked until it is there', { path });
    }
  }

  /** Follows the file until the signal. Never rejects. */
  async watch(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(WATCH_INTERVAL_MS, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.#readIfChanged();
      } catch (error) {
        this.#fail(isMissing(error) ? 'missing' : reasonOf(error));
      }
      this.#warnOfExpired();
    }
  }

  async #readIfChanged(): Promise<void> {
    const { path, logger, publish } = this.#options;
    // A pipe would be waited for, for ever.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat({ bigint: true });
    if (!stat.isFile()) throw new Error('no regular file');
    const { dev, ino, size, mtimeNs, ctimeNs } = stat;
    const looks = [dev, ino, size, mtimeNs, ctimeNs].join(' ');
    const isStill = looks === this.#looked;
    this.#looked = looks;
    if (looks === this.#seen) {
      if (this.#failure !== null) logger.info('the file with revocation lists is the one in force again', { path });
      this.#failure = null;
      return;
    }
    const lists = parseRevocationFile(await readBounded(file));
    // Whoever writes a file in place empties it first: nobody is taken back before it is sure to be meant.
    if (lists.length < this.#lists.length && !isStill) return;
    await publish(lists.map(({ serials }) => serials));
    this.#lists = lists;
    this.#seen = looks;
    this.#failure = null;
    this.#warnedMs = Number.NEGATIVE_INFINITY;
    logger.info('revocation lists are in force', { path, lists: lists.length, entries: this.entryCount });
    this.#warnOfExpired();
  }

  /** Says so once for each reason. */
  #fail(reason: string): void {
    if (this.#failure === reason) return;
    this.#failure = reason;
    const { path, logger } = this.#options;
    logger.error('the file with revocation lists cannot be used: the last that could stay in force', {
      ...{ path, reason, lists: this.#lists.length, entries: this.entryCount },
    });
  }

  /** What an expired list withdraws stays withdrawn, but what its issuer has withdrawn since is not known. */
  #warnOfExpired(): void {
    const { clock, logger, path } = this.#options;
    const nowMs = clock.now();
    const expired = this.#lists.filter(({ nextUpdateMs = Number.POSITIVE_INFINITY }) => nextUpdateMs < nowMs);
    if (expired.length === 0 || clock.monotonic() - this.#warnedMs < EXPIRED_WARNING_MS) return;
    this.#warnedMs = clock.monotonic();
    const since = Math.min(...expired.map(({ nextUpdateMs = 0 }) => nextUpdateMs));
    logger.warn('revocation lists should have been replaced; they stay in force', {
      ...{ path, expired: expired.length, since: new Date(since).toISOString() },
    });
  }
}

/** One byte more than is allowed is enough to be refused. */
async function readBounded(file: FileHandle): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length <= REVOCATION_FILE_BYTES_MAX) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(65_536));
    if (bytesRead === 0) break;
    chunks.push(buffer.subarray(0, bytesRead));
    length += bytesRead;
  }
  return Buffer.concat(chunks);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Names what is wrong, and in which list. */
function reasonOf(error: unknown): string {
  if (!(error instanceof TlsError)) return error instanceof Error ? error.message : String(error);
  const { reason, list } = error.data;
  return list === undefined ? String(reason) : `list ${String(list)}: ${String(reason)}`;
}
