import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';

/** Set inside the sandbox, so that a program knows that it need not enter it again. Holds how it was entered. */
export const SANDBOX_VARIABLE = 'MESH_WORLD_SANDBOX';

/** Process id, as the machine sees it, of the program that stands at the sandbox's door and holds its namespaces. */
const ENTRY_VARIABLE = 'MESH_WORLD_ENTRY';

export type SandboxKind = 'root' | 'user-namespace';

export type SandboxSupport =
  | { readonly kind: SandboxKind }
  /** `reason` says what is missing, `remedy` what a person can do about it. */
  | { readonly kind: 'unsupported'; readonly reason: string; readonly remedy: string };

/**
 * The namespaces a world lives in: own network, mounts and processes, so that whatever happens to the program, the
 * kernel takes everything down with it: namespaces, nft tables, processes, and files below the private /run.
 */
const NAMESPACES = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'] as const;
/** How long a program may take to end in order after Ctrl-C. */
const INTERRUPTED_MS = 10_000;
/** How often Ctrl-C is said again to a program that goes on. */
const REPEAT_MS = 100;
const USER_NAMESPACE = ['--user', '--map-root-user'] as const;

export function insideSandbox(): boolean {
  return process.env[SANDBOX_VARIABLE] !== undefined;
}

/** Tries what the sandbox needs, in the order: as root, in a user namespace. */
export function probeSandbox(): SandboxSupport {
  if (process.platform !== 'linux') {
    return {
      kind: 'unsupported',
      reason: `network namespaces exist on Linux only, and this is ${process.platform}`,
      remedy: 'run it in a Linux machine, virtual machine or privileged container',
    };
  }
  if (process.getuid?.() === 0 && tries([...NAMESPACES])) return { kind: 'root' };
  if (tries([...USER_NAMESPACE, ...NAMESPACES])) return { kind: 'user-namespace' };
  return {
    kind: 'unsupported',
    reason: 'this user may neither create network namespaces nor user namespaces',
    remedy:
      'run it as root (sudo), or let ordinary users create user namespaces: sysctl kernel.unprivileged_userns_clone=1, ' +
      'on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0, in a container --privileged',
  };
}

/**
 * Runs `node <args>` inside the sandbox with this process's terminal and returns its exit code. Ctrl-C reaches the
 * inner program through the terminal and has some seconds to end it, a second one ends it at once; if this process dies,
 * even by SIGKILL, the kernel ends the inner ones.
 */
export function runInSandbox(kind: SandboxKind, args: readonly string[]): Promise<number> {
  const unshare = [
    'unshare',
    ...(kind === 'root' ? [] : USER_NAMESPACE),
    ...NAMESPACES,
    '--',
    process.execPath,
    ...args,
  ];
  // unshare ends its child when it dies itself; setpriv ends unshare when this process dies.
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
  const command = setpriv === undefined ? unshare : [setpriv, '--pdeathsig', 'KILL', '--', ...unshare];
  const child = spawn('sh', ['-c', `${ENTRY_VARIABLE}=$$ exec "$@"`, 'sh', ...command], {
    stdio: 'inherit',
    env: { ...process.env, [SANDBOX_VARIABLE]: kind },
  });
  const end = (): void => {
    child.kill('SIGKILL');
  };
  let force: NodeJS.Timeout | null = null;
  let repeat: NodeJS.Timeout | undefined;
  // The inner program is process 1 there: while it does not listen for the signal yet, the kernel drops it. So it is said
  // again until the program has ended.
  const interrupted = (): void => {
    if (force !== null) end();
    force ??= setTimeout(end, INTERRUPTED_MS);
    repeat ??= setInterval(() => interruptChildOf(child.pid), REPEAT_MS);
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', end);
  process.on('SIGHUP', end);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', end);
      process.off('SIGHUP', end);
      clearTimeout(force ?? undefined);
      clearInterval(repeat);
      if (force !== null && signal === 'SIGKILL') resolve(130);
      else resolve(code ?? (signal === 'SIGKILL' ? 137 : 1));
    });
  });
}

/** Sends SIGINT to the one child of `unshare`, the first process of the sandbox, if there is one yet. */
function interruptChildOf(pid: number | undefined): void {
  try {
    const inner = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
    if (inner > 1) process.kill(inner, 'SIGINT');
  } catch {
    // It has ended meanwhile.
  }
}

/** Inside the sandbox: the command that brings a person's terminal into it, up to its `--`. */
export function enterSandboxCommand(): string {
  const target = `nsenter --target ${process.env[ENTRY_VARIABLE] ?? '?'} --mount --net`;
  return process.env[SANDBOX_VARIABLE] === 'user-namespace'
    ? `${target} --user --preserve-credentials --`
    : `${target} --`;
}

/** Gives the sandbox a /run of its own, where namespaces are named and sockets and state live. Call once, inside. */
export function preparePrivateRun(): void {
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', '/run'], { encoding: 'utf8' });
  if (mount.status !== 0) throw new Error(`cannot mount a private /run: ${mount.stderr}`);
  mkdirSync('/run/netns');
  const link = spawnSync('ip', ['link', 'set', 'lo', 'up'], { encoding: 'utf8' });
  if (link.status !== 0) throw new Error(`cannot bring up the loopback of the sandbox: ${link.stderr}`);
}

function tries(flags: readonly string[]): boolean {
  return spawnSync('unshare', [...flags, 'true'], { stdio: 'ignore' }).status === 0;
}

/**
 * For tests that build worlds: false inside a sandbox, else the reason to skip. The test runner puts them into one.
 * @throws Error instead of a reason where REQUIRE_ROOT_TESTS demands that nothing is skipped.
 */
export function requireSandbox(): string | false {
  if (insideSandbox()) return false;
  const reason = 'worlds need a sandbox of namespaces: run it through npm test';
  if (process.env['REQUIRE_ROOT_TESTS'] === '1') throw new Error(reason);
  return reason;
}
