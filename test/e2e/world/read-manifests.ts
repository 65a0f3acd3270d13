import type { MeshObject } from '@ambit/mesh/kinds';
import { createDirectorySource } from '@ambit/mesh/manifests';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';

/** The objects in a directory of manifests as they are now. Rejects with its problems, when it has any. */
export async function readManifests(directory: string): Promise<readonly MeshObject[]> {
  const stop = new AbortController();
  const objects: MeshObject[] = [];
  const problems: string[] = [];
  const source = createDirectorySource({ directory, clock: systemClock, logger: silentLogger });
  const observer = {
    onChanges: (changes: readonly { readonly kind: string; readonly object?: MeshObject }[]): void => {
      for (const change of changes) if (change.object !== undefined) objects.push(change.object);
    },
    onProblems: (found: readonly { readonly where: string; readonly reason: string }[]): void => {
      problems.push(...found.map((problem) => `${problem.where}: ${problem.reason}`));
    },
  };
  await source.watch(observer, stop.signal);
  stop.abort();
  if (problems.length > 0) throw new Error(`manifests of this world have problems:\n${problems.join('\n')}`);
  return objects;
}
