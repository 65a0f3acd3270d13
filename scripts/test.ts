/**
 * `npm test [part-of-path …]`: every test of the repository. Unit and protocol tests first, those of the gated layers with
 * line coverage, then worlds in network namespaces. Ends with `N passed, N failed, N skipped` on a line of its own.
 * With CI=true or REQUIRE_ROOT_TESTS=1 a skipped privileged test is a failure.
 */
import { fileURLToPath } from 'node:url';
import { sourceFiles } from './checks/source-files.ts';
import { coverageByLayer, coverageTable } from './tests/coverage-gate.ts';
import { planTests, type TestGroup } from './tests/plan.ts';
import { findPrivileges, runPrivileged } from './tests/privileges.ts';
import { type GroupResult, runGroup } from './tests/run-group.ts';

const TITLES = {
  covered: 'unit and protocol tests of the gated layers',
  plain: 'unit and protocol tests',
  privileged: 'network namespaces',
} as const satisfies Record<TestGroup['name'], string>;

async function runOne(root: string, group: TestGroup, strict: boolean): Promise<GroupResult> {
  console.log(`\n${TITLES[group.name]}: ${group.files.length} files`);
  if (group.name !== 'privileged') return runGroup(root, group);
  const privileges = findPrivileges();
  if (privileges.kind === 'available') {
    console.log(`     (in ${privileges.how})`);
    process.env['REQUIRE_ROOT_TESTS'] = '1';
    return runPrivileged(root, group, privileges);
  }
  console.log(`     ${strict ? 'FAIL' : 'skipped'}: ${privileges.reason}`);
  if (!strict) process.env['REQUIRE_ROOT_TESTS'] = '0';
  return runGroup(root, group);
}

const USAGE = `npm test [-- PART_OF_PATH ...]: all tests, or those in files whose path contains one of the words

CI=true or REQUIRE_ROOT_TESTS=1: a skipped test is a failure.`;

async function main(filters: readonly string[]): Promise<number> {
  const option = filters.find((filter) => filter.startsWith('-'));
  if (option !== undefined) {
    const asked = option === '--help' || option === '-h';
    console[asked ? 'log' : 'error'](asked ? USAGE : `unknown option ${option}\n\n${USAGE}`);
    return asked ? 0 : 2;
  }
  const began = performance.now();
  const root = fileURLToPath(new URL('..', import.meta.url));
  const strict = process.env['CI'] === 'true' || process.env['REQUIRE_ROOT_TESTS'] === '1';
  if (strict) process.env['REQUIRE_ROOT_TESTS'] = '1';
  const groups = planTests(await sourceFiles(root), filters);
  if (groups.length === 0) {
    console.error(`no test file matches ${filters.join(' ')}`);
    return 2;
  }
  const total = { passed: 0, failed: 0, skipped: 0 };
  const reasons = new Set<string>();
  let gateFailed = false;
  for (const group of groups) {
    const result = await runOne(root, group, strict);
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
    for (const reason of result.skipReasons) reasons.add(reason);
    // With a filter most tests do not run: the gate would only tell that.
    if (group.name !== 'covered' || filters.length > 0) continue;
    const layers = coverageByLayer(root, result.coverage);
    console.log(`\n${coverageTable(layers)}`);
    gateFailed = layers.some(({ ok }) => !ok);
  }
  for (const reason of reasons) console.log(`skipped: ${reason}`);
  const skippedInStrict = strict && total.skipped > 0;
  if (skippedInStrict) console.log('FAIL: skipped tests count as failures here (CI or REQUIRE_ROOT_TESTS)');
  if (gateFailed) console.log('FAIL: line coverage is below its limit');
  console.log(`\n${((performance.now() - began) / 1000).toFixed(0)} s`);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed > 0 || gateFailed || skippedInStrict ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
