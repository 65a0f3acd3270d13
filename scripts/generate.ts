/**
 * Writes mesh/src/wire/gen from proto/, the custom resource definitions and tables of the reference from
 * mesh/src/kinds/schema, and the table of the chart's values. With --check writes nothing and fails when what is there differs.
 * Needs no network: buf and the plugin come from node_modules.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CHART_PAGE, CHART_SCHEMA, CHART_VALUES, chartPage, chartValues } from './generate/chart.ts';
import { CRD_DIRECTORY, definitionFiles, REFERENCE_PAGE, referencePage } from './generate/kinds.ts';

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

/** Content of every file that the schemas of our kinds and of the chart's values give, by path. */
function schemaFiles(): ReadonlyMap<string, string> {
  const text = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8');
  return new Map([
    ...definitionFiles(),
    [REFERENCE_PAGE, referencePage(text(REFERENCE_PAGE))],
    [CHART_PAGE, chartPage(text(CHART_PAGE), text(CHART_SCHEMA))],
    [CHART_VALUES, chartValues(text(CHART_SCHEMA))],
  ]);
}

function generateFromSchemas(check: boolean): number {
  const expected = schemaFiles();
  const definitions = filesUnder(join(REPOSITORY, CRD_DIRECTORY));
  const actual = new Map([...definitions].map(([name, text]) => [`${CRD_DIRECTORY}/${name}`, text]));
  for (const path of [REFERENCE_PAGE, CHART_PAGE, CHART_VALUES]) {
    actual.set(path, readFileSync(join(REPOSITORY, path), 'utf8'));
  }
  const stale = staleFiles(expected, actual);
  if (check) {
    for (const name of stale) {
      console.error(`${name} differs from the schemas it comes from: run node --conditions=source scripts/generate.ts`);
    }
    return stale.length === 0 ? 0 : 1;
  }
  for (const name of stale) {
    const text = expected.get(name);
    const path = join(REPOSITORY, name);
    if (text === undefined) rmSync(path);
    else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  }
  console.log(stale.length === 0 ? 'custom resource definitions and references: unchanged' : stale.join(', '));
  return 0;
}

function generateWire(check: boolean): number {
  const temporary = mkdtempSync(join(check ? tmpdir() : join(GENERATED, '../..'), '.generate-'));
  try {
    generateInto(temporary);
    const stale = staleFiles(filesUnder(temporary), filesUnder(GENERATED));
    if (check) {
      for (const name of stale) {
        console.error(
          `mesh/src/wire/gen/${name} differs from proto/: run node --conditions=source scripts/generate.ts`,
        );
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

if (import.meta.main) {
  const check = process.argv.includes('--check');
  process.exitCode = Math.max(generateWire(check), generateFromSchemas(check));
}
