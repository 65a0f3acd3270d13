import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LIBRARIES } from './architecture-rules.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  readonly license?: string;
  readonly workspaces?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const manifest = (folder: string): Manifest => JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));

/** The rows of the table under a heading, as cells without backticks. */
function table(heading: string): string[][] {
  const text = readFileSync(join(ROOT, 'docs/internals/dependencies.md'), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('`', '').trim()),
  );
}

/** The licence a package declares; packages for another processor are not installed. */
function declaredLicence(name: string): string | undefined {
  const path = join('node_modules', name);
  return existsSync(join(ROOT, path)) ? manifest(path).license?.replace(/^\((.*)\)$/, '$1') : undefined;
}

const workspaces = manifest('.').workspaces ?? [];

test('docs/internals/dependencies.md lists what runs as the import rules do', () => {
  const documented = table('At run time').map(([name, purpose, onlyIn, licence]) => ({
    name,
    purpose,
    onlyIn,
    licence,
  }));
  assert.deepEqual(
    documented,
    LIBRARIES.map(({ name, purpose, onlyIn, licence }) => ({ name, purpose, onlyIn: onlyIn.join(', '), licence })),
  );
});

test('the packages that run are exactly those that workspaces declare', () => {
  const declared = workspaces.flatMap((folder) => Object.keys(manifest(folder).dependencies ?? {}));
  const external = [...new Set(declared.filter((name) => !name.startsWith('@ambit/')))].sort();
  assert.deepEqual(external, LIBRARIES.map(({ name }) => name).sort());
  assert.equal(manifest('.').dependencies, undefined);
});

test('docs/internals/dependencies.md lists the tools of package.json', () => {
  const { devDependencies = {}, optionalDependencies = {} } = manifest('.');
  // What runs somewhere and is a peer of tests elsewhere is listed as what runs.
  const running = new Set(LIBRARIES.map(({ name }) => name));
  const ofWorkspaces = workspaces
    .flatMap((folder) => Object.keys(manifest(folder).devDependencies ?? {}))
    .filter((name) => !running.has(name));
  assert.deepEqual(
    table('To build and test').map(([name]) => name),
    [...new Set([...Object.keys(devDependencies), ...Object.keys(optionalDependencies), ...ofWorkspaces])].sort(),
  );
});

test('docs/internals/dependencies.md gives the licences that the packages declare', () => {
  const documented = [...table('At run time'), ...table('To build and test')];
  const wrong = documented
    .map((row) => ({ name: row[0] ?? '', documented: row.at(-1), declared: declaredLicence(row[0] ?? '') }))
    .filter(({ documented, declared }) => declared !== undefined && documented !== declared);
  assert.deepEqual(wrong, []);
});

test('package-lock.json holds the packages of every platform: npm ci refuses a lock file that lacks one', () => {
  interface Locked {
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  }
  const lock: { readonly packages: Readonly<Record<string, Locked>> } = JSON.parse(
    readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
  );
  const missing = Object.values(lock.packages)
    .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
    .filter((name) => !Object.keys(lock.packages).some((path) => path.endsWith(`node_modules/${name}`)));
  assert.deepEqual(missing, []);
});
