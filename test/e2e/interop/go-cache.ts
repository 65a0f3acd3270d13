import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A whole build with an empty cache took 90 s on two busy cores. */
const BUILD_MS = 900_000;
/** Builds of other versions that are kept, so that going back and forth between branches costs nothing. */
const KEPT_BUILDS = 3;

/** Programs that Go makes of one module of this repository and what its go.mod names. */
export interface GoBuild {
  /** The folder with go.mod. */
  readonly source: string;
  /** Where builds are kept, each in a folder named by what it is made of. */
  readonly cacheDirectory: string;
  /** Names of the files that a complete build has. */
  readonly programs: readonly string[];
  /** How long it takes, for people. */
  readonly takes: string;
  /** Makes them in `directory`. */
  readonly build: (go: RunGo, directory: string) => Promise<void>;
}

/** Runs `go` in the source's folder; resolves with what it prints. */
export type RunGo = (...args: readonly string[]) => Promise<string>;

/**
 * Builds the programs, unless they are there. What `go` says goes to this process's output. Resolves with their folder.
 * @throws Error when something is not formatted, or does not build.
 */
export async function buildInCache(wanted: GoBuild, say: (line: string) => void): Promise<string> {
  const { source, cacheDirectory, programs, takes, build } = wanted;
  const go: RunGo = (...args) => capture('go', args, source);
  const version = await go('version');
  const directory = join(cacheDirectory, await contentKey(source, version));
  if (programs.every((program) => existsSync(join(directory, program)))) return directory;
  say(`building with ${version.trim()} (the first time it fetches modules: ${takes}) ...`);
  const unformatted = await capture('gofmt', ['-l', '.'], source);
  if (unformatted !== '') throw new Error(`these Go files are not formatted as gofmt does:\n${unformatted}`);
  const partial = `${directory}.partial-${process.pid}`;
  await mkdir(partial, { recursive: true });
  try {
    await build(go, partial);
    await rm(directory, { recursive: true, force: true });
    await rename(partial, directory);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  await removeOldBuilds(cacheDirectory);
  return directory;
}

async function contentKey(source: string, version: string): Promise<string> {
  const hash = createHash('sha256').update(version);
  for (const name of (await readdir(source)).toSorted()) {
    hash.update(`\0${name}\0`).update(await readFile(join(source, name)));
  }
  return hash.digest('hex').slice(0, 16);
}

async function removeOldBuilds(cacheDirectory: string): Promise<void> {
  const names = (await readdir(cacheDirectory)).filter((name) => /^[0-9a-f]{16}$/.test(name));
  const ages = await Promise.all(
    names.map(async (name) => ({ name, builtMs: (await stat(join(cacheDirectory, name))).mtimeMs })),
  );
  const old = ages.toSorted((a, b) => b.builtMs - a.builtMs).slice(KEPT_BUILDS);
  for (const { name } of old) await rm(join(cacheDirectory, name), { recursive: true, force: true });
}

/** The pinned versions and nothing else: no other toolchain, no change of go.mod, no C compiler. */
function capture(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const env = {
    ...process.env,
    GOTOOLCHAIN: 'local',
    GOFLAGS: '-mod=readonly -buildvcs=false',
    GOWORK: 'off',
    CGO_ENABLED: '0',
  };
  const child = spawn(command, [...args], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: BUILD_MS,
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.once('error', reject);
  child.once('close', (code, signal) => {
    if (code === 0) resolve(output);
    else reject(new Error(`${command} ${args.join(' ')}: ended with ${code ?? signal}\n${output}`));
  });
  return promise;
}
