import { hrtime } from 'node:process';
import { BenchError } from '../errors.ts';

/** Length of a turn: so short that the machine is the same for whoever is next, so long that it is about its requests, not about its start. */
export const TURN_MS = 100;
/** The first requests of a turn find the caches and the sleep of the cores as others left them: their latencies are not counted. */
export const TURN_SETTLING_REQUESTS = 5;

const CLOCK_READS = 10;

/** What one program of those that take turns has to do. */
export interface TurnsTask {
  /** When turn 0 begins, by `monotonicMs()`. */
  readonly startMs: number;
  readonly turnMs: number;
  /** Numbers of its own turns, ascending. */
  readonly turns: readonly number[];
}

/** What one program has measured in all of its turns. Latencies are without the settling requests of each turn. */
export interface TurnsResult {
  readonly requests: number;
  /** Answers of a status other than 200. */
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Within its turns. */
  readonly seconds: number;
}

/** A clock that all processes of a machine read alike and nobody sets. */
export function monotonicMs(): number {
  return Number(hrtime.bigint()) / 1e6;
}

/** What `monotonicMs()` is ahead of `performance.now()`, which costs less to read. */
export function monotonicLeadMs(): number {
  let lead = 0;
  let narrowestMs = Number.POSITIVE_INFINITY;
  // Of two clocks read one after the other, with others running in between now and then.
  for (let count = 0; count < CLOCK_READS; count++) {
    const beforeMs = performance.now();
    const monotonic = monotonicMs();
    const afterMs = performance.now();
    if (afterMs - beforeMs >= narrowestMs) continue;
    narrowestMs = afterMs - beforeMs;
    lead = monotonic - beforeMs;
  }
  return lead;
}

/**
 * Reads the line that a program prints. @throws BenchError `unreadable-output` when it is none, or says that nothing was measured,
 * `peer-failed` when no request came after the settling ones of any turn.
 */
export function parseTurnsResult(line: string): TurnsResult {
  const told = parseJson(line);
  const figure = (name: keyof TurnsResult, min: number): number => {
    const value: unknown = typeof told === 'object' && told !== null ? Reflect.get(told, name) : undefined;
    if (typeof value === 'number' && value >= min && Number.isFinite(value)) return value;
    throw new BenchError('unreadable-output', 'a program that takes turns told no result', {
      data: { figure: name, line: line.slice(0, 300) },
    });
  };
  const p50Us = figure('p50Us', 0);
  if (p50Us === 0) {
    throw new BenchError('peer-failed', 'answers are too slow for turns', {
      data: { turnMs: TURN_MS, line: line.slice(0, 300) },
    });
  }
  return {
    requests: figure('requests', 1),
    errors: figure('errors', 0),
    p50Us,
    p99Us: figure('p99Us', 0),
    seconds: figure('seconds', Number.MIN_VALUE),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
