/**
 * `npm run build [name …]`: one ESM file per process in dist/, quick to start and easy to ship, and in dist/parts/ what a
 * process loads only when it needs it. Addons stay outside: koffi holds machine code. The demo and the bench run these
 * files; tests run from source.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';

/** A process, or a thread of one that is loaded from a file of its own. */
export interface Bundle {
  /** The file is dist/<name>.mjs. */
  readonly name: string;
  readonly entry: string;
}

/** Everything that is built. A thread's file lies beside its process's. */
export const BUNDLES: readonly Bundle[] = [
  { name: 'node-agent', entry: 'node-agent/src/main.ts' },
  { name: 'node-agent-worker', entry: 'node-agent/src/worker-main.ts' },
  { name: 'waypoint', entry: 'waypoint/src/main.ts' },
  { name: 'waypoint-worker', entry: 'waypoint/src/worker-main.ts' },
  { name: 'controller', entry: 'controller/src/main.ts' },
  { name: 'cni', entry: 'cni/src/main.ts' },
];

/** CommonJS packages inside an ES module still call require and read __dirname. */
const BANNER = `import { createRequire as ambitCreateRequire } from 'node:module';
const require = ambitCreateRequire(import.meta.url);
const __dirname = import.meta.dirname;
const __filename = import.meta.filename;`;

/** One built file. */
export interface Built {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** Builds the named bundles, or all of them, into <root>/<outdir>. @throws when an entry is missing or does not compile. */
export async function buildBundles(
  root: string,
  names: readonly string[] = [],
  outdir: string = 'dist',
): Promise<readonly Built[]> {
  const { outputs } = await compileBundles(root, names, outdir);
  return BUNDLES.filter(({ name }) => names.length === 0 || names.includes(name)).map(({ name }) => {
    const path = `${outdir}/${name}.mjs`;
    return { name, path, bytes: outputs[path]?.bytes ?? 0 };
  });
}

/** As {@link buildBundles}, and says which input files went where. */
export async function compileBundles(root: string, names: readonly string[], outdir: string): Promise<Metafile> {
  const unknown = names.filter((name) => !BUNDLES.some((bundle) => bundle.name === name));
  if (unknown.length > 0) throw new Error(`no such bundle: ${unknown.join(', ')}`);
  const wanted = BUNDLES.filter((bundle) => names.length === 0 || names.includes(bundle.name));
  const missing = wanted.filter(({ entry }) => !existsSync(join(root, entry)));
  if (missing.length > 0) throw new Error(`entry is missing: ${missing.map(({ entry }) => entry).join(', ')}`);
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: wanted.map(({ name, entry }) => ({ in: entry, out: name })),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // Dynamic imports stay files of their own: in one file they would be evaluated lazily, and with `sideEffects: false` the
    // bundler then leaves out the evaluation of modules that are reached through an index.
    splitting: true,
    chunkNames: 'parts/[name]-[hash]',
    platform: 'node',
    target: 'node24',
    format: 'esm',
    conditions: ['source'],
    external: ['koffi'],
    banner: { js: BANNER },
    sourcemap: true,
    metafile: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
  return metafile;
}

if (import.meta.main) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  process.exitCode = await main(root, process.argv.slice(2));
}

async function main(root: string, names: readonly string[]): Promise<number> {
  const known = BUNDLES.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    const asked = names.includes('--help') || names.includes('-h');
    const usage = `npm run build [-- NAME ...]: dist/NAME.mjs, all of them or these: ${known.join(', ')}`;
    console[asked ? 'log' : 'error'](asked ? usage : `no such bundle: ${unknown.join(', ')}\n\n${usage}`);
    return asked ? 0 : 2;
  }
  const began = performance.now();
  for (const { path, bytes } of await buildBundles(root, names)) {
    console.log(`${path.padEnd(28)} ${(bytes / 1024).toFixed(0).padStart(6)} KiB`);
  }
  console.log(`built in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return 0;
}
