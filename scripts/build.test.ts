import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Metafile } from 'esbuild';
import { BUNDLES, type Built, buildBundles, compileBundles } from './build.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A bundle must stay quick to load; today the largest is below 2 MiB. */
const BUNDLE_MAX_BYTES = 4 * 1024 * 1024;

let folder = '';
let built: readonly Built[] = [];

before(async () => {
  // Inside the repository, where koffi, which stays outside the bundles, is found.
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  folder = mkdtempSync(join(ROOT, '.cache/build-test-'));
  built = await buildBundles(ROOT, [], relative(ROOT, folder));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const start = (name: string, ...args: readonly string[]): { status: number | null; output: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, `${name}.mjs`), ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, output: stdout + stderr };
};

test('every bundle is built and stays small', () => {
  assert.deepEqual(
    built.map(({ name }) => name),
    BUNDLES.map(({ name }) => name),
  );
  assert.deepEqual(
    built.filter(({ bytes }) => bytes === 0 || bytes > BUNDLE_MAX_BYTES),
    [],
  );
});

for (const name of ['node-agent', 'controller', 'cni']) {
  test(`the bundle of ${name} loads everything it imports and prints its version`, () => {
    const { status, output } = start(name, '--version');
    assert.match(output, /\d+\.\d+\.\d+\n$/);
    assert.equal(status, 0);
  });
}

test('the bundle of the data worker loads everything it imports and refuses to be a process', () => {
  const { status, output } = start('node-agent-worker');
  assert.match(output, /a data worker runs in a worker thread/);
  assert.notEqual(status, 0);
});

/** What a process loads as it starts: the file of this name and whatever it imports, but not what it loads when it needs it. */
const loadedAtStart = (
  { outputs }: Metafile,
  file: string,
): { readonly inputs: string[]; readonly externals: string[] } => {
  const seen = new Set<string>();
  const inputs: string[] = [];
  const externals: string[] = [];
  const visit = (path: string): void => {
    const output = outputs[path];
    if (output === undefined || seen.has(path)) return;
    seen.add(path);
    inputs.push(...Object.keys(output.inputs));
    for (const { path: imported, kind, external } of output.imports) {
      if (kind !== 'import-statement') continue;
      if (external === true) externals.push(imported);
      else visit(imported);
    }
  };
  visit(file);
  return { inputs, externals };
};

// Each costs every node a megabyte and more, in a process or thread that may never need it.
for (const [name, unwanted] of [
  ['node-agent', /node_modules\/(?:@grpc|protobufjs|@opentelemetry|prom-client|pino)\//],
  ['node-agent-worker', /node_modules\/(?:@grpc|@bufbuild|protobufjs|@opentelemetry|prom-client|pino)\//],
] as const) {
  test(`the bundle of ${name} loads no library before it needs it, and no HTTP client ever`, async () => {
    const outdir = relative(ROOT, join(folder, name));
    const { inputs, externals } = loadedAtStart(await compileBundles(ROOT, [name], outdir), `${outdir}/${name}.mjs`);
    assert.ok(inputs.length > 50 && externals.includes('node:net'), 'it was looked at');
    assert.deepEqual(
      inputs.filter((path) => unwanted.test(path)),
      [],
    );
    // `import` of it, other than `require`, loads every part of it, a client among them.
    assert.deepEqual(
      externals.filter((path) => path === 'node:http' || path === 'node:https'),
      [],
    );
  });
}

test('buildBundles() refuses a name it does not know', async () => {
  await assert.rejects(buildBundles(ROOT, ['nothing']), /no such bundle: nothing/);
});
