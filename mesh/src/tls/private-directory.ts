import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { TlsError } from './errors.ts';

/** Largest file that is read from such a directory. */
export const PRIVATE_FILE_BYTES_MAX: number = 4 * 1024 * 1024;

const NAME = /^[a-z0-9][a-z0-9._-]{0,253}$/;
const OTHERS_MASK = 0o077;

/**
 * A directory of secrets: it and its files belong to us and nobody else may even read them, otherwise it is not used.
 * Files are small and replaced whole; every call blocks until the disk has the data.
 */
export interface PrivateDirectory {
  readonly path: string;
  /** Undefined when there is no such file. @throws TlsError `insecure-state`. */
  read(name: string): string | undefined;
  /** Replaces the file at once: a reader, or a crash, sees the old or the new text. */
  write(name: string, text: string): void;
  /** As `write`, unless the file exists: then false, and it stays as it is. Of several callers only one succeeds. */
  create(name: string, text: string): boolean;
  /** Gives the file another place. False when it is not there, so that of several callers only one succeeds. */
  move(name: string, to: PrivateDirectory): boolean;
  /** False when it was not there. */
  remove(name: string): boolean;
  /** Names of the files, sorted. */
  list(): readonly string[];
  /** A directory inside this one, created when missing. */
  subdirectory(name: string): PrivateDirectory;
}

/**
 * Opens, and creates with mode 0700 when missing.
 * @throws TlsError `insecure-state` when it is not a directory, belongs to someone else or is open to others.
 */
export function openPrivateDirectory(path: string): PrivateDirectory {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const stats = lstatSync(path);
  if (!stats.isDirectory()) throw new TlsError('insecure-state', { data: { path, reason: 'not-a-directory' } });
  assertOurs(path, stats);
  const at = (name: string): string => {
    if (!NAME.test(name)) throw new TlsError('insecure-state', { data: { path, reason: 'bad-name', name } });
    return join(path, name);
  };
  return {
    path,
    read: (name) => readPrivateFile(at(name)),
    write: (name, text) => withTemporaryFile(path, text, (temporary) => renameSync(temporary, at(name))),
    create: (name, text) => createPrivateFile(path, at(name), text),
    move: (name, to) => succeeded(() => renameSync(at(name), join(to.path, name))),
    remove: (name) => succeeded(() => unlinkSync(at(name))),
    list: () =>
      readdirSync(path)
        .filter((name) => NAME.test(name))
        .toSorted(),
    subdirectory: (name) => openPrivateDirectory(at(name)),
  };
}

function readPrivateFile(path: string): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new TlsError('insecure-state', { data: { path, reason: 'not-a-file' } });
    assertOurs(path, stats);
    if (stats.size > PRIVATE_FILE_BYTES_MAX)
      throw new TlsError('insecure-state', { data: { path, reason: 'too-large' } });
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

function createPrivateFile(directory: string, path: string, text: string): boolean {
  return withTemporaryFile(directory, text, (temporary) => {
    try {
      linkSync(temporary, path);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  });
}

/** Puts `text` on the disk under a passing name, lets `place` give it its real one, and makes that permanent. */
function withTemporaryFile<T>(directory: string, text: string, place: (temporary: string) => T): T {
  // The leading dot keeps what a crash leaves behind out of `list`.
  const temporary = join(directory, `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    return place(temporary);
  } finally {
    rmSync(temporary, { force: true });
    syncDirectory(directory);
  }
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function assertOurs(path: string, stats: Stats): void {
  const mode = (stats.mode & 0o777).toString(8);
  if ((stats.mode & OTHERS_MASK) !== 0) {
    throw new TlsError('insecure-state', { data: { path, reason: 'open-to-others', mode, hint: `chmod go= ${path}` } });
  }
  if (stats.uid !== userInfo().uid) {
    throw new TlsError('insecure-state', { data: { path, reason: 'belongs-to-another-user', uid: stats.uid } });
  }
}

function succeeded(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, 'code') : undefined;
}
