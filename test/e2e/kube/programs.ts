import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Set by main.ts for the test files: the folder of the Kubernetes programs. */
export const KUBE_PROGRAMS_VARIABLE = 'KUBE_PROGRAMS';

const KIT = fileURLToPath(new URL('../cluster/kit/', import.meta.url));
const NEEDED = ['etcd', 'kube-apiserver', 'kubectl', 'helm'] as const;
export type KubeProgram = (typeof NEEDED)[number];

/** The path of a program that this run was prepared with. @throws Error outside `npm run test:kube`. */
export function kubeProgram(name: KubeProgram): string {
  const folder = process.env[KUBE_PROGRAMS_VARIABLE];
  if (folder === undefined) throw new Error(`${KUBE_PROGRAMS_VARIABLE} is not set: run this file by npm run test:kube`);
  return join(folder, name);
}

/** Builds what is missing into the kit's cache and returns the folder. @throws Error when the build fails. */
export async function buildKubePrograms(say: (line: string) => void): Promise<string> {
  const folder = join(cacheOf(kubeVersion()), 'bin');
  if (NEEDED.every((name) => existsSync(join(folder, `${name}.stamp`)))) return folder;
  const build = spawn(join(KIT, 'build'), ['--no-apt', ...NEEDED], { stdio: ['ignore', 'pipe', 'inherit'] });
  build.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n')) if (line !== '') say(line);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    build.once('error', reject);
    build.once('close', resolve);
  });
  if (code !== 0) throw new Error(`building the Kubernetes programs failed with ${code}: see above`);
  return folder;
}

/** As the kit has it. */
function kubeVersion(): string {
  const found = /KUBE_VERSION=\$\{KUBE_VERSION:-(?<version>[^}]+)\}/.exec(readFileSync(join(KIT, 'versions'), 'utf8'));
  return process.env['KUBE_VERSION'] ?? found?.groups?.['version'] ?? 'unknown';
}

function cacheOf(version: string): string {
  const { AMBIT_KUBE_CACHE: own, XDG_CACHE_HOME: caches = join(homedir(), '.cache') } = process.env;
  return own ?? join(caches, 'ambit-kube', version);
}
