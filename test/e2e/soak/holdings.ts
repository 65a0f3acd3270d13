import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { until } from '@ambit/mesh/testing';
import { transformSync } from 'esbuild';

/** What a process holds. */
export interface Holdings {
  readonly name: string;
  /** Objects in the heaps of all threads and what these hold outside, after a forced collection. */
  readonly objectBytes: number;
  /** Compiled code: V8 compiles more of it for hours, but never more than the program has; events alone make none. */
  readonly codeBytes: number;
  /** After that collection. */
  readonly residentBytes: number;
  readonly descriptors: number;
}

export interface Watched {
  readonly name: string;
  readonly pid: number;
}

const DIRECTORY = '/run/heap-probe';
const COLLECTED_WITHIN_MS = 20_000;

/** What a watched program needs in its environment. Called once, before it starts. */
export function probeVariables(): Readonly<Record<string, string>> {
  mkdirSync(DIRECTORY, { recursive: true });
  // As JavaScript: what strips types would weigh more in each thread than much of what is measured.
  const program = join(DIRECTORY, 'heap-probe.mjs');
  const source = readFileSync(new URL('./heap-probe.ts', import.meta.url), 'utf8');
  writeFileSync(program, transformSync(source, { loader: 'ts' }).code);
  return { NODE_OPTIONS: `--import=${pathToFileURL(program).href}`, HEAP_PROBE_DIRECTORY: DIRECTORY };
}

/** Collects the garbage of each, one after the other. @throws Error naming one that does not answer. */
export async function holdingsOf(processes: readonly Watched[]): Promise<readonly Holdings[]> {
  const all: Holdings[] = [];
  for (const { name, pid } of processes) {
    const file = join(DIRECTORY, `${pid}.json`);
    rmSync(file, { force: true });
    process.kill(pid, 'SIGUSR2');
    await until(`${name} has collected its garbage`, () => existsSync(file), COLLECTED_WITHIN_MS);
    const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const held: Record<string, unknown> = Object(JSON.parse(readFileSync(file, 'utf8')));
    all.push({
      name,
      objectBytes: Number(held['objectBytes']),
      codeBytes: Number(held['codeBytes']),
      residentBytes: Number(resident) * 1024,
      descriptors: descriptorsOf(pid),
    });
  }
  return all;
}

export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
