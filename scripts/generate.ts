/**
 * Writes mesh/src/wire/gen from proto/. With --check writes nothing and fails when what is there differs.
 * Needs no network: buf and the plugin come from node_modules.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
const GENERATED = join(REPOSITORY, 'mesh/src/wire/gen');
const BIN = join(REPOSITORY, 'node_modules/.bin');

/** Runs buf over proto/ into an empty `directory`. */
function generateInto(directory: string): void {
  execFileSync(join(BIN, 'buf'), ['generate', 'proto', '--template', 'proto/buf.gen.yaml', '--output', directory], {
    cwd: REPOSITORY,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${BIN}${delimiter}${process.env['PATH'] ?? ''}` },
  });
}

function filesUnder(directory: string): Map<string, string> {
  const files = new Map<string, string>();
  if (!existsSync(directory)) return files;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(directory.length + 1), readFileSync(path, 'utf8'));
  }
  return files;
}

/** Paths, relative to the generated folder, whose content is not what proto/ gives. */
export function staleFiles(expected: ReadonlyMap<string, string>, actual: ReadonlyMap<string, string>): string[] {
  const names = new Set([...expected.keys(), ...actual.keys()]);
  return [...names].filter((name) => expected.get(name) !== actual.get(name)).sort();
}

function main(check: boolean): number {
  const temporary = mkdtempSync(join(check ? tmpdir() : join(GENERATED, '../..'), '.generate-'));
  try {
    generateInto(temporary);
    const stale = staleFiles(filesUnder(temporary), filesUnder(GENERATED));
    if (check) {
      for (const name of stale) {
        console.error(`mesh/src/wire/gen/${name} differs from proto/: run node scripts/generate.ts`);
      }
      return stale.length === 0 ? 0 : 1;
    }
    rmSync(GENERATED, { recursive: true, force: true });
    renameSync(temporary, GENERATED);
    chmodSync(GENERATED, 0o755); // A temporary directory is its maker's alone.
    console.log(stale.length === 0 ? 'mesh/src/wire/gen: unchanged' : `mesh/src/wire/gen: ${stale.join(', ')}`);
    return 0;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

if (import.meta.main) process.exitCode = main(process.argv.includes('--check'));
