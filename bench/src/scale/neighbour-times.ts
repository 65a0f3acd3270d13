import { BenchError } from '../errors.ts';

/** How long answers took, microseconds: of requests on kept connections, and on new ones. */
export interface Latencies {
  readonly kept: readonly number[];
  readonly fresh: readonly number[];
}

export type Part = 'all' | 'kept' | 'fresh';
export const PARTS: readonly Part[] = ['all', 'kept', 'fresh'];

/** What the modest pod says on a line. @throws BenchError `unreadable-output` when it has no times of either kind. */
export function parseLatencies(text: string): Latencies {
  const told: unknown = JSON.parse(text);
  const of = (key: string): readonly number[] => {
    const list: unknown = typeof told === 'object' && told !== null ? Reflect.get(told, key) : undefined;
    if (!Array.isArray(list) || list.length === 0) {
      throw new BenchError('unreadable-output', 'a program told no times', { data: { key } });
    }
    return list.map(Number);
  };
  return { kept: of('kept'), fresh: of('fresh') };
}

/** The time, milliseconds, that one of a hundred exceeds. */
export function p99Ms({ kept, fresh }: Latencies, part: Part): number {
  const times = { kept, fresh, all: [...kept, ...fresh] }[part].toSorted((a, b) => a - b);
  return (times[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN) / 1000;
}
