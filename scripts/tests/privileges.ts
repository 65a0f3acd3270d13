import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestGroup } from './plan.ts';
import type { GroupResult } from './run-group.ts';

/** How privileged tests can be run here: the `unshare` arguments, or why not. */
export type Privileges =
  | { readonly kind: 'available'; readonly how: string; readonly unshare: readonly string[] }
  | { readonly kind: 'none'; readonly reason: string };

/**
 * Tests get namespaces of their own, also when they are root: what a crashed test leaves behind goes away with them. /run is
 * an empty file system there, so that `ip netns` and sockets below it touch nothing of the machine.
 */
const PREPARE = 'mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up';

const WAYS: readonly { readonly how: string; readonly unshare: readonly string[]; readonly rootOnly: boolean }[] = [
  { how: 'root in its own mount and network namespace', unshare: ['--mount', '--net'], rootOnly: true },
  { how: 'a user namespace', unshare: ['--user', '--map-root-user', '--mount', '--net'], rootOnly: false },
];

/** Tries what this machine allows, best first. */
export function findPrivileges(): Privileges {
  const isRoot = process.getuid?.() === 0;
  for (const { how, unshare, rootOnly } of WAYS) {
    if (rootOnly && !isRoot) continue;
    const attempt = spawnSync('unshare', [...unshare, 'sh', '-c', PREPARE], { encoding: 'utf8' });
    if (attempt.status === 0) return { kind: 'available', how, unshare };
  }
  const reason = isRoot
    ? 'this root may not create network namespaces: give the container --privileged'
    : 'this user may not create network namespaces: run as root, or allow it with `sudo sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0`';
  return { kind: 'none', reason };
}

/** Runs the group inside new namespaces. @throws when the runner itself dies there. */
export async function runPrivileged(
  root: string,
  group: TestGroup,
  privileges: Extract<Privileges, { kind: 'available' }>,
): Promise<GroupResult> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-test-'));
  const resultFile = join(folder, 'result.json');
  try {
    const main = join(root, 'scripts/tests/privileged-main.ts');
    const command = [process.execPath, '--conditions=source', main, resultFile, ...group.files];
    const child = spawn('unshare', [...privileges.unshare, 'sh', '-c', `${PREPARE} && exec "$@"`, 'sh', ...command], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject).on('close', resolve);
    });
    if (code !== 0) throw new Error(`the runner of privileged tests ended with ${code}`);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- privileged-main.ts wrote it a moment ago
    return JSON.parse(readFileSync(resultFile, 'utf8')) as GroupResult;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
