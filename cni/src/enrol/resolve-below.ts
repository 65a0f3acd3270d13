import { readlinkSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';

/** As the kernel. */
const LINKS_MAX = 40;

/**
 * Where `path` of another file system tree, mounted at `root`, is found from here. Its symbolic links are followed as a process whose
 * root directory is `root` would: `/var/run` of nearly every host leads to `/run`, which is not ours. The path need not exist. Its last
 * name is left as it is: `/proc/PID/ns/net` reads like a link, and is none.
 */
export function resolveBelow(root: string, path: string): string {
  let resolved = '/';
  const whole = normalize(join('/', path));
  let pending = dirname(whole).split('/');
  for (let links = 0; pending.length > 0; ) {
    const [name = '', ...rest] = pending;
    pending = rest;
    if (name === '' || name === '.') continue;
    const next = name === '..' ? dirname(resolved) : join(resolved, name);
    const target = readLink(join(root, next));
    if (target === null) {
      resolved = next;
      continue;
    }
    if (++links > LINKS_MAX) break;
    if (target.startsWith('/')) resolved = '/';
    pending = [...target.split('/'), ...pending];
  }
  return join(root, resolved, basename(whole));
}

/** Null for what is no symbolic link, or not there. */
function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
