import { toSignificant, type Summary } from '../measure/summary.ts';

const DIGITS = 3;

/** `median (min-max)` in units of `unit`, three significant digits; a dash for no figure. */
export function formatSummary(summary: Summary | undefined, unit = 1): string {
  if (summary === undefined) return '-';
  const show = (value: number): string => String(toSignificant(value / unit, DIGITS));
  if (summary.count === 1) return show(summary.median);
  return `${show(summary.median)} (${show(summary.min)}-${show(summary.max)})`;
}

/** Three significant digits; a dash for no figure. */
export function formatNumber(value: number | undefined, unit = 1): string {
  return value === undefined ? '-' : String(toSignificant(value / unit, DIGITS));
}

/** A Markdown table. Cells must not contain line breaks; bars are escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
