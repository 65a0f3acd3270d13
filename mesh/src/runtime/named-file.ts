import { readFileSync } from 'node:fs';
import { EnvironmentError } from './environment.ts';

/** Text of the file at `path`, which `variable` names. @throws EnvironmentError that names both, and why there is no text. */
export function readNamedFile(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? ` (${cause.message})` : '';
    throw new EnvironmentError(
      'environment-invalid',
      { variable, value: path, expected: `the path of a file that can be read${why}` },
      { cause },
    );
  }
}
