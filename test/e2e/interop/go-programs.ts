import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('go/', import.meta.url));
/** Istio's own programs, built from the module as they stand, and the name each gets. */
const ECHO_PROGRAMS = ['client', 'server'].map((name) => `istio.io/istio/pkg/test/echo/cmd/${name}`);
/** A whole build with an empty cache took 90 s on two busy cores. */
const BUILD_MS = 900_000;
/** Builds of other versions that are kept, so that going back and forth between branches costs nothing. */
const KEPT_BUILDS = 3;

/** Paths of the built programs. */
export interface GoPrograms {
  /** Ours (`go/`), made of packages of Istio, Envoy and Go. */
  readonly interop: string;
  readonly echoClient: string;
  readonly echoServer: string;
}

/** Where the programs of one build are. */
export function goProgramsIn(directory: string): GoPrograms {
  return {
    interop: join(directory, 'interop'),
    echoClient: join(directory, 'client'),
    echoServer: join(directory, 'server'),
  };
}

/**
 * Builds the Go programs into a folder of `cacheDirectory` named by what they are made of, unless it is there. What `go`
 * says goes to this process's output. Resolves with the folder.
 * @throws Error when something is not formatted, or does not build.
 */
export async function buildGoPrograms(cacheDirectory: string, say: (line: string) => void): Promise<string> {
  const version = await go(['version']);
  const directory = join(cacheDirectory, await contentKey(version));
  if (Object.values(goProgramsIn(directory)).every((program) => existsSync(program))) return directory;
  say(`building the Go programs with ${version.trim()} (the first time it fetches modules: about 90 s) ...`);
  const unformatted = await capture('gofmt', ['-l', '.']);
  if (unformatted !== '') throw new Error(`these Go files are not formatted as gofmt does:\n${unformatted}`);
  const partial = `${directory}.partial-${process.pid}`;
  await mkdir(partial, { recursive: true });
  try {
    await go(['vet', '.']);
    await go(['build', '-trimpath', '-ldflags=-s -w', '-o', partial, '.', ...ECHO_PROGRAMS]);
    await rm(directory, { recursive: true, force: true });
    await rename(partial, directory);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  await removeOldBuilds(cacheDirectory);
  return directory;
}

async function contentKey(version: string): Promise<string> {
  const hash = createHash('sha256').update(version);
  for (const name of (await readdir(SOURCE)).toSorted()) {
    hash.update(`\0${name}\0`).update(await readFile(join(SOURCE, name)));
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
function go(args: readonly string[]): Promise<string> {
  return capture('go', args);
}

function capture(command: string, args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const env = {
    ...process.env,
    GOTOOLCHAIN: 'local',
    GOFLAGS: '-mod=readonly -buildvcs=false',
    GOWORK: 'off',
    CGO_ENABLED: '0',
  };
  const child = spawn(command, [...args], {
    cwd: SOURCE,
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
