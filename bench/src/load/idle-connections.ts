import { spawn } from 'node:child_process';
import { pinnedCommand } from '../host/child-processes.ts';
import { BenchError } from '../errors.ts';

const READY_TIMEOUT_MS = 30_000;
const PROGRAM = new URL('./idle-hold-main.ts', import.meta.url).pathname;

export interface IdleConnectionsOptions {
  readonly netns: string;
  readonly core: number;
  readonly address: string;
  readonly port: number;
  readonly count: number;
  readonly node: string;
  readonly signal: AbortSignal;
}

/** Connections that are open and silent. Disposal closes them and waits for the holder to end. */
export interface IdleConnections extends AsyncDisposable {
  readonly count: number;
}

/** Opens `count` connections, each proved by a request. Throws `peer-failed` when not all of them stand within 30 s. */
export async function openIdleConnections(options: IdleConnectionsOptions): Promise<IdleConnections> {
  const holder = [options.node, PROGRAM, options.address, String(options.port), String(options.count)];
  const [program, ...args] = pinnedCommand(options.netns, options.core, holder);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] }).on('error', () => {});
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let said = '';
  child.stdin.on('error', () => {});
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ready = new Promise<boolean>((resolve) => {
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes(`ready ${options.count}\n`)) resolve(true);
    });
    void exited.then(() => resolve(false));
    const onAbort = (): void => resolve(false);
    options.signal.addEventListener('abort', onAbort, { once: true });
    setTimeout(onAbort, READY_TIMEOUT_MS).unref();
  });
  const close = async (): Promise<void> => {
    child.stdin.end();
    if (child.exitCode === null && child.signalCode === null) await exited;
  };
  if (!(await ready)) {
    child.kill('SIGKILL');
    await exited;
    throw new BenchError('peer-failed', 'idle connections could not be opened', { data: { said: said.slice(-300) } });
  }
  return { count: options.count, [Symbol.asyncDispose]: close };
}
