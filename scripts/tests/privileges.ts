import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { probeSandbox, runInSandbox, type SandboxKind } from '../../test/e2e/world/sandbox.ts';
import { aloneOf, lanesOf, type TestGroup } from './plan.ts';
import type { GroupResult } from './run-group.ts';

/** How privileged tests can be run here, or why not. */
export type Privileges =
  | { readonly kind: 'available'; readonly how: string; readonly sandbox: SandboxKind }
  | { readonly kind: 'none'; readonly reason: string };

/** Tries what this machine allows, best first. */
export function findPrivileges(): Privileges {
  const support = probeSandbox();
  switch (support.kind) {
    case 'root':
      return { kind: 'available', how: 'root in namespaces of its own', sandbox: support.kind };
    case 'user-namespace':
      return { kind: 'available', how: 'a user namespace', sandbox: support.kind };
    case 'unsupported':
      return { kind: 'none', reason: `${support.reason}: ${support.remedy}` };
  }
}

/**
 * Runs the group, its lanes at the same time unless one file at a time is asked for, each inside a sandbox, also when this is root: what
 * a crashed test leaves behind goes away with it, and nothing of the machine is touched.
 */
export async function runPrivileged(
  root: string,
  group: TestGroup,
  { sandbox }: Extract<Privileges, { kind: 'available' }>,
): Promise<GroupResult> {
  const run = (files: readonly string[]): Promise<GroupResult> => runLane(root, { ...group, files }, sandbox);
  const alone = aloneOf(group.files);
  const others = group.files.filter((file) => !alone.includes(file));
  const lanes = group.concurrency > 1 ? lanesOf(others) : [others];
  const results = await Promise.all(lanes.filter((files) => files.length > 0).map(run));
  if (alone.length > 0) results.push(await run(alone));
  const sum = (of: 'passed' | 'failed' | 'skipped'): number => results.reduce((total, result) => total + result[of], 0);
  return {
    passed: sum('passed'),
    failed: sum('failed'),
    skipped: sum('skipped'),
    skipReasons: [...new Set(results.flatMap(({ skipReasons }) => skipReasons))],
    coverage: [],
  };
}

/** Runs files one after the other in one sandbox. A runner that dies there counts as one failure. */
async function runLane(root: string, group: TestGroup, sandbox: SandboxKind): Promise<GroupResult> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-test-'));
  const resultFile = join(folder, 'result.json');
  try {
    const main = join(root, 'scripts/tests/privileged-main.ts');
    const code = await runInSandbox(sandbox, [
      ...['--conditions=source', main, resultFile, group.eachTest === true ? 'each' : 'files'],
      ...group.files,
    ]);
    if (code !== 0) {
      console.log(`FAIL the runner of privileged tests ended with ${code} before it was done`);
      return { passed: 0, failed: 1, skipped: 0, skipReasons: [], coverage: [] };
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- privileged-main.ts wrote it a moment ago
    return JSON.parse(readFileSync(resultFile, 'utf8')) as GroupResult;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
