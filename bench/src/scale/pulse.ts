import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { BenchError } from '../errors.ts';

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
  const { node, clientNetnsPath, serverNetnsPath, destination } = options;
  const program = join(import.meta.dirname, 'pulse-main.ts');
  const args = ['--conditions=source', program, clientNetnsPath, serverNetnsPath, destination];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', node, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done !== true) return value;
    throw new BenchError('peer-failed', 'a stream through the agent broke', { data: { said: said.slice(-300) } });
  };
  const pulse: Pulse = {
    async worstMs() {
      child.stdin.write('\n');
      return Number(await next());
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
    },
  };
  try {
    await next();
  } catch (error) {
    await pulse[Symbol.asyncDispose]();
    throw error;
  }
  return pulse;
}
