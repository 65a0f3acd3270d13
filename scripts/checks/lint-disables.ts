import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Check, outcomeOf } from './check.ts';
import { sourceFiles } from './source-files.ts';

/** `oxlint-disable… rule -- reason`, also eslint-, ts- and biome- spellings. */
const DISABLE =
  /(?:\/\/|\/\*)\s*((?:ox|es)lint-disable(?:-next-line|-line)?|biome-ignore|@ts-(?:expect-error|ignore|nocheck))\b(.*)$/;
const REASON_CHARACTERS_MIN = 10;

/** What is wrong with the disable comment on this line, if one is there. */
export function disableFinding(line: string): string | undefined {
  const match = DISABLE.exec(line);
  if (match === null) return undefined;
  const directive = match[1] ?? '';
  const rest = (match[2] ?? '').replace(/\*\/.*$/, '').trim();
  if (directive === '@ts-ignore' || directive === '@ts-nocheck')
    return `${directive} hides every error: use @ts-expect-error: reason`;
  const separator = directive.includes('lint-disable') ? /\s--\s+(.*)$/ : /[:\s-]+(.*)$/;
  const reason = separator.exec(` ${rest}`)?.[1]?.trim() ?? '';
  if (directive.includes('lint-disable') && /^--|^$/.test(rest))
    return `${directive} without a rule switches off all of them`;
  if (reason.length < REASON_CHARACTERS_MIN) return `${directive} needs a reason on the same line (… -- reason)`;
  return undefined;
}

/** Every suppressed finding says on its line why: the next reader must be able to judge whether it still holds. */
export const lintDisables: Check = {
  name: 'lint disables',
  run: async (root) => {
    const findings: string[] = [];
    for (const path of await sourceFiles(root)) {
      // Its own test holds the bad examples as strings.
      if (!/\.(?:ts|mts|mjs)$/.test(path) || /(?:^|\/)gen\//.test(path) || /^scripts\/check.*\.ts$/.test(path))
        continue;
      const text = await readFile(join(root, path), 'utf8');
      for (const [index, line] of text.split('\n').entries()) {
        const finding = disableFinding(line);
        if (finding !== undefined) findings.push(`${path}:${index + 1}: ${finding}`);
      }
    }
    return outcomeOf(findings);
  },
};
