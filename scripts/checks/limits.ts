import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Check, outcomeOf } from './check.ts';
import { sourceFiles } from './source-files.ts';

/** Longer files hide more than one subject; a test file may hold long tables of one. */
const LINES_MAX = 400;
const TEST_LINES_MAX = 800;
const CODE = /\.(?:ts|mts|mjs|c|h)$/;

/** Text that ties the repository to one machine or one registry. */
const FORBIDDEN_TEXT: readonly { readonly pattern: RegExp; readonly only?: RegExp; readonly reason: string }[] = [
  {
    pattern: /(?:^|[\s"'`(=:])\/(?:work|root|home\/[a-z]\w*|Users\/[A-Za-z]\w*)\/[\w.-]/,
    reason: 'a path of one machine: use a path relative to the repository, os.tmpdir() or an option',
  },
  {
    pattern: /"resolved":\s*"[a-z+]+:\/\//,
    only: /(?:^|\/)package-lock\.json$/,
    reason:
      'a registry address in the lock file: keep omit-lockfile-registry-resolved=true in .npmrc and install again',
  },
  {
    pattern: /\bregistry\s*=|\/\/[\w.-]+\/:_authToken/,
    only: /(?:^|\/)\.npmrc$/,
    reason: 'a registry setting belongs in the user’s own .npmrc',
  },
];

/** Findings in one file's text; `path` is relative to the repository. */
export function limitFindings(path: string, text: string): string[] {
  const findings: string[] = [];
  const lines = text.split('\n');
  const lineCount = text.endsWith('\n') ? lines.length - 1 : lines.length;
  const linesMax = path.endsWith('.test.ts') ? TEST_LINES_MAX : LINES_MAX;
  if (CODE.test(path) && !/(?:^|\/)gen\//.test(path) && lineCount > linesMax) {
    findings.push(`${path}: ${lineCount} lines, at most ${linesMax}: split it by subject`);
  }
  for (const { pattern, only, reason } of FORBIDDEN_TEXT) {
    if (only !== undefined && !only.test(path)) continue;
    for (const [index, line] of lines.entries()) {
      if (pattern.test(line)) findings.push(`${path}:${index + 1}: ${reason}`);
    }
  }
  return findings;
}

/** Hard limits on every file of the repository: length, machine paths, registry addresses. */
export const limits: Check = {
  name: 'limits',
  run: async (root) => {
    const findings: string[] = [];
    const files = await sourceFiles(root);
    for (const path of files) {
      if (/\.(?:png|jpg|ico|woff2?|pcap|bin|gz)$/.test(path)) continue;
      if ((await stat(join(root, path))).size > 4_000_000) continue;
      findings.push(...limitFindings(path, await readFile(join(root, path), 'utf8')));
    }
    return outcomeOf(findings, `${files.length} files`);
  },
};
