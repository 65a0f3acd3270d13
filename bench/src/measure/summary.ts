import { BenchError } from '../errors.ts';

/** Median with the whole range it was taken from: `count` independent rounds. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** Middle value; the mean of the two middle ones for an even number. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? Number.NaN : (upper + lower) / 2;
}

/** Median and range of the rounds; undefined for none, because no figure is not a figure of zero. */
export function summarise(values: readonly number[]): Summary | undefined {
  if (values.length === 0) return undefined;
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), count: values.length };
}

/** The summary of a case. @throws BenchError when it has no rounds. */
export function summaryOf(name: string, values: readonly number[]): Summary {
  const summary = summarise(values);
  if (summary === undefined) throw new BenchError('unreadable-output', 'a case has no rounds', { data: { name } });
  return summary;
}

/** Quotient of two medians; undefined when either is missing or the divisor is zero. */
export function ratio(ours: Summary | undefined, theirs: Summary | undefined): number | undefined {
  if (ours === undefined || theirs === undefined || theirs.median === 0) return undefined;
  return ours.median / theirs.median;
}

/** Rounded to `digits` significant digits, for figures meant to be read. */
export function toSignificant(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}
