import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { until } from '@ambit/mesh/testing';
import type { TestApiServer } from './api-server.ts';
import { kubeProgram } from './programs.ts';

/** As the chart installs them. */
const DEFINITIONS = fileURLToPath(new URL('../../../charts/ambit/files/crds/', import.meta.url));

/** An API server that has just started has more to do. */
const SERVED_MS = 30_000;

/** Installs the custom resource definitions and waits until the API server serves them. */
export async function installCustomResources(api: TestApiServer): Promise<void> {
  for (const file of readdirSync(DEFINITIONS)) kubectl(api, 'apply', '-f', `${DEFINITIONS}${file}`);
  for (const file of readdirSync(DEFINITIONS)) {
    const plural = file.replace('.yaml', '');
    await until(
      `${plural} are served`,
      async () => {
        const { status } = await api.call('GET', `/apis/ambit.dev/v1alpha1/${plural}`);
        return status === 200;
      },
      SERVED_MS,
    );
  }
}

/** What kubectl prints. @throws Error with what it complains about. */
export function kubectl(api: TestApiServer, ...args: readonly (string | { readonly input: string })[]): string {
  const words = args.filter((argument) => typeof argument === 'string');
  const input = args.find((argument) => typeof argument === 'object')?.input ?? '';
  const run = spawnSync(kubeProgram('kubectl'), ['--kubeconfig', api.kubeconfig, ...words], {
    encoding: 'utf8',
    input,
  });
  if (run.status !== 0) throw new Error(`kubectl ${words.join(' ')}: ${run.stderr}`);
  return run.stdout;
}
