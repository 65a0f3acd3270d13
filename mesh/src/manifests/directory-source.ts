import { readFile } from 'node:fs/promises';
import { sep } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ObjectObserver, ObjectProblem, ObjectSource } from '../kinds/object-source.ts';
import type { MeshObject, ObjectKey } from '../kinds/objects.ts';
import { strangeLabels } from '../kinds/strange-labels.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { FolderWatch } from './folder-watch.ts';
import { MANIFEST_LIMITS, type ManifestLimits } from './limits.ts';
import { ObjectClaims } from './object-claims.ts';
import { EMPTY_FILE, type FileObject, keepLastGood, type ParsedFile, parseFile } from './parse-file.ts';
import { codeOf, type DirectoryScan, type FileStamp, OVER_LIMIT, scanDirectory } from './scan-directory.ts';

export interface DirectorySourceOptions {
  /** Read recursively: `*.yaml`, `*.yml`, `*.json`. */
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: ManifestLimits;
  /** How often the directory is read without an event; for file systems that send none. */
  readonly pollMs?: number;
}

export const DIRECTORY_POLL_MS = 5000;
/** Editors save in several steps: events gather this long before the directory is read. */
const GATHER_MS = 30;
/** A file written to this recently may still be in the middle of being written: it is read a little later. */
const SETTLING_MS = 40;
/** So often at most; a file that is written to all the time is read in whatever state it is. */
const SETTLING_ROUNDS_MAX = 25;
/** Files read at the same time. */
const BATCH_FILES_MAX = 64;
const BATCH_BYTES_MAX: number = 8 * 1024 * 1024;
/** A file that vanished or became empty keeps its objects this long: it may be in the middle of being replaced. */
const FADING_MS = 300;

/** Objects from a directory of manifests. @throws ManifestsError (at `watch`) when the directory cannot be read at all. */
export function createDirectorySource(options: DirectorySourceOptions): ObjectSource {
  return new DirectorySource(options);
}

interface FileState {
  readonly stamp: FileStamp;
  readonly parsed: ParsedFile;
  readonly inForce: ReadonlyMap<ObjectKey, FileObject>;
  readonly unreadable: string | null;
  /** Monotonic time at which the file was first missing, or null. */
  readonly missingSinceMs: number | null;
}

const NEW_FILE = { parsed: EMPTY_FILE, inForce: EMPTY_FILE.objects, unreadable: null };

class DirectorySource implements ObjectSource {
  readonly #options: DirectorySourceOptions;
  readonly #limits: ManifestLimits;
  readonly #files = new Map<string, FileState>();
  readonly #claims = new ObjectClaims();
  #problems: readonly ObjectProblem[] = [];
  #settlingRounds = 0;
  /** The first state was delivered. */
  #begun = false;
  #watched = false;

  constructor(options: DirectorySourceOptions) {
    this.#options = options;
    this.#limits = options.limits ?? MANIFEST_LIMITS;
  }

  async watch(observer: ObjectObserver, signal: AbortSignal): Promise<void> {
    if (this.#watched) throw new Error('bug: one watch per source');
    this.#watched = true;
    const { logger, directory } = this.#options;
    const watch = new FolderWatch({ logger, foldersMax: this.#limits.watchedFoldersMax });
    signal.addEventListener('abort', () => watch[Symbol.dispose](), { once: true });
    const first = await scanDirectory(directory, this.#limits);
    watch.follow(first.folders);
    await this.#apply(first, observer, signal);
    void this.#follow(watch, observer, signal).catch((error: unknown) => {
      if (!signal.aborted) logger.error('watching the manifests directory ended', { directory, error });
    });
  }

  async #follow(watch: FolderWatch, observer: ObjectObserver, signal: AbortSignal): Promise<void> {
    const { clock, directory, logger } = this.#options;
    let failing = false;
    while (!signal.aborted) {
      const woken = await watch.wait(clock, this.#patienceMs(), signal);
      if (woken === 'event') await clock.sleep(GATHER_MS, signal);
      try {
        const scan = await scanDirectory(directory, this.#limits);
        watch.follow(scan.folders);
        await this.#apply(scan, observer, signal);
        failing = false;
      } catch (error) {
        if (signal.aborted) return;
        if (!failing)
          logger.error('manifests directory cannot be read, what is known stays in force', { directory, error });
        failing = true;
      }
    }
  }

  #patienceMs(): number {
    if (this.#settlingRounds > 0) return SETTLING_MS;
    const fading = [...this.#files.values()].some((file) => file.missingSinceMs !== null);
    return fading ? FADING_MS : (this.#options.pollMs ?? DIRECTORY_POLL_MS);
  }

  async #apply(scan: DirectoryScan, observer: ObjectObserver, signal: AbortSignal): Promise<void> {
    const touched: ObjectKey[] = [];
    const nowMs = this.#options.clock.monotonic();
    for (const batch of batches(this.#dueFiles(scan))) {
      const contents = await Promise.all(batch.map(readContent));
      signal.throwIfAborted();
      for (const [index, file] of batch.entries()) {
        const known = this.#files.get(file.path);
        const content = contents[index] ?? { kind: 'over-limit' };
        touched.push(...this.#replace(file.path, known, nextState(known, file.stamp, content, nowMs, this.#limits)));
      }
      await nextTurn(undefined, { signal });
    }
    for (const [path, known] of this.#files) {
      if (!scan.files.has(path) && !isUnseen(path, scan))
        touched.push(...this.#replace(path, known, fade(known, known.stamp, nowMs)));
    }
    this.#begun = true;
    const changes = this.#claims.settle(touched);
    if (changes.length > 0) observer.onChanges(changes);
    const problems = this.#collectProblems(scan);
    if (JSON.stringify(problems) !== JSON.stringify(this.#problems)) {
      this.#problems = problems;
      observer.onProblems(problems);
    }
  }

  /** Files that differ from what is known of them; those still being written to are left for the next round. */
  #dueFiles(scan: DirectoryScan): readonly DueFile[] {
    const nowMs = this.#options.clock.now();
    const patient = this.#begun && this.#settlingRounds < SETTLING_ROUNDS_MAX;
    const due: DueFile[] = [];
    let settling = false;
    for (const [path, stamp] of scan.files) {
      const known = this.#files.get(path);
      if (known !== undefined && sameStamp(known.stamp, stamp) && known.missingSinceMs === null) continue;
      const ageMs = nowMs - stamp.modifiedMs;
      if (patient && ageMs >= 0 && ageMs < SETTLING_MS) settling = true;
      else due.push({ path, stamp });
    }
    this.#settlingRounds = settling ? this.#settlingRounds + 1 : 0;
    return due;
  }

  #replace(path: string, before: FileState | undefined, after: FileState | null): readonly ObjectKey[] {
    if (after === null) this.#files.delete(path);
    else this.#files.set(path, after);
    const objects = after?.inForce ?? EMPTY_FILE.objects;
    const fading = after !== null && after.missingSinceMs !== null;
    return this.#claims.replace(path, before?.inForce ?? EMPTY_FILE.objects, objects, fading);
  }

  #collectProblems(scan: DirectoryScan): readonly ObjectProblem[] {
    const problems: ObjectProblem[] = scan.problems.map(({ path, reason }) => ({
      where: path,
      reason,
      severity: 'error',
    }));
    for (const [path, file] of this.#files) {
      if (file.missingSinceMs !== null) continue;
      if (file.unreadable !== null) problems.push({ where: path, reason: file.unreadable, severity: 'error' });
      for (const { line, reason, key } of file.parsed.problems) {
        problems.push({ where: path, line, reason, ...(key === undefined ? {} : { key }), severity: 'error' });
      }
      for (const [key, { object, line }] of file.parsed.objects) {
        for (const reason of faultsOf(object)) problems.push({ where: path, line, reason, key, severity: 'warning' });
      }
    }
    return [...problems, ...this.#claims.problems()];
  }
}

/** What of an object asks for more than this version knows, while it is in force: rules of a route refuse, so do ports with a policy. */
function faultsOf(object: MeshObject): readonly string[] {
  return [...strangeLabels(object), ...unsupportedParts(object)];
}

function unsupportedParts(object: MeshObject): readonly string[] {
  if (object.kind === 'BackendTLSPolicy') return object.validation.kind === 'fault' ? [object.validation.message] : [];
  if (object.kind !== 'HTTPRoute' && object.kind !== 'GRPCRoute') return [];
  return object.rules.flatMap(({ fault }) => (fault === null ? [] : [fault.message]));
}

/** What could not be looked at is not gone: no rights, too many open files or a bad disk must not withdraw a policy. */
function isUnseen(path: string, { unseen }: DirectoryScan): boolean {
  return unseen.some((hidden) => path === hidden || path.startsWith(`${hidden}${sep}`));
}

interface DueFile {
  readonly path: string;
  readonly stamp: FileStamp;
}

type FileContent =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'over-limit' };

/** Groups files to be read at the same time, bounded in number and bytes. */
function batches(files: readonly DueFile[]): readonly (readonly DueFile[])[] {
  const result: DueFile[][] = [];
  let batch: DueFile[] = [];
  let bytes = 0;
  for (const file of files) {
    if (batch.length >= BATCH_FILES_MAX || (batch.length > 0 && bytes + file.stamp.bytes > BATCH_BYTES_MAX)) {
      result.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(file);
    bytes += file.stamp.bytes;
  }
  if (batch.length > 0) result.push(batch);
  return result;
}

async function readContent({ path, stamp }: DueFile): Promise<FileContent> {
  if (stamp.bytes === OVER_LIMIT) return { kind: 'over-limit' };
  try {
    return { kind: 'text', text: await readFile(path, 'utf8') };
  } catch (error) {
    return { kind: 'unreadable', reason: `file cannot be read: ${codeOf(error)}` };
  }
}

/** What holds of a file after reading it; null when nothing does any more. */
function nextState(
  known: FileState | undefined,
  stamp: FileStamp,
  content: FileContent,
  nowMs: number,
  limits: ManifestLimits,
): FileState | null {
  const before = { ...(known ?? NEW_FILE), stamp, missingSinceMs: null };
  switch (content.kind) {
    case 'unreadable':
      return { ...before, unreadable: content.reason };
    case 'over-limit':
      return { ...before, unreadable: null }; // The scan says why.
    case 'text': {
      if (content.text === '' && before.inForce.size > 0) return fade(known ?? before, stamp, nowMs);
      // It grew since the scan: the next one sees its size.
      if (content.text.length > limits.fileBytesMax) return { ...before, unreadable: null };
      const parsed = parseFile(content.text, before.parsed, limits);
      return { ...before, parsed, inForce: keepLastGood(before.inForce, parsed), unreadable: null };
    }
  }
}

/** The file is gone or empty: null once it has been so for long enough. */
function fade(known: FileState, stamp: FileStamp, now: number): FileState | null {
  const since = known.missingSinceMs ?? now;
  return now - since >= FADING_MS || known.inForce.size === 0 ? null : { ...known, stamp, missingSinceMs: since };
}

function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.bytes === b.bytes && a.modifiedMs === b.modifiedMs && a.inode === b.inode;
}
