import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sourceFiles } from '../checks/source-files.ts';

/** What of the repository an image is built from, as .dockerignore says it. */
export interface ContextRules {
  /** Files, and folders with all that is in them. */
  readonly included: readonly string[];
  /** Ends of names that are left out of those folders. */
  readonly leftOut: readonly string[];
}

/**
 * The few forms that our .dockerignore has: `*` first, then `!path` for each thing that comes back, then lines with two stars for
 * ends of names that stay out all the same. @throws RangeError for a line of another form, with its number.
 */
export function parseContextRules(text: string): ContextRules {
  const included: string[] = [];
  const leftOut: string[] = [];
  let started = false;
  for (const [index, line] of text.split('\n').entries()) {
    const fail = (why: string): never => {
      throw new RangeError(`.dockerignore:${index + 1}: ${JSON.stringify(line)} ${why}`);
    };
    if (line === '' || line.startsWith('#')) continue;
    if (line === '*' && !started) started = true;
    else if (!started) fail('must come after a line with *');
    else if (line.startsWith('!')) {
      if (/[*?[]/.test(line) || leftOut.length > 0) fail('must be a plain path, and come before lines with **');
      included.push(line.slice(1));
    } else if (/^\*\*\/\*?[\w.]+$/.test(line)) leftOut.push(line.replace(/^\*\*(\/\*)?/, ''));
    else fail('is not *, !path, **/*.suffix or **/name');
  }
  return { included, leftOut };
}

/** Whether a file of the repository is part of what images are built from. */
export function isInContext(path: string, { included, leftOut }: ContextRules): boolean {
  return (
    included.some((each) => path === each || path.startsWith(`${each}/`)) &&
    !leftOut.some((each) => `/${path}`.endsWith(each) || (each.startsWith('/') && `/${path}`.includes(`${each}/`)))
  );
}

/** A digest of the names and bytes of everything that images are built from, and of `also`. */
export async function contextDigest(root: string, also: string): Promise<string> {
  const rules = parseContextRules(readFileSync(join(root, '.dockerignore'), 'utf8'));
  const hash = createHash('sha256').update(also);
  for (const path of await sourceFiles(root)) {
    if (!isInContext(path, rules)) continue;
    const bytes = await readFile(join(root, path));
    hash.update(`\0${path}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}
