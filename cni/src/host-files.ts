import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Who owns a file and who may use it. */
export interface FileOwnership {
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** Begins the names of files that are being written. */
const TEMPORARY = '.ambit-';

/**
 * Puts `content` at `path`, whole and on disk when this returns; whoever reads meanwhile sees the file as it was. On failure it
 * stays as it was. @throws a Node file system error.
 */
export function replaceFile(path: string, content: string | Uint8Array, ownership: FileOwnership): void {
  const directory = dirname(path);
  const temporary = join(directory, `${TEMPORARY}${basename(path)}.new`);
  const data = typeof content === 'string' ? Buffer.from(content) : content;
  rmSync(temporary, { force: true });
  try {
    // Exclusive: what somebody else puts there is not followed.
    const fd = openSync(temporary, 'wx', ownership.mode);
    try {
      for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
      if (ownership.uid !== undefined && ownership.gid !== undefined) fchownSync(fd, ownership.uid, ownership.gid);
      fchmodSync(fd, ownership.mode & 0o7777); // The mask of the process applied to it.
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(directory);
}

/** Removes what a process that was killed left half written. */
export function removeLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.startsWith(TEMPORARY) && name.endsWith('.new')) rmSync(join(directory, name), { force: true });
  }
}

/** Makes the names in a directory survive a loss of power. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
