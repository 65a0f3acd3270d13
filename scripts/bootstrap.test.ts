import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const BOOTSTRAP = fileURLToPath(new URL('bootstrap.sh', import.meta.url));

/** A machine as bootstrap.sh sees it: programs on PATH, each a shell script, and a checkout. */
class Machine implements Disposable {
  readonly root: string = mkdtempSync(join(tmpdir(), 'ambit-bootstrap-'));
  readonly #bin: string = join(this.root, 'bin');
  readonly #checkout: string = join(this.root, 'checkout');

  constructor() {
    mkdirSync(this.#bin);
    mkdirSync(join(this.#checkout, 'scripts'), { recursive: true });
    cpSync(BOOTSTRAP, join(this.#checkout, 'scripts/bootstrap.sh'));
    this.write('package-lock.json', '{}');
    for (const task of ['check', 'test', 'build']) this.write(`scripts/${task}.ts`, '');
    this.write('test/e2e/interop/main.ts', '');
    this.write('test/e2e/interop/go/go.mod', 'module x\n\ngo 1.26.0\n');
    // The few programs of every machine that the script itself needs.
    for (const name of [
      'sh',
      'dirname',
      'cat',
      'cksum',
      'date',
      'find',
      'sort',
      'tr',
      'grep',
      'mkdir',
      'chmod',
      'touch',
      'sed',
      'head',
    ]) {
      const path = ['/bin', '/usr/bin'].map((folder) => join(folder, name)).find((each) => existsSync(each));
      if (path !== undefined) symlinkSync(path, join(this.#bin, name));
    }
    this.program('uname', 'case $1 in -m) echo x86_64 ;; *) echo Linux ;; esac');
    this.program('id', 'echo 1000');
    this.program(
      'npm',
      'echo "npm $*"; mkdir -p node_modules/.bin; printf \'#!/bin/sh\\n[ "$1" = -v ] && echo v24.21.0 || echo "node $*"\\n\' >node_modules/.bin/node; chmod +x node_modules/.bin/node',
    );
    for (const name of ['nft', 'unshare', 'openssl', 'gcc', 'pip3']) this.program(name, ':');
    this.program('ip', 'echo "ip utility, iproute2-6.1.0"');
  }

  program(name: string, script: string): void {
    writeFileSync(join(this.#bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(this.#bin, name), 0o755);
  }

  without(name: string): void {
    rmSync(join(this.#bin, name));
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.#checkout, path)), { recursive: true });
    writeFileSync(join(this.#checkout, path), text);
  }

  touch(path: string, secondsFromNow: number): void {
    const time = Date.now() / 1000 + secondsFromNow;
    utimesSync(join(this.#checkout, path), time, time);
  }

  /** Runs a task as npm would, in a directory that is not the checkout. */
  run(...args: readonly string[]): { readonly status: number | null; readonly output: string } {
    // The script adds the system's sbin folders to PATH; here they must stay empty.
    const script = readFileSync(BOOTSTRAP, 'utf8').replace(':/usr/local/sbin:/usr/sbin:/sbin', '');
    this.write('scripts/bootstrap.sh', script);
    const { status, stdout, stderr } = spawnSync('/bin/sh', [join(this.#checkout, 'scripts/bootstrap.sh'), ...args], {
      encoding: 'utf8',
      cwd: this.root,
      env: { PATH: this.#bin },
    });
    return { status, output: stdout + stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

test('bootstrap installs npm packages once, then runs the task with its arguments under the installed Node', () => {
  using machine = new Machine();
  const first = machine.run('test', 'mesh/src/model', '--x y');
  assert.match(first.output, /first run: installing npm packages/);
  assert.match(first.output, /npm ci/);
  assert.match(first.output, /node --conditions=source scripts\/test\.ts mesh\/src\/model --x y\n/);
  assert.equal(first.status, 0);
  assert.equal(machine.run('test').output, 'node --conditions=source scripts/test.ts\n');
});

test('bootstrap installs again when the lock file has changed', () => {
  using machine = new Machine();
  machine.run('check');
  machine.write('package-lock.json', '{"changed": true}');
  assert.match(machine.run('check').output, /package-lock\.json or the platform changed.*\n(?:.*\n)*npm ci/);
});

test('bootstrap believes an installation that was made by hand after the lock file', () => {
  using machine = new Machine();
  machine.write('node_modules/.bin/node', '#!/bin/sh\n[ "$1" = -v ] && echo v24.21.0 || echo "node $*"\n');
  spawnSync('chmod', ['+x', join(machine.root, 'checkout/node_modules/.bin/node')]);
  machine.write('node_modules/.bin/tsc', '');
  machine.write('node_modules/.package-lock.json', '{}');
  machine.touch('node_modules/.package-lock.json', -100);
  assert.match(machine.run('check').output, /npm ci/);
  rmSync(join(machine.root, 'checkout/node_modules/.ambit-installed'));
  machine.touch('node_modules/.package-lock.json', 100);
  assert.equal(machine.run('check').output, 'node --conditions=source scripts/check.ts\n');
});

test('bootstrap prints the one command to type when programs are missing and the user is not root', () => {
  using machine = new Machine();
  machine.without('nft');
  machine.program('ip', 'echo "BusyBox v1.36"');
  machine.program('apt-get', 'exit 1');
  const { status, output } = machine.run('test');
  assert.match(output, /these programs are missing: nft ip/);
  assert.match(output, /sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends iproute2 nftables '/);
  assert.equal(status, 1);
  assert.equal(machine.run('check').status, 0, 'check needs none of them');
});

test('bootstrap installs missing programs as root through the package manager that is there, and says so', () => {
  using machine = new Machine();
  machine.without('nft');
  machine.program('id', 'echo 0');
  machine.program(
    'dnf',
    `echo "dnf $*"; printf '#!/bin/sh\\n' >${join(machine.root, 'bin/nft')}; chmod +x ${join(machine.root, 'bin/nft')}`,
  );
  const { status, output } = machine.run('test');
  assert.match(output, /missing programs: nft ; installing with: dnf install -y nftables/);
  assert.match(output, /dnf install -y nftables/);
  assert.match(output, /scripts\/test\.ts/);
  assert.equal(status, 0);
});

test('bootstrap says so when the package manager did not help, or when there is none', () => {
  using machine = new Machine();
  machine.without('unshare');
  machine.program('id', 'echo 0');
  assert.match(machine.run('test').output, /install the packages .* by hand \(no known package manager found\)/);
  machine.program('pacman', ':');
  const { status, output } = machine.run('test');
  assert.match(output, /still missing after installation: unshare/);
  assert.equal(status, 1);
});

test('bootstrap explains where a task cannot run, and what it does not know', () => {
  using machine = new Machine();
  assert.match(machine.run('deploy').output, /unknown task 'deploy'/);
  assert.match(machine.run('bench').output, /does not exist in this version/);
  machine.program('uname', 'echo Darwin');
  const { status, output } = machine.run('test');
  assert.match(output, /'test' cannot run on Darwin.*\n.*docker run/);
  assert.equal(status, 1);
});

test('bootstrap explains that no Node 24 is there when npm has none for this machine', () => {
  using machine = new Machine();
  machine.program('npm', 'mkdir -p node_modules');
  machine.program('node', 'echo v20.1.0');
  const { status, output } = machine.run('check');
  assert.match(output, /found Node v20\.1\.0, but Ambit needs Node 24/);
  assert.equal(status, 1);
});

test('bootstrap says which Go the interoperability tests need when it is missing or too old', () => {
  using machine = new Machine();
  const missing = machine.run('interop');
  assert.match(missing.output, /go is missing: install Go 1\.26\.0 or newer/);
  assert.equal(missing.status, 1);
  machine.program('go', 'echo go1.9.7');
  assert.match(machine.run('interop').output, /found Go 1\.9\.7, but .* need Go 1\.26\.0 or newer/);
  machine.program('go', 'echo go1.26.8');
  assert.equal(machine.run('interop').output, 'node --conditions=source test/e2e/interop/main.ts\n');
});
