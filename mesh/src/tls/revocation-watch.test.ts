import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LogFields, Logger } from '../runtime/logger.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createTestCa } from '../testing/test-ca.ts';
import { until } from '../testing/until.ts';
import { RevocationWatch } from './revocation-watch.ts';

const ca = createTestCa();
const [one, two] = [ca.issueCertificate().certificate, ca.issueCertificate().certificate];

/** A directory whose file is watched, and what came of it. */
class Watched implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'ambit-crl-'));
  readonly path: string = join(this.directory, 'ca-crl.pem');
  readonly clock: ManualClock = new ManualClock(Date.now());
  readonly log: string[] = [];
  /** Entries of each set of lists that was put in force. */
  readonly published: number[] = [];
  readonly file: RevocationWatch;
  readonly #stop = new AbortController();
  #watching: Promise<void> | undefined;

  constructor() {
    const line =
      (level: string) =>
      (message: string, { reason }: LogFields = {}): void =>
        void this.log.push(`${level} ${message}${typeof reason === 'string' ? `: ${reason}` : ''}`);
    const logger: Logger = {
      debug: line('debug'),
      info: line('info'),
      warn: line('warn'),
      error: line('error'),
      child: () => logger,
    };
    this.file = new RevocationWatch({
      path: this.path,
      clock: this.clock,
      logger,
      publish: async (lists) => void this.published.push(lists.reduce((sum, { bytes }) => sum + bytes.length, 0) / 16),
    });
  }

  watch(): void {
    this.#watching = this.file.watch(this.#stop.signal);
  }

  /** Time passes until the condition holds. */
  async until(what: string, condition: () => boolean, stepMs = 1000): Promise<void> {
    await until(what, () => {
      if (!condition()) void this.clock.advance(stepMs);
      return condition();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    rmSync(this.directory, { recursive: true });
  }
}

const IN_FORCE = 'info revocation lists are in force';
const UNUSABLE = 'error the file with revocation lists cannot be used: the last that could stay in force';

test('a file is followed: written anew, replaced, and swapped as a ConfigMap is', async () => {
  await using watched = new Watched();
  const { path, directory, published } = watched;
  writeFileSync(path, ca.revocationList([one]));
  await watched.file.open();
  assert.deepEqual(published, [1]);
  watched.watch();
  writeFileSync(path, ca.revocationList([one, two]));
  await watched.until('written', () => published.length === 2);
  writeFileSync(`${path}.new`, ca.revocationList([]));
  renameSync(`${path}.new`, path);
  await watched.until('replaced', () => published.length === 3);
  writeFileSync(join(directory, 'data'), ca.revocationList([two]));
  unlinkSync(path);
  symlinkSync('data', path);
  await watched.until('swapped', () => published.length === 4);
  assert.deepEqual([published, watched.file.entryCount], [[1, 2, 0, 1], 1]);
});

test('what cannot be used leaves the last good lists in force, and is named once', async () => {
  await using watched = new Watched();
  const { path, log, published } = watched;
  writeFileSync(path, ca.revocationList([one]));
  await watched.file.open();
  watched.watch();
  writeFileSync(path, ca.revocationList([one, two]) + ca.revocationList([two]).slice(0, -50));
  await watched.until('named', () => log.length === 2);
  assert.equal(watched.file.isFailing, true);
  unlinkSync(path);
  await watched.until('missing', () => log.length === 3);
  assert.deepEqual(published, [1]);
  writeFileSync(path, ca.revocationList([two]));
  await watched.until('good again', () => published.length === 2);
  assert.deepEqual(log, [IN_FORCE, `${UNUSABLE}: list 2: malformed`, `${UNUSABLE}: missing`, IN_FORCE]);
  assert.equal(watched.file.isFailing, false);
});

test('a file that is being written takes nobody back, one that stays empty does', async () => {
  await using watched = new Watched();
  const { path, published } = watched;
  writeFileSync(path, ca.revocationList([one]));
  await watched.file.open();
  watched.watch();
  let looks = 0;
  await watched.until('it was looked at, being written', () => {
    writeFileSync(path, '\n'.repeat(++looks));
    return looks > 20;
  });
  assert.deepEqual(published, [1]);
  await watched.until('it stays empty', () => published.length === 2);
  assert.deepEqual(published, [1, 0]);
});

test('what is no file is refused without waiting for it, and the lists in force are known when they come back', async () => {
  await using watched = new Watched();
  const { path, directory, log, published } = watched;
  const put = (target: string): void => {
    symlinkSync(target, `${path}.new`);
    renameSync(`${path}.new`, path);
  };
  writeFileSync(join(directory, 'lists'), ca.revocationList([one]));
  put('lists');
  await watched.file.open();
  watched.watch();
  execFileSync('mkfifo', [join(directory, 'pipe')]);
  for (const [target, lines] of [
    ['pipe', 2],
    ['lists', 3],
    ['.', 4],
    ['lists', 5],
    ['/dev/zero', 6],
    ['lists', 7],
  ] as const) {
    put(target);
    await watched.until(`${target} is seen`, () => log.length === lines);
    assert.equal(watched.file.isFailing, target !== 'lists');
  }
  const again = 'info the file with revocation lists is the one in force again';
  const refused = `${UNUSABLE}: no regular file`;
  assert.deepEqual(log, [IN_FORCE, refused, again, refused, again, refused, again]);
  assert.deepEqual(published, [1]);
});

test('a file that is missing at the start may come later, one that cannot be used then is fatal', async () => {
  await using watched = new Watched();
  const { path, log, published } = watched;
  await watched.file.open();
  watched.watch();
  writeFileSync(path, ca.revocationList([one]));
  await watched.until('there', () => published.length === 1);
  assert.deepEqual(log, [
    'warn the file with revocation lists is missing: nothing is revoked until it is there',
    IN_FORCE,
  ]);

  await using broken = new Watched();
  writeFileSync(broken.path, 'no list');
  await assert.rejects(broken.file.open(), { message: /ca-crl\.pem, cannot be used: list 1: malformed/ });
});

test('an expired list stays in force with a warning, again after an hour', async () => {
  await using watched = new Watched();
  const { path, log, published } = watched;
  writeFileSync(path, ca.revocationList([one], { thisUpdateMs: Date.now() - 2000, nextUpdateMs: Date.now() - 1000 }));
  await watched.file.open();
  watched.watch();
  const warning = 'warn revocation lists should have been replaced; they stay in force';
  await watched.until('warned again', () => log.length === 3, 3_600_000);
  assert.deepEqual([published, log], [[1], [IN_FORCE, warning, warning]]);
});
