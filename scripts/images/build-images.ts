import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contextDigest } from './context.ts';
import { IMAGES, type ImageSpec, SBOM_PATH } from './image-list.ts';
import { readFileOfImage } from './image-archive.ts';

/** One image as a file, which any container engine loads. */
export interface BuiltImage {
  readonly name: string;
  /** What pods call it: `ambit/<name>:<version>`. */
  readonly reference: string;
  /** The image, as `docker save` writes it. */
  readonly path: string;
  /** Its bill of materials. */
  readonly sbomPath: string;
  readonly bytes: number;
  /** It was there, made from the same files. */
  readonly cached: boolean;
}

const OUTPUT = 'dist/images';
const KIT = 'test/e2e/cluster/kit';
/** Made once from Debian packages and kept; in place of the two base images that the Dockerfile names. */
const BASE = 'ambit.test/debian-build';
const BASE_PACKAGES = 'gcc,libc6-dev,musl-tools,nftables,iproute2';

/**
 * Builds the named images, or all, without a registry or a daemon (buildah), from the packages in node_modules. An image whose
 * ingredients have not changed is left as it is. @throws when one cannot be built, with the end of the builder's output.
 */
export async function buildImages(root: string, names: readonly string[] = []): Promise<readonly BuiltImage[]> {
  const wanted = IMAGES.filter(({ name }) => names.length === 0 || names.includes(name));
  const kit = readFileSync(join(root, KIT, 'image-from-dockerfile'), 'utf8');
  const digest = await contextDigest(root, `${process.version}\0${process.arch}\0${BASE_PACKAGES}\0${kit}`);
  const built: BuiltImage[] = [];
  for (const image of wanted) built.push(await buildImage(root, image, digest));
  return built;
}

async function buildImage(root: string, { name }: ImageSpec, digest: string): Promise<BuiltImage> {
  mkdirSync(join(root, OUTPUT), { recursive: true });
  const reference = `ambit/${name}:${versionOf(root)}`;
  const path = join(root, OUTPUT, `${name}.tar`);
  const sbomPath = join(root, OUTPUT, `${name}.cdx.json`);
  const stamp = join(root, OUTPUT, `${name}.key`);
  const key = createHash('sha256').update(`${reference}\0${digest}`).digest('hex');
  const cached = [path, sbomPath, stamp].every((each) => existsSync(each)) && readFileSync(stamp, 'utf8') === key;
  if (!cached) {
    rmSync(stamp, { force: true });
    await runKit(root, [
      ...['--debian', `${BASE}=${BASE_PACKAGES}`, '--build-arg', `BUILD_BASE=${BASE}`],
      ...['--build-arg', `RUNTIME_BASE=${BASE}`, '--volume', `${join(root, 'node_modules')}:/src/node_modules:ro`],
      ...['--file', join(root, 'images/Dockerfile'), '--target', name, '--output', path, reference, root],
    ]);
    writeFileSync(sbomPath, await readFileOfImage(path, SBOM_PATH));
    writeFileSync(stamp, key);
  }
  return { name, reference, path, sbomPath, bytes: statSync(path).size, cached };
}

/** The version of everything in this repository. */
function versionOf(root: string): string {
  const { version }: { readonly version: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return version;
}

async function runKit(root: string, args: readonly string[]): Promise<void> {
  const child = spawn(join(root, KIT, 'image-from-dockerfile'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: string): void => {
    output = (output + chunk).slice(-20_000);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  if (code !== 0) throw new Error(`image-from-dockerfile exited with ${code}:\n${output}`);
}
