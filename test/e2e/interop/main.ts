/**
 * `npm run test:interop [part-of-path ...]`: Ambit against other people's programs. Builds or installs those first, then runs
 * every `*.interop.test.ts`. Ends with `N passed, N failed, N skipped`.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureEnvoy } from '../../../bench/src/host/envoy-install.ts';
import { buildBundles } from '../../../scripts/build.ts';
import { runTier } from '../../../scripts/tests/run-tier.ts';
import { buildGoPrograms } from './go-programs.ts';
import { ENVOY_VARIABLE, GO_PROGRAMS_VARIABLE } from './programs.ts';

const USAGE = `npm run test:interop [-- PART_OF_PATH ...]: Ambit against programs of Istio, Envoy and Go

AMBIT_INTEROP_CACHE: where the Go programs are kept (default ~/.cache/ambit-interop)
AMBIT_BENCH_CACHE: where Envoy is kept (default ~/.cache/ambit-bench)`;

async function main(filters: readonly string[]): Promise<number> {
  const option = filters.find((filter) => filter.startsWith('-'));
  if (option !== undefined) {
    const asked = option === '--help' || option === '-h';
    console[asked ? 'log' : 'error'](asked ? USAGE : `unknown option ${option}\n\n${USAGE}`);
    return asked ? 0 : 2;
  }
  const cache = (variable: string, name: string): string => process.env[variable] ?? join(homedir(), '.cache', name);
  process.env[GO_PROGRAMS_VARIABLE] = await step('Go programs', (say) =>
    buildGoPrograms(cache('AMBIT_INTEROP_CACHE', 'ambit-interop'), say),
  );
  process.env[ENVOY_VARIABLE] = await step('Envoy', (say) =>
    ensureEnvoy(cache('AMBIT_BENCH_CACHE', 'ambit-bench'), say, AbortSignal.timeout(300_000)),
  );
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  await step('Ambit', () => buildBundles(root));
  return runTier(root, 'interop', filters);
}

async function step<T>(name: string, work: (say: (line: string) => void) => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work((line) => console.log(`     ${line}`));
  console.log(`ok   ${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${name}`);
  return result;
}

process.exitCode = await main(process.argv.slice(2));
