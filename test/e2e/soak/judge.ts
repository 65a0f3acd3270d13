import type { Holdings } from './holdings.ts';

/** What a soak counted and measured. */
export interface SoakFacts {
  readonly minutes: number;
  readonly rps: number;
  /** Requests and messages. */
  readonly sent: number;
  readonly failed: number;
  readonly cutStreams: number;
  /** Changes of the mesh between the two measurements. */
  readonly events: number;
  /** Issued between the two measurements. */
  readonly certificates: number;
  readonly replacedPods: number;
  /** How late requests left (p99): a generator that the machine gave no CPU measures nobody else. */
  readonly lateMs: number;
  readonly before: readonly Holdings[];
  readonly after: readonly Holdings[];
}

export interface ProcessVerdict {
  readonly name: string;
  /** Objects and what they hold outside of the heap; compiled code is not among them. */
  readonly objectMiB: readonly [before: number, after: number];
  /** Of objects: per cent of what was held before, for every thousand events. */
  readonly growthPer1000: number;
  readonly codeMiB: readonly [before: number, after: number];
  readonly residentMiB: readonly [before: number, after: number];
  readonly descriptors: readonly [before: number, after: number];
}

export interface SoakVerdict {
  readonly processes: readonly ProcessVerdict[];
  /** What does not hold; none is a success. */
  readonly broken: readonly string[];
}

export interface SoakLimits {
  /** Objects that a process still holds after a collection grow by less than so many per cent with a thousand events. */
  readonly growthPer1000: number;
  /** How many descriptors more than before it may have. */
  readonly moreDescriptors: number;
}

export const MUSTS: SoakLimits = { growthPer1000: 1, moreDescriptors: 0 };
const MIB = 2 ** 20;

/**
 * Whether a mesh stood what it must: no request lost, no stream cut, no descriptor and hardly any memory more than before. Nothing
 * that did not happen is proven. @throws Error for a process that was not measured before.
 */
export function judgeSoak(facts: SoakFacts, limits: SoakLimits = MUSTS): SoakVerdict {
  const broken: string[] = [];
  if (facts.failed > 0) broken.push(`${facts.failed} of ${facts.sent} requests and messages failed`);
  if (facts.cutStreams > 0) broken.push(`${facts.cutStreams} streams were cut`);
  for (const what of ['sent', 'events', 'certificates', 'replacedPods'] as const) {
    if (facts[what] === 0) broken.push(`nothing happened: ${what} is 0`);
  }
  if (facts.after.length === 0) broken.push('nothing was measured');
  const processes = facts.after.map((after): ProcessVerdict => {
    const before = facts.before.find(({ name }) => name === after.name);
    if (before === undefined) throw new Error(`${after.name} was not measured before`);
    const growthPer1000 = ((after.objectBytes / before.objectBytes - 1) * 100_000) / Math.max(facts.events, 1);
    // What could not be measured is no number, and has not stayed below.
    if (!(growthPer1000 < limits.growthPer1000)) {
      broken.push(`${after.name} holds ${growthPer1000.toFixed(2)} % more with every 1,000 events`);
    }
    const descriptors = [before.descriptors, after.descriptors] as const;
    if (after.descriptors > before.descriptors + limits.moreDescriptors)
      broken.push(`${after.name} has ${descriptors.join(', then ')} descriptors`);
    return {
      name: after.name,
      objectMiB: [mebibytes(before.objectBytes), mebibytes(after.objectBytes)],
      growthPer1000: Math.round(growthPer1000 * 100) / 100,
      codeMiB: [mebibytes(before.codeBytes), mebibytes(after.codeBytes)],
      residentMiB: [mebibytes(before.residentBytes), mebibytes(after.residentBytes)],
      descriptors,
    };
  });
  return { processes, broken };
}

/** For people. */
export function soakTable({ processes }: SoakVerdict): string {
  const rows = processes.map(({ name, objectMiB, growthPer1000, codeMiB, residentMiB, descriptors }) =>
    [
      ...[name, objectMiB.join(' -> '), `${growthPer1000} %`, codeMiB.join(' -> '), residentMiB.join(' -> ')],
      descriptors.join(' -> '),
    ].join(' | '),
  );
  const head =
    'process | objects and external after a collection, MiB | growth per 1,000 events | compiled code, MiB | RSS, MiB | descriptors';
  return [head, '--- | --- | --- | --- | --- | ---', ...rows].map((row) => `| ${row} |`).join('\n');
}

function mebibytes(bytes: number): number {
  return Math.round((bytes / MIB) * 100) / 100;
}
