import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';

/**
 * Options for a test that needs to create network namespaces: skipped with the reason where that is not possible, unless
 * REQUIRE_ROOT_TESTS=1, with which the test runs, and fails. An ordinary user runs such tests inside `unshare -Urnm`.
 */
export function rootTestOptions(): { readonly skip?: string } {
  if (process.env['REQUIRE_ROOT_TESTS'] === '1') return {};
  const attempt = spawnSync('unshare', ['--net', 'true']);
  return attempt.status === 0
    ? {}
    : { skip: 'cannot create network namespaces: run as root or inside `unshare -Urnm`' };
}

/**
 * A network namespace with loopback up, held by a process that ends with this one. It has no name in the file system:
 * open it at `path`.
 */
export class TestNetns implements AsyncDisposable {
  /** `/proc/PID/ns/net` of the holder. */
  readonly path: string;
  readonly processId: number;
  readonly #holder: ChildProcess;
  readonly #exited: Promise<void>;

  private constructor(holder: ChildProcess, processId: number) {
    this.#holder = holder;
    this.processId = processId;
    this.path = `/proc/${processId}/ns/net`;
    this.#exited = new Promise((resolve) => holder.once('exit', () => resolve()));
  }

  static async create(): Promise<TestNetns> {
    // `cat` ends when its input does, which is when this process ends, however that happens.
    const script = 'ip link set lo up && echo ready && exec cat';
    const holder = spawn('unshare', ['--net', 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      holder.once('error', reject);
      holder.once('exit', (code) => reject(new Error(`the holder of a network namespace ended with code ${code}`)));
      holder.stdout.once('data', () => resolve());
    });
    return new TestNetns(holder, holder.pid ?? 0);
  }

  /** Runs a program inside and returns its output. @throws when it exits with another code than 0. */
  run(program: string, ...args: readonly string[]): string {
    return execFileSync('nsenter', [`--net=${this.path}`, program, ...args], { encoding: 'utf8' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#holder.kill('SIGKILL');
    await this.#exited;
  }
}
