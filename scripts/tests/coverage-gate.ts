import { relative } from 'node:path';
import { COVERED_LAYERS } from './plan.ts';

/** Lines of a gated layer that its tests must run. */
export const LINE_COVERAGE_PERCENT_MIN = 95;

/** What node:test reports of one file. */
export interface FileCoverage {
  readonly path: string;
  readonly totalLineCount: number;
  readonly coveredLineCount: number;
  readonly lines: readonly { readonly line: number; readonly count: number }[];
}

/** Line coverage of one gated layer. */
export interface LayerCoverage {
  readonly layer: string;
  readonly totalLineCount: number;
  readonly coveredLineCount: number;
  readonly percent: number;
  readonly ok: boolean;
  /** The files with the most lines that no test ran, worst first. */
  readonly worst: readonly { readonly path: string; readonly uncovered: readonly number[] }[];
}

const WORST_COUNT_MAX = 3;

/** Sums files by layer. A layer of which nothing was seen fails: a gate that sees nothing must not pass. */
export function coverageByLayer(root: string, files: readonly FileCoverage[]): LayerCoverage[] {
  return COVERED_LAYERS.map((layer) => {
    const own = files
      .map((file) => ({ ...file, path: relative(root, file.path) }))
      .filter((file) => file.path.startsWith(`${layer}/`));
    const totalLineCount = own.reduce((sum, file) => sum + file.totalLineCount, 0);
    const coveredLineCount = own.reduce((sum, file) => sum + file.coveredLineCount, 0);
    const percent = totalLineCount === 0 ? 0 : (100 * coveredLineCount) / totalLineCount;
    const worst = own
      .map((file) => ({
        path: file.path,
        uncovered: file.lines.filter(({ count }) => count === 0).map(({ line }) => line),
      }))
      .filter(({ uncovered }) => uncovered.length > 0)
      .sort((a, b) => b.uncovered.length - a.uncovered.length)
      .slice(0, WORST_COUNT_MAX);
    return { layer, totalLineCount, coveredLineCount, percent, ok: percent >= LINE_COVERAGE_PERCENT_MIN, worst };
  });
}

/** `3-5, 9` of [3, 4, 5, 9]. */
export function lineRanges(lines: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const line of lines) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === line) last[1] = line;
    else ranges.push([line, line]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(', ');
}

/** The table that `npm test` prints. */
export function coverageTable(layers: readonly LayerCoverage[]): string {
  const rows = layers.map(
    ({ layer, percent, coveredLineCount, totalLineCount, ok }) =>
      `${ok ? 'ok  ' : 'FAIL'} ${layer.padEnd(16)} ${percent.toFixed(1).padStart(6)} %  ${coveredLineCount}/${totalLineCount} lines`,
  );
  const gaps = layers
    .filter(({ ok }) => !ok)
    .flatMap(({ worst }) => worst.map(({ path, uncovered }) => `     not run: ${path}: ${lineRanges(uncovered)}`));
  return [`line coverage (at least ${LINE_COVERAGE_PERCENT_MIN} %)`, ...rows, ...gaps].join('\n');
}
