import { type AdminSection, type CpuProfile, get, textResponse } from '@ambit/mesh/runtime';
import { encodePprof } from '@ambit/mesh/wire';
import { threadNames } from './thread-names.ts';

export interface ProfileOptions {
  readonly workers: number;
  /** Milliseconds of the epoch. */
  readonly now: () => number;
  /** Profiles one thread for so long: a data worker by its number, or `null`, the main thread. */
  readonly record: (worker: number | null, durationMs: number) => Promise<CpuProfile>;
}

const SECONDS = { fallback: 10, max: 300 } as const;
const FORMATS = ['pprof', 'cpuprofile'] as const;
const NAMES: readonly string[] = ['seconds', 'thread', 'format'];

/** `/debug/pprof/profile` (protocol.md 4.4): the CPU profile of one thread. It costs a few percent while it runs: one at a time. */
export function profileSection({ workers, now, record }: ProfileOptions): AdminSection {
  let isRunning = false;
  const threads = threadNames(workers);
  const describe = 'CPU profile of a thread: ?seconds=10&thread=data-0&format=pprof';
  return get('/debug/pprof/profile', describe, async ({ query }) => {
    const unknown = [...query.keys()].find((name) => !NAMES.includes(name));
    if (unknown !== undefined) return bad(JSON.stringify(unknown.slice(0, 64)), `one of ${NAMES.join(', ')}`);
    const seconds = Number(query.get('seconds') ?? SECONDS.fallback);
    if (!(seconds > 0 && seconds <= SECONDS.max)) return bad('seconds', `a number up to ${SECONDS.max}`);
    const thread = threads.indexOf(query.get('thread') ?? 'data-0');
    if (thread === -1) return bad('thread', `one of ${threads.join(', ')}`);
    const format = FORMATS.find((known) => known === (query.get('format') ?? FORMATS[0]));
    if (format === undefined) return bad('format', `one of ${FORMATS.join(', ')}`);
    if (isRunning) return textResponse(409, 'a profile is being recorded already\n');
    isRunning = true;
    try {
      const startedAtMs = now();
      const profile = await record(thread === 0 ? null : thread - 1, seconds * 1000);
      return format === 'pprof'
        ? { status: 200, contentType: 'application/octet-stream', body: encodePprof(profile, startedAtMs) }
        : { status: 200, contentType: 'application/json', body: JSON.stringify(profile) };
    } finally {
      isRunning = false;
    }
  });
}

function bad(name: string, expected: string): ReturnType<typeof textResponse> {
  return textResponse(400, `${name}: expected ${expected}\n`);
}
