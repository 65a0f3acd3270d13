import { MeshError } from '../runtime/errors.ts';

/** `manifests-unreadable`: the directory itself, not something in it. `data` names it, what is wrong and what was expected. */
export class ManifestsError extends MeshError<'manifests-unreadable'> {
  override readonly name = 'ManifestsError';

  constructor(directory: string, reason: string) {
    const data = { directory, reason, expected: 'a directory that this process may read' };
    super('manifests-unreadable', 'the directory of manifests cannot be read', { data });
  }
}
