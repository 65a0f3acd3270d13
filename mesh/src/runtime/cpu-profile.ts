import type { Profiler } from 'node:inspector/promises';

/** A CPU profile in the form of V8, which Chrome's developer tools and VS Code open as `*.cpuprofile`. */
export type CpuProfile = Profiler.Profile;

const INTERVAL_US = 1000;

/** Samples the stack of this thread every millisecond for `durationMs`. One at a time in a thread. */
export async function recordCpuProfile(durationMs: number, sleep: (ms: number) => Promise<void>): Promise<CpuProfile> {
  // Loaded by the first who asks: most processes are never profiled.
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
    await session.post('Profiler.start');
    await sleep(durationMs);
    const { profile } = await session.post('Profiler.stop');
    return profile;
  } finally {
    session.disconnect();
  }
}
