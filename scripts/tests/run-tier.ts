import { sourceFiles } from '../checks/source-files.ts';
import { planTier, type Tier } from './plan.ts';
import { findPrivileges, runPrivileged } from './privileges.ts';

/**
 * Runs the privileged test files of a slower tier, one at a time in a sandbox, prints each test with its time, and ends like
 * `npm test`. Resolves with the exit code. A machine without privileges fails: whoever asks for the tier wants it run.
 */
export async function runTier(root: string, tier: Tier, filters: readonly string[]): Promise<number> {
  const began = performance.now();
  const files = planTier(await sourceFiles(root), tier, filters);
  if (files.length === 0) {
    console.error(`no test file of this tier matches ${filters.join(' ')}`);
    return 2;
  }
  const privileges = findPrivileges();
  if (privileges.kind === 'none') {
    console.error(`FAIL: ${privileges.reason}`);
    return 1;
  }
  process.env['REQUIRE_ROOT_TESTS'] = '1';
  console.log(`\n${files.length} files, in ${privileges.how}`);
  const group = { name: 'privileged', files, concurrency: 1, eachTest: true } as const;
  const { passed, failed, skipped } = await runPrivileged(root, group, privileges);
  console.log(`\n${((performance.now() - began) / 1000).toFixed(0)} s`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed > 0 || skipped > 0 ? 1 : 0;
}
