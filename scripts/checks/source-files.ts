import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Folders that hold no source of ours, wherever they are. The same as in .gitignore. */
const SKIPPED = new Set(['node_modules', '.git', 'dist', '.cache']);

/** Paths of all files of the repository relative to `root`, sorted, whether committed yet or not. */
export async function sourceFiles(root: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      if (SKIPPED.has(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) found.push(path);
    }
  };
  await walk('');
  return found.sort();
}
