/**
 * `npm run check [name …]`: every static checker in sequence, one line each, and what a failing one found. All of them run
 * even when one fails, so that one run shows everything. check.test.ts proves that each can fail.
 */
import { fileURLToPath } from 'node:url';
import { architecture } from './checks/architecture.ts';
import type { Check, Outcome } from './checks/check.ts';
import { limits } from './checks/limits.ts';
import { lintDisables } from './checks/lint-disables.ts';
import { format, generated, lint, types, unused } from './checks/tools.ts';

/** In the order they run: the quickest to fix first. */
export const CHECKS: readonly Check[] = [format, limits, lintDisables, lint, types, architecture, unused, generated];

/** A checker that cannot do its work has found something: often a file that does not parse. */
function broken(error: unknown): Outcome {
  return { ok: false, report: `the checker itself failed: ${error instanceof Error ? error.message : String(error)}` };
}

async function main(names: readonly string[]): Promise<number> {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const unknown = names.filter((name) => !CHECKS.some((check) => check.name === name));
  if (unknown.length > 0) {
    console.error(`unknown: ${unknown.join(', ')}; checkers are ${CHECKS.map((check) => check.name).join(', ')}`);
    return 2;
  }
  const failed: string[] = [];
  for (const check of CHECKS) {
    if (names.length > 0 && !names.includes(check.name)) continue;
    const began = performance.now();
    const outcome = await check.run(root).catch(broken);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const note = outcome.ok ? (outcome.note ?? '') : '';
    console.log(`${outcome.ok ? 'ok  ' : 'FAIL'} ${check.name.padEnd(16)} ${seconds.padStart(5)} s  ${note}`.trimEnd());
    if (outcome.ok) continue;
    failed.push(check.name);
    console.log(outcome.report.replace(/^/gm, '     '));
  }
  console.log(failed.length === 0 ? 'check: all green' : `check: ${failed.length} failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
