import { join } from 'node:path';
import { openLineProgram } from '../host/line-program.ts';

export interface PulseOptions {
  readonly node: string;
  readonly clientNetnsPath: string;
  readonly serverNetnsPath: string;
  /** `address:port` of the server. */
  readonly destination: string;
}

/** A stream between two pods on which a small message goes to and fro every two milliseconds. Disposing it ends it. */
export interface Pulse extends AsyncDisposable {
  /** The longest that a message took since the last time this was asked, milliseconds. */
  worstMs(): Promise<number>;
}

/** Resolves once the first message has come back. @throws BenchError `peer-failed` when the stream breaks, now or later. */
export async function openPulse(options: PulseOptions): Promise<Pulse> {
  const running = await openLineProgram({
    node: options.node,
    program: join(import.meta.dirname, 'pulse-main.ts'),
    args: [options.clientNetnsPath, options.serverNetnsPath, options.destination],
    failure: 'a stream through the agent broke',
  });
  return {
    worstMs: async () => Number(await running.ask()),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
