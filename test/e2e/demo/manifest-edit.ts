import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/**
 * Changes one text in a manifest as an editor would, with one rename. @throws Error when `find` is not there exactly once.
 */
export function editManifest(path: string, find: string, replace: string): void {
  const text = readFileSync(path, 'utf8');
  if (text.split(find).length !== 2) throw new Error(`${path} does not contain exactly one ${JSON.stringify(find)}`);
  writeFileSync(
    `${path}.new`,
    text.replace(find, () => replace),
  );
  renameSync(`${path}.new`, path);
}
