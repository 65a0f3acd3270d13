/**
 * `npm run test:kube [-- part-of-path ...]`: tests against a real API server. Builds etcd and Kubernetes first where they are
 * missing, then runs every `*.kube.test.ts`. Ends with `N passed, N failed, N skipped`.
 */
import { fileURLToPath } from 'node:url';
import { buildBundles } from '../../../scripts/build.ts';
import { runTier } from '../../../scripts/tests/run-tier.ts';
import { gatewayApiModule } from './gateway-api.ts';
import { buildKubePrograms, KUBE_PROGRAMS_VARIABLE } from './programs.ts';

const USAGE = `npm run test:kube [-- PART_OF_PATH ...]: controller, CRDs and access rights against a real etcd and kube-apiserver

The first run builds them with Go, some seven minutes on two cores, and fetches the definitions of Gateway API.
AMBIT_KUBE_CACHE: where they are kept (default ~/.cache/ambit-kube/VERSION)`;

async function main(filters: readonly string[]): Promise<number> {
  const option = filters.find((filter) => filter.startsWith('-'));
  if (option !== undefined) {
    const asked = option === '--help' || option === '-h';
    console[asked ? 'log' : 'error'](asked ? USAGE : `unknown option ${option}\n\n${USAGE}`);
    return asked ? 0 : 2;
  }
  const began = performance.now();
  process.env[KUBE_PROGRAMS_VARIABLE] = await buildKubePrograms((line) => console.log(`     ${line}`));
  // Fetched now: the tests run in namespaces without a way to the internet.
  gatewayApiModule();
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  await buildBundles(root);
  console.log(`ok   ${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  programs`);
  return runTier(root, 'kube', filters);
}

process.exitCode = await main(process.argv.slice(2));
