import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Of the list of files of a layer, and of one file that is read. */
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

/** What an archive of `docker save` says of itself. */
export interface ImageManifest {
  readonly names: readonly string[];
  readonly config: {
    readonly User?: string;
    readonly Entrypoint?: readonly string[];
    readonly Env?: readonly string[];
  };
  readonly layers: readonly string[];
}

/** An image's manifest and configuration. */
export async function readImageManifest(archive: string): Promise<ImageManifest> {
  const text = async (path: string): Promise<string> => (await extract(archive, path)).toString('utf8');
  // The layout of these two is fixed by the archive's format.
  const [manifest]: readonly [SavedManifest] = JSON.parse(await text('manifest.json'));
  const { config }: Pick<ImageManifest, 'config'> = JSON.parse(await text(manifest.Config));
  return { names: manifest.RepoTags, config, layers: manifest.Layers };
}

interface SavedManifest {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

/** Bytes of a file in an image, from the last layer that has it. @throws when none has. */
export async function readFileOfImage(archive: string, path: string): Promise<Buffer> {
  const { layers } = await readImageManifest(archive);
  const folder = await mkdtemp(join(tmpdir(), 'ambit-image-'));
  try {
    for (const layer of layers.toReversed()) {
      await run('tar', ['-xf', archive, '-C', folder, layer]);
      const file = join(folder, layer);
      const { stdout } = await run('tar', ['-tf', file], { maxBuffer: OUTPUT_MAX_BYTES });
      if (stdout.split('\n').includes(path)) return await extract(file, path);
      await rm(file);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  throw new Error(`no layer of ${archive} has ${path}`);
}

/** Paths of all files and links in an image. */
export async function filesOfImage(archive: string): Promise<readonly string[]> {
  const { layers } = await readImageManifest(archive);
  const folder = await mkdtemp(join(tmpdir(), 'ambit-image-'));
  const found = new Set<string>();
  try {
    for (const layer of new Set(layers)) {
      await run('tar', ['-xf', archive, '-C', folder, layer]);
      const { stdout } = await run('tar', ['-tf', join(folder, layer)], { maxBuffer: OUTPUT_MAX_BYTES });
      for (const path of stdout.split('\n')) if (path !== '' && !path.endsWith('/')) found.add(path);
      await rm(join(folder, layer));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  return [...found].sort();
}

async function extract(archive: string, path: string): Promise<Buffer> {
  const { stdout } = await run('tar', ['-xOf', archive, path], { encoding: 'buffer', maxBuffer: OUTPUT_MAX_BYTES });
  return stdout;
}
