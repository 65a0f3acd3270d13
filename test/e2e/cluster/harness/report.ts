import { appendFileSync } from 'node:fs';

/** Names the file that takes what scenarios measured; the tier's main program prints it at the end. */
export const REPORT_VARIABLE = 'AMBIT_CLUSTER_REPORT';

/** A figure that the tier's log shows, whether the scenario passes or not. */
export function report(what: string, figure: string): void {
  const path = process.env[REPORT_VARIABLE];
  const line = `${what}: ${figure}`;
  console.log(line);
  if (path !== undefined) appendFileSync(path, `${line}\n`);
}

/** A quantile of measured values, the nearest one above. @throws RangeError for no values. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('quantile() of no values');
  return value;
}

/** Measures until the value is good, at most so many times, and resolves with the last one. */
export async function measureUntil(
  rounds: number,
  isGood: (value: number) => boolean,
  measure: () => Promise<number>,
): Promise<number> {
  let value = await measure();
  for (let round = 1; round < rounds && !isGood(value); round++) value = await measure();
  return value;
}
