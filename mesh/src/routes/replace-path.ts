import { normalisePath, type NormalPath } from '../model/normal-path.ts';
import type { PathModifier } from './rule.ts';

/**
 * The path after a redirect's or rewrite's change. `matched` is the prefix that the rule matched by; the rest of the path
 * stays as it is, a slash at its end included. In normal form, as everything that is sent on.
 */
export function replacePath(path: NormalPath, modifier: PathModifier | null, matched: string): NormalPath {
  if (modifier === null) return path;
  if (modifier.kind === 'full') return normal(modifier.path, path);
  const rest = matched === '/' ? path : path.slice(matched.length);
  const joined = modifier.prefix + rest;
  return normal(joined === '' ? '/' : joined, path);
}

/** What replaces is checked when a route is read; should it be no path all the same, the path stays. */
function normal(text: string, otherwise: NormalPath): NormalPath {
  const result = normalisePath(text);
  return result.kind === 'path' ? result.path : otherwise;
}
