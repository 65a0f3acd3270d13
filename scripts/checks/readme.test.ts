import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sourceFiles } from './source-files.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The rows of the table under a heading of the README, as cells without backticks. */
function table(heading: string): string[][] {
  const section = README.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(1).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('`', '').trim()),
  );
}

const isFolder = (path: string): boolean => existsSync(join(ROOT, path)) && statSync(join(ROOT, path)).isDirectory();

test('README: every word of the glossary has a folder that exists', () => {
  const words = table('Glossary');
  assert.ok(words.length >= 10);
  assert.deepEqual(
    words.filter(([, , folder]) => folder === undefined || !isFolder(folder)),
    [],
  );
});

test('README: the repository map names every folder of the repository and no other', () => {
  const folders = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .filter((name) => !['node_modules', 'dist'].includes(name));
  assert.deepEqual(
    table('Repository')
      .map(([folder = '']) => folder)
      .sort(),
    folders.sort(),
  );
});

test('documents link only to files that exist', async () => {
  const dead: string[] = [];
  for (const path of await sourceFiles(ROOT)) {
    if (!path.endsWith('.md')) continue;
    const text = readFileSync(join(ROOT, path), 'utf8');
    for (const match of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      const target = match[1] ?? '';
      if (/^[a-z]+:/.test(target)) continue;
      if (!existsSync(join(ROOT, dirname(path), target))) dead.push(`${path}: ${target}`);
    }
  }
  assert.deepEqual(dead, []);
});

test('README: the port table names every port that a process listens on by default, and no other', () => {
  const sources = [
    'node-agent/src/config.ts',
    'node-agent/src/proxy/illegal-ports.ts',
    'node-agent/src/dns/dns-proxy.ts',
    'controller/src/config.ts',
    'cni/src/config.ts',
    'waypoint/src/config.ts',
  ];
  const listens =
    /(?:fallback: |DEFAULT_[A-Z]+ = parseSocketAddress\()'[\d.]+:(\d+)'|_PORT = (\d+);|\b(?:listen|metrics|health|debug|admission|peers): (\d{2,5})\b/g;
  const inCode = sources.flatMap((path) =>
    [...readFileSync(join(ROOT, path), 'utf8').matchAll(listens)].map((match) =>
      Number(match[1] ?? match[2] ?? match[3]),
    ),
  );
  const byNumber = (a: number, b: number): number => a - b;
  assert.deepEqual(
    table('Ports')
      .map(([port]) => Number(port))
      .sort(byNumber),
    [...new Set(inCode)].sort(byNumber),
  );
});
