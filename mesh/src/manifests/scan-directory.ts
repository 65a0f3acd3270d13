import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ManifestsError } from './errors.ts';
import type { ManifestLimits } from './limits.ts';

/** Stands for the size of a file that exceeds a limit and is not read. */
export const OVER_LIMIT = -1;

/** Changes whenever the file's content may have. */
export interface FileStamp {
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly inode: number;
}

export interface ScanProblem {
  readonly path: string;
  readonly reason: string;
}

export interface DirectoryScan {
  /** Manifest files by path, in order of path. */
  readonly files: ReadonlyMap<string, FileStamp>;
  readonly folders: readonly string[];
  /** Files and folders that are there, or may be, and could not be looked at: nothing below them is known to be gone. */
  readonly unseen: readonly string[];
  readonly problems: readonly ScanProblem[];
}

const MANIFEST_NAME = /\.(?:ya?ml|json)$/;

/**
 * Finds the manifests below `root`. Names that begin with a dot are skipped (editors' and mounts' private files); links to
 * files are followed, links to folders are not, so that there are no cycles. @throws ManifestsError
 * when `root` itself is unreadable, and for nothing else.
 */
export async function scanDirectory(root: string, limits: ManifestLimits): Promise<DirectoryScan> {
  const files = new Map<string, FileStamp>();
  const folders: string[] = [];
  const unseen: string[] = [];
  const problems: ScanProblem[] = [];
  const overlook = (path: string, reason: string): void => {
    unseen.push(path);
    problems.push({ path, reason });
  };
  let totalBytes = 0;
  const visit = async (folder: string, depth: number): Promise<void> => {
    folders.push(folder);
    for (const entry of await listFolder(folder, depth === 0, overlook)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (depth < limits.depthMax) await visit(path, depth + 1);
        else problems.push({ path, reason: `folders are read ${limits.depthMax} levels deep` });
        continue;
      }
      if (!MANIFEST_NAME.test(entry.name)) continue;
      const found = await statOrNull(path, overlook);
      if (found?.isFile() !== true) continue;
      const reason = whyTooMuch(found.size, files.size, totalBytes, limits);
      if (reason !== null) problems.push({ path, reason });
      else totalBytes += found.size;
      // A file over a limit is listed all the same, so that its objects are not taken for deleted.
      files.set(path, {
        bytes: reason === null ? found.size : OVER_LIMIT,
        modifiedMs: found.mtimeMs,
        inode: found.ino,
      });
    }
  };
  await visit(root, 0);
  return { files, folders, unseen, problems };
}

type Overlook = (path: string, reason: string) => void;

async function listFolder(folder: string, mustExist: boolean, overlook: Overlook): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.name.startsWith('.'))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  } catch (error) {
    if (mustExist) throw new ManifestsError(folder, codeOf(error));
    if (!isGone(error)) overlook(folder, `folder cannot be read: ${codeOf(error)}`);
    return [];
  }
}

/** Null when the file went away between the listing and now, is a dangling link, or cannot be looked at. */
async function statOrNull(path: string, overlook: Overlook): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    if (!isGone(error)) overlook(path, `file cannot be read: ${codeOf(error)}`);
    return null;
  }
}

function isGone(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
}

function whyTooMuch(bytes: number, fileCount: number, totalBytes: number, limits: ManifestLimits): string | null {
  if (bytes > limits.fileBytesMax) return `file has ${bytes} bytes, more than ${limits.fileBytesMax}`;
  if (fileCount >= limits.filesMax) return `there are more than ${limits.filesMax} files`;
  if (totalBytes + bytes > limits.totalBytesMax)
    return `all files together have more than ${limits.totalBytesMax} bytes`;
  return null;
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error';
}
