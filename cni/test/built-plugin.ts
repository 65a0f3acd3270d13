import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUILD = fileURLToPath(new URL('../plugin/build.sh', import.meta.url));

export interface PluginRun {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly output: string;
  readonly errorOutput: string;
  readonly tookMs: number;
}

/** A running plugin. */
export interface RunningPlugin {
  readonly result: Promise<PluginRun>;
  kill(): void;
}

/** The plugin, built by the script that images use; the owner disposes it. */
export class BuiltPlugin implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'ambit-plugin-'));
  readonly path: string = join(this.directory, 'ambit-cni');

  /** `sanitized`: memory errors and undefined behaviour end it with a report. @throws when the compiler complains. */
  constructor(variant: 'static' | 'sanitized' = 'static') {
    const environment = variant === 'sanitized' ? { SANITIZE: '1' } : {};
    execFileSync('sh', [BUILD, this.path], { env: { PATH: process.env['PATH'], ...environment }, stdio: 'pipe' });
  }

  /** Starts it as a container runtime does. */
  start(variables: Readonly<Record<string, string>>, input: string | Buffer): RunningPlugin {
    const began = performance.now();
    const child = spawn(this.path, [], { env: variables, stdio: 'pipe' });
    const texts = { output: '', errorOutput: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (texts.output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (texts.errorOutput += text));
    // It may end without having read everything.
    child.stdin.on('error', () => {}).end(input);
    const result = once(child, 'close').then(([code]: (number | null)[]) => ({
      code: code ?? null,
      ...texts,
      tookMs: performance.now() - began,
    }));
    return { result, kill: () => void child.kill('SIGKILL') };
  }

  run(variables: Readonly<Record<string, string>>, input: string | Buffer): Promise<PluginRun> {
    return this.start(variables, input).result;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Environment of a call for one pod. */
export function podCall(
  command: string,
  pod: { readonly namespace: string; readonly name: string; readonly uid?: string },
  netns: string = '/var/run/netns/cni-1',
): Record<string, string> {
  const args = [
    'IgnoreUnknown=1',
    `K8S_POD_NAMESPACE=${pod.namespace}`,
    `K8S_POD_NAME=${pod.name}`,
    'K8S_POD_INFRA_CONTAINER_ID=c0ffee',
    ...(pod.uid === undefined ? [] : [`K8S_POD_UID=${pod.uid}`]),
  ];
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: 'c0ffee',
    CNI_NETNS: netns,
    CNI_IFNAME: 'eth0',
    CNI_ARGS: args.join(';'),
    CNI_PATH: '/opt/cni/bin',
  };
}
