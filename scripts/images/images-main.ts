/** `npm run images [name …]`: images for tests on this machine, as files in dist/images. Users build with images/Dockerfile. */
import { fileURLToPath } from 'node:url';
import { buildImages } from './build-images.ts';
import { IMAGES } from './image-list.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
process.exitCode = await main(process.argv.slice(2));

async function main(names: readonly string[]): Promise<number> {
  const known = IMAGES.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    const asked = names.includes('--help') || names.includes('-h');
    const usage = `npm run images [-- NAME ...]: dist/images/NAME.tar, all of them or these: ${known.join(', ')}. Needs root, buildah and mmdebstrap.`;
    console[asked ? 'log' : 'error'](asked ? usage : `no such image: ${unknown.join(', ')}\n\n${usage}`);
    return asked ? 0 : 2;
  }
  const began = performance.now();
  for (const { reference, path, bytes, cached } of await buildImages(root, names)) {
    const size = (bytes / 1024 / 1024).toFixed(0).padStart(5);
    console.log(`${reference.padEnd(28)} ${size} MiB  ${path.slice(root.length)}${cached ? '  unchanged' : ''}`);
  }
  console.log(`images: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return 0;
}
