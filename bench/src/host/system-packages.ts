import { isInstalled, runCommand } from './command.ts';
import { BenchError } from '../errors.ts';

/** A program a bench needs and the Debian package it comes in. `file` is checked instead of the path when given. */
export interface SystemProgram {
  readonly program: string;
  readonly package: string;
  readonly file?: string;
}

/** What the L4 bench drives besides the proxies that it installs itself. */
export const L4_PROGRAMS: readonly SystemProgram[] = [
  { program: 'ip', package: 'iproute2' },
  { program: 'nft', package: 'nftables' },
  { program: 'taskset', package: 'util-linux' },
  { program: 'sysctl', package: 'procps' },
  { program: 'wrk', package: 'wrk' },
  { program: 'iperf3', package: 'iperf3' },
  { program: 'nginx', package: 'nginx-light' },
  { program: 'nginx', package: 'libnginx-mod-stream', file: '/usr/lib/nginx/modules/ngx_stream_module.so' },
  { program: 'python3', package: 'python3-pip' },
];

/** What the L7 bench drives. */
export const L7_PROGRAMS: readonly SystemProgram[] = [
  { program: 'ip', package: 'iproute2' },
  { program: 'taskset', package: 'util-linux' },
  { program: 'sysctl', package: 'procps' },
  { program: 'curl', package: 'curl' },
  { program: 'wrk', package: 'wrk' },
  { program: 'nginx', package: 'nginx-light' },
  { program: 'python3', package: 'python3-pip' },
];

/** The one command that installs the packages on a Debian-like system. */
export function installCommand(packages: readonly string[]): readonly string[] {
  return ['apt-get', 'install', '--yes', '--no-install-recommends', ...packages];
}

/**
 * Makes sure that every program is there. As root the missing packages are installed through apt, announced with `say`;
 * otherwise, or without apt, throws `missing-program` with the command to type.
 */
export async function ensurePrograms(
  programs: readonly SystemProgram[],
  options: { readonly isRoot: boolean; readonly say: (line: string) => void; readonly signal: AbortSignal },
): Promise<void> {
  const missing: string[] = [];
  for (const wanted of programs) {
    const present =
      wanted.file === undefined
        ? await isInstalled(wanted.program)
        : await runCommand('test', ['-e', wanted.file]).then(
            () => true,
            () => false,
          );
    if (!present) missing.push(wanted.package);
  }
  if (missing.length === 0) return;
  const command = installCommand(missing);
  if (!options.isRoot || !(await isInstalled('apt-get'))) {
    throw new BenchError('missing-program', 'system packages are missing', {
      data: { install: `sudo ${command.join(' ')}` },
    });
  }
  options.say(`installing system packages: ${missing.join(' ')}`);
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive' };
  await runCommand('apt-get', ['update'], { signal: options.signal, env });
  // nginx's own service would take port 80 and stay behind: the policy file keeps apt from starting services.
  const script =
    'test -e /usr/sbin/policy-rc.d && exec "$@"; f=/usr/sbin/policy-rc.d; printf "#!/bin/sh\\nexit 101\\n" >$f; chmod +x $f; "$@"; r=$?; rm -f $f; exit $r';
  await runCommand('sh', ['-c', script, 'sh', ...command], { signal: options.signal, env });
}
