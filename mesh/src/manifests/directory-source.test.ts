import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { keyOf, type MeshObject, type ObjectKey } from '../kinds/objects.ts';
import type { ObjectProblem } from '../kinds/object-source.ts';
import { systemClock } from '../runtime/clock.ts';
import { silentLogger } from '../runtime/logger.ts';
import { checkLeaks } from '../testing/leak-check.ts';
import { until } from '../testing/until.ts';
import { ManifestsError } from './errors.ts';
import { createDirectorySource, type DirectorySourceOptions } from './directory-source.ts';
import { MANIFEST_LIMITS } from './limits.ts';
import { createProblemReporter } from './report-problems.ts';

checkLeaks();

let directory = '';
let stop = new AbortController();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ambit-manifests-'));
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await rm(directory, { recursive: true, force: true });
});

/** What a watcher knows, and how it came to know it. */
class Follower {
  readonly objects = new Map<ObjectKey, MeshObject>();
  readonly batches: string[][] = [];
  problems: readonly ObjectProblem[] = [];

  async watch(options: Partial<DirectorySourceOptions> = {}): Promise<this> {
    const source = createDirectorySource({ directory, clock: systemClock, logger: silentLogger, ...options });
    await source.watch(
      {
        onChanges: (changes) => {
          for (const change of changes) {
            if (change.kind === 'put') this.objects.set(keyOf(change.object), change.object);
            else assert.equal(this.objects.delete(change.key), true);
          }
          this.batches.push(
            changes.map((change) => (change.kind === 'put' ? `+${keyOf(change.object)}` : `-${change.key}`)),
          );
        },
        onProblems: (problems) => {
          this.problems = problems;
        },
      },
      stop.signal,
    );
    return this;
  }

  get keys(): readonly string[] {
    return [...this.objects.keys()].toSorted();
  }

  /** Node name by pod, as the value that tests change. */
  node(name: string): string | undefined {
    const found = this.objects.get(`Pod/ns/${name}`);
    return found?.kind === 'Pod' ? found.nodeName : undefined;
  }

  get told(): readonly string[] {
    return this.problems.map(
      ({ where, line, reason }) => `${where.slice(directory.length + 1)}:${line ?? ''} ${reason}`,
    );
  }
}

function pod(name: string, node = 'n1'): string {
  return `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: ns}\nspec: {nodeName: ${node}}\n`;
}

async function write(name: string, text: string): Promise<void> {
  const path = join(directory, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

test('directory source delivers everything below the directory in one batch, but not private or foreign files', async () => {
  await write('a.yaml', pod('a'));
  await write('deep/er/b.yml', pod('b'));
  await write('deep/c.json', JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'c' } }));
  await write('.hidden/d.yaml', pod('d'));
  await write('.e.yaml.swp', pod('e'));
  await write('f.yaml~', pod('f'));
  await write('README.md', '# no manifest');
  await symlink(join(directory, '.hidden', 'd.yaml'), join(directory, 'link.yaml'));
  await symlink(directory, join(directory, 'cycle'));
  const follower = await new Follower().watch();
  assert.deepEqual(follower.keys, ['Node//c', 'Pod/ns/a', 'Pod/ns/b', 'Pod/ns/d']);
  assert.equal(follower.batches.length, 1);
  assert.deepEqual(follower.told, []);
});

test('directory source follows files that are added, changed, replaced, moved and deleted, in folders old and new', async () => {
  await write('a.yaml', pod('a'));
  const follower = await new Follower().watch();
  await write('a.yaml', pod('a', 'n2'));
  await until('the change arrives', () => follower.node('a') === 'n2');
  await write('.a.yaml.tmp', pod('a', 'n3'));
  await rename(join(directory, '.a.yaml.tmp'), join(directory, 'a.yaml'));
  await until('the replaced file arrives', () => follower.node('a') === 'n3');
  await write('new/folder/b.yaml', pod('b'));
  await until('a file in a new folder arrives', () => follower.node('b') === 'n1');
  await write('new/folder/b.yaml', pod('b', 'n2'));
  await until('a change in a new folder arrives', () => follower.node('b') === 'n2');
  follower.batches.length = 0;
  await rename(join(directory, 'a.yaml'), join(directory, 'new', 'a.yaml'));
  await rm(join(directory, 'new', 'folder'), { recursive: true });
  await until('the deleted file is gone', () => follower.node('b') === undefined);
  assert.equal(follower.node('a'), 'n3');
  // The moved object was there all the time: nobody was told that it went.
  assert.deepEqual(
    follower.batches.flat().filter((change) => change.startsWith('-')),
    ['-Pod/ns/b'],
  );
});

test('directory source keeps the last good version of what breaks, says where and why, and recovers', async () => {
  await write('a.yaml', `${pod('a')}---\n${pod('b')}`);
  const follower = await new Follower().watch();
  await write('a.yaml', `${pod('a', 'n2')}---\n${pod('b', '5')}`);
  await until('the good half arrives', () => follower.node('a') === 'n2');
  assert.equal(follower.node('b'), 'n1');
  assert.deepEqual(follower.told, ['a.yaml:9 spec.nodeName must be a text but is 5']);
  await write('a.yaml', 'not: [yaml\n');
  await until('the worse version is reported', () => follower.told[0]?.includes('not valid YAML'));
  assert.deepEqual([follower.node('a'), follower.node('b')], ['n2', 'n1']);
  await write('a.yaml', pod('b', 'n3'));
  await until('the good version arrives', () => follower.node('b') === 'n3');
  assert.deepEqual([follower.keys, follower.told], [['Pod/ns/b'], []]);
});

test('directory source does not take a file in the middle of being saved for a deleted one', async () => {
  await write('a.yaml', pod('a'));
  const follower = await new Follower().watch();
  await truncate(join(directory, 'a.yaml'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await write('a.yaml', pod('a', 'n2'));
  await until('the saved file arrives', () => follower.node('a') === 'n2');
  // An editor that moves the old file away before it writes the new one.
  await rename(join(directory, 'a.yaml'), join(directory, 'a.yaml~'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await write('a.yaml', pod('a', 'n3'));
  await until('the second save arrives', () => follower.node('a') === 'n3');
  assert.deepEqual(follower.batches, [['+Pod/ns/a'], ['+Pod/ns/a'], ['+Pod/ns/a']]);
});

test('directory source reports duplicates; the first path counts, whatever was read first', async () => {
  await write('b.yaml', pod('x', 'from-b'));
  const follower = await new Follower().watch();
  await write('a.yaml', `# first\n${pod('x', 'from-a')}`);
  await until('the first path takes over', () => follower.node('x') === 'from-a');
  assert.deepEqual(follower.told, [`b.yaml:1 Pod/ns/x is already defined at ${directory}/a.yaml:2, which is in force`]);
  await rm(join(directory, 'a.yaml'));
  await until('the second path takes over again', () => follower.node('x') === 'from-b');
  assert.deepEqual(follower.told, []);
});

test('directory source bounds files, their size and their number, and keeps what it had of them', async () => {
  await write('a.yaml', pod('a'));
  await write('b.yaml', pod('b'));
  const follower = await new Follower().watch({ limits: { ...MANIFEST_LIMITS, fileBytesMax: 200, filesMax: 2 } });
  await write('a.yaml', pod('a', 'n2') + `# ${'x'.repeat(300)}\n`);
  await until('the large file is reported', () => follower.told.length === 1);
  assert.match(follower.told[0] ?? '', /^a\.yaml: file has \d+ bytes, more than 200$/);
  assert.equal(follower.node('a'), 'n1');
  await write('c.yaml', pod('c'));
  await until('the file too many is reported', () =>
    follower.told.some((line) => line.startsWith('c.yaml: there are more than 2')),
  );
  assert.deepEqual(follower.keys, ['Pod/ns/a', 'Pod/ns/b']);
  await write('a.yaml', pod('a', 'n3'));
  await until('it recovers', () => follower.node('a') === 'n3');
});

test('directory source keeps what it had of files and folders that it cannot look at for now', async () => {
  await write('team/a.yaml', pod('a'));
  await write('b.yaml', pod('b'));
  const follower = await new Follower().watch({ pollMs: 20 });
  const both = ['Pod/ns/a', 'Pod/ns/b'];
  assert.deepEqual(follower.keys, both);
  await rm(join(directory, 'b.yaml'));
  await symlink('b.yaml', join(directory, 'b.yaml'));
  await chmod(directory, 0o755);
  await chmod(join(directory, 'team'), 0);
  const user = process.geteuid?.() ?? 0;
  // Root may look everywhere.
  if (user === 0) process.seteuid?.(65_534);
  try {
    await until('both are reported', () => follower.problems.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 400));
  } finally {
    if (user === 0) process.seteuid?.(0);
    await chmod(join(directory, 'team'), 0o755);
  }
  assert.deepEqual(follower.keys, both);
  assert.deepEqual(
    follower.problems.map(({ reason }) => reason),
    ['file cannot be read: ELOOP', 'folder cannot be read: EACCES'],
  );
  await rm(join(directory, 'b.yaml'));
  await until('what is gone is gone', () => follower.keys.join() === 'Pod/ns/a');
  await until('nothing is reported any more', () => follower.problems.length === 0);
});

test('directory source warns of rules of a route that are not in force, and delivers the route', async () => {
  const route = (type: string): string =>
    `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: ns }
spec:
  parentRefs: [{ group: "", kind: Service, name: db }]
  rules: [{ matches: [{ path: { type: ${type}, value: /a } }], backendRefs: [{ name: db, port: 80 }] }]
`;
  await write('r.yaml', route('Prefix'));
  const follower = await new Follower().watch({ pollMs: 20 });
  assert.deepEqual(follower.keys, ['HTTPRoute/ns/r']);
  assert.deepEqual(
    follower.problems.map(({ severity, key }) => [severity, key]),
    [['warning', 'HTTPRoute/ns/r']],
  );
  assert.match(
    follower.told.join('; '),
    /^r.yaml:1 spec.rules\[0\].matches\[0\].path.type "Prefix" is not supported: this version knows Exact, PathPrefix, RegularExpression$/,
  );
  await write('r.yaml', route('PathPrefix'));
  await until('nothing is reported any more', () => follower.problems.length === 0);
});

test('directory source finds changes by polling where there are no events', async () => {
  await write('deep/a.yaml', pod('a'));
  const follower = await new Follower().watch({ limits: { ...MANIFEST_LIMITS, watchedFoldersMax: 0 }, pollMs: 20 });
  await write('deep/a.yaml', pod('a', 'n2'));
  await until('the change is found', () => follower.node('a') === 'n2');
});

test('directory source rejects when its directory cannot be read, and survives it going away later', async () => {
  const none = join(directory, 'none');
  const missing = createDirectorySource({ directory: none, clock: systemClock, logger: silentLogger });
  await assert.rejects(missing.watch({ onChanges: () => {}, onProblems: () => {} }, stop.signal), (error) => {
    assert.ok(error instanceof ManifestsError);
    const expected = 'a directory that this process may read';
    assert.deepEqual(error.data, { directory: none, reason: 'ENOENT', expected });
    return true;
  });
  await write('m/a.yaml', pod('a'));
  const follower = await new Follower().watch({ directory: join(directory, 'm'), pollMs: 20 });
  await rename(join(directory, 'm'), join(directory, 'away'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(follower.node('a'), 'n1');
  await rename(join(directory, 'away'), join(directory, 'm'));
  await write('m/a.yaml', pod('a', 'n2'));
  await until('it goes on when the directory is back', () => follower.node('a') === 'n2');
});

test('createProblemReporter logs each problem once when it comes and once when it goes', () => {
  const lines: string[] = [];
  const log = (message: string, fields: unknown): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const report = createProblemReporter({ ...silentLogger, error: log, warn: log, info: log });
  const problem: ObjectProblem = { where: 'a.yaml', line: 3, reason: 'bad', key: 'Pod/ns/a', severity: 'error' };
  report([problem]);
  report([problem, { where: 'b.yaml', reason: 'odd', severity: 'warning' }]);
  report([]);
  assert.deepEqual(lines, [
    'manifest is not in force, its last good version stays {"path":"a.yaml","line":3,"reason":"bad","object":"Pod/ns/a"}',
    'manifest is only partly in force {"path":"b.yaml","reason":"odd"}',
    'manifest problem is gone {"path":"a.yaml","line":3,"object":"Pod/ns/a"}',
    'manifest problem is gone {"path":"b.yaml"}',
  ]);
});
