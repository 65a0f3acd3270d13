import type { NormalPath } from '../model/normal-path.ts';
import { replacePath } from './replace-path.ts';
import type { RewriteFilter } from './rule.ts';

export interface Rewritten {
  /** Null: as the client sent it. */
  readonly host: string | null;
  readonly path: NormalPath;
}

/** What goes to the backend instead of the request's host and path; the query stays. `matched` is the prefix that the rule matched by. */
export function decideRewrite(filter: RewriteFilter | null, path: NormalPath, matched: string): Rewritten {
  if (filter === null) return { host: null, path };
  return { host: filter.hostname, path: replacePath(path, filter.path, matched) };
}
