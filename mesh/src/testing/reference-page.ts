import { readFileSync } from 'node:fs';

/** Cells of the rows of the table below a heading of docs/reference/<page>.md, without their backticks. */
export function referenceRows(page: string, heading: string): readonly (readonly string[])[] {
  const text = readFileSync(new URL(`../../../docs/reference/${page}.md`, import.meta.url), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((line) =>
    line
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.replaceAll('`', '')),
  );
}
