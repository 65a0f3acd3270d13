import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import { cniMetrics } from '../metrics.ts';
import type { PluginEntry } from './conflist-text.ts';
import { Installation } from './installation.ts';
import { Installer } from './installer.ts';

const ENTRY: PluginEntry = { type: 'ambit-cni', agentSocket: '/s', enrolmentList: '/l', timeoutMs: 15_000 };
const LIST = '{ "cniVersion": "1.0.0", "name": "kit", "plugins": [\n  { "type": "ptp" }\n] }\n';

/** A host's directories and an image with the plugin. */
class Host implements AsyncDisposable {
  readonly root: string = mkdtempSync(join(tmpdir(), 'ambit-install-'));
  readonly bin: string = join(this.root, 'bin');
  readonly conf: string = join(this.root, 'net.d');
  readonly plugin: string = join(this.root, 'plugin');
  readonly installation: Installation;
  readonly #stop: AbortController = new AbortController();
  #running: Promise<void> = Promise.resolve();
  readonly seen: boolean[] = [];

  constructor() {
    for (const directory of [this.bin, this.conf]) mkdirSync(directory);
    writeFileSync(this.plugin, 'the program');
    const { plugin, bin: binDirectory, conf: confDirectory } = this;
    this.installation = new Installation({ plugin, binDirectory, confDirectory, entry: ENTRY });
  }

  run(): void {
    const installer = new Installer({
      installation: this.installation,
      directories: [this.bin, this.conf],
      onInstalled: (installed) => this.seen.push(installed),
      clock: systemClock,
      logger: silentLogger,
      metrics: new Metrics().register(cniMetrics),
    });
    this.#running = installer.run(this.#stop.signal);
  }

  /** Everything below the host's directories: path, mode and content, or where a link goes. */
  files(): readonly string[] {
    return ['bin', 'net.d'].flatMap((directory) =>
      readdirSync(join(this.root, directory))
        .toSorted()
        .map((name) => {
          const path = join(this.root, directory, name);
          const mode = lstatSync(path).mode.toString(8);
          return `${directory}/${name} ${mode} ${readFileSync(path, 'latin1')}`;
        }),
    );
  }

  conflist(name = '10-kit.conflist'): string {
    return readFileSync(join(this.conf, name), 'utf8');
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.conf, name), text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    rmSync(this.root, { recursive: true });
  }
}

const isJoined = (text: string): boolean => text.includes('ambit-cni');

test('what apply() installs remove() takes away, byte by byte, modes and links included', async () => {
  await using host = new Host();
  host.write('10-kit.conflist', LIST);
  chmodSync(join(host.conf, '10-kit.conflist'), 0o640);
  writeFileSync(join(host.bin, 'ptp'), 'another program', { mode: 0o755 });
  const before = host.files();
  assert.deepEqual(host.installation.apply(), {
    installed: true,
    primary: '10-kit.conflist',
    repaired: ['plugin', 'configuration'],
    problems: [],
  });
  const installed = host.files();
  assert.equal(readFileSync(join(host.bin, 'ambit-cni'), 'utf8'), 'the program');
  assert.equal(statSync(join(host.bin, 'ambit-cni')).mode & 0o777, 0o755);
  assert.ok(isJoined(host.conflist()));
  assert.deepEqual(host.installation.apply().repaired, []);
  assert.deepEqual(host.files(), installed);
  host.installation.remove();
  host.installation.remove();
  assert.deepEqual(host.files(), before);
});

test('a configuration behind a link is joined where it is', async () => {
  await using host = new Host();
  const target = join(host.root, 'elsewhere.conflist');
  writeFileSync(target, LIST);
  symlinkSync(target, join(host.conf, '10-kit.conflist'));
  host.installation.apply();
  assert.ok(lstatSync(join(host.conf, '10-kit.conflist')).isSymbolicLink() && isJoined(readFileSync(target, 'utf8')));
  host.installation.remove();
  assert.equal(readFileSync(target, 'utf8'), LIST);
});

test('a program that was changed, made unusable or replaced by a link is put right; leftovers go away', async () => {
  await using host = new Host();
  const path = join(host.bin, 'ambit-cni');
  host.installation.apply();
  for (const spoil of [
    () => writeFileSync(path, 'the pro'),
    () => writeFileSync(path, 'the pr0gram'),
    () => chmodSync(path, 0o644),
    () => rmSync(path),
    () => {
      rmSync(path);
      symlinkSync('/bin/true', path);
    },
  ]) {
    spoil();
    writeFileSync(join(host.bin, '.ambit-ambit-cni.new'), 'half a prog');
    assert.deepEqual(host.installation.apply().repaired, ['plugin']);
    assert.deepEqual(
      [readFileSync(path, 'utf8'), lstatSync(path).isFile(), readdirSync(host.bin)],
      ['the program', true, ['ambit-cni']],
    );
  }
});

test('the installer repairs hand edits, rewrites, deletions and new configurations that take precedence', async () => {
  await using host = new Host();
  host.run();
  await until('it has looked', () => host.seen.length > 0);
  assert.deepEqual([host.seen.at(-1), existsSync(join(host.bin, 'ambit-cni'))], [false, true]);
  host.write('10-kit.conflist', LIST);
  await until('the configuration that came later is joined', () => isJoined(host.conflist()));
  host.write('10-kit.conflist', LIST.replace('ptp', 'bridge'));
  await until('the rewritten one is joined', () => /bridge.*\n.*ambit-cni/.test(host.conflist()));
  host.write('05-new.conflist', LIST);
  await until('the one that takes precedence is joined', () => isJoined(host.conflist('05-new.conflist')));
  rmSync(join(host.bin, 'ambit-cni'));
  await until('the program is back', () => existsSync(join(host.bin, 'ambit-cni')));
  rmSync(join(host.conf, '05-new.conflist'));
  rmSync(join(host.conf, '10-kit.conflist'));
  await until('it says that nothing is left to join', () => host.seen.at(-1) === false);
});

test('a host that cannot be written is tried again until it can, and keeps what it has', async () => {
  await using host = new Host();
  host.write('10-kit.conflist', LIST);
  rmSync(host.plugin);
  host.run();
  // Without the program no pod may be sent to it.
  await until('it was tried', () => existsSync(host.bin));
  assert.equal(host.conflist(), LIST);
  writeFileSync(host.plugin, 'the program');
  await until('it is installed', () => isJoined(host.conflist()));
});
