/**
 * Runs inside the build of the images (images/Dockerfile), after `node_modules` is there:
 *   image-files-main.ts files OUT          OUT/IMAGE: the bundle of each image and what it loads
 *   image-files-main.ts bills OUT ROOTFS   beside that: bill of materials and licences, once the libraries are known too
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileBundles } from '../build.ts';
import { billOfMaterials, type Material, parseDebianStatus } from './bill-of-materials.ts';
import { type BundledPackage, bundledPackages, licenseTexts, readPackage } from './bundled-packages.ts';
import { IMAGES, type ImageSpec, SBOM_PATH } from './image-list.ts';

const APP = 'opt/ambit';
const DOCS = 'usr/share/doc/ambit';
const PACKAGES = 'packages.json';
/** Versions of interfaces and data, not of libraries. */
const NOT_LIBRARIES: ReadonlySet<string> = new Set(['node', 'modules', 'napi', 'cldr', 'tz', 'unicode']);

const root = fileURLToPath(new URL('../..', import.meta.url));
const [task, out = '', rootfs = ''] = process.argv.slice(2);
switch (task) {
  case 'files':
    for (const image of IMAGES) await writeFiles(image, join(out, image.name));
    break;
  case 'bills':
    for (const image of IMAGES) writeBill(image, join(out, image.name));
    break;
  default:
    throw new RangeError('expected: files OUT, or bills OUT ROOTFS');
}

async function writeFiles({ bundles }: ImageSpec, folder: string): Promise<void> {
  const app = join(folder, APP);
  mkdirSync(app, { recursive: true });
  const metafile = await compileBundles(root, bundles, relative(root, app));
  // They are half of the size, and nobody reads them in there.
  for (const file of readdirSync(app, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.map')) rmSync(join(app, file));
  }
  const packages = [...bundledPackages(root, metafile)];
  if (packages.some((each) => each.name === 'koffi')) packages.push(copyKoffi(app));
  writeFileSync(join(app, 'package.json'), '{ "type": "module" }\n');
  const docs = join(folder, DOCS);
  mkdirSync(docs, { recursive: true });
  cpSync(join(root, 'LICENSE'), join(docs, 'LICENSE'));
  cpSync(join(root, nodeFolder(), 'LICENSE'), join(docs, 'LICENSE.node'));
  writeFileSync(join(docs, 'LICENSES.npm'), licenseTexts(root, packages));
  writeFileSync(join(docs, PACKAGES), JSON.stringify(packages));
}

/** koffi's loader and the one native file that this platform's Node loads. Returns the package of the latter. */
function copyKoffi(app: string): BundledPackage {
  const native = `node_modules/@koromix/koffi-${process.platform}-${process.arch}`;
  cpSync(join(root, 'node_modules/koffi'), join(app, 'node_modules/koffi'), {
    recursive: true,
    filter: (path) =>
      statSync(path).isDirectory() ? !/\/(?:vendor|doc|lib|abi)$/.test(path) : /\.c?js$|\/package\.json$/.test(path),
  });
  cpSync(join(root, native), join(app, native), {
    recursive: true,
    filter: (path) => !/\/musl_|\.md$/.test(path.slice(root.length)),
  });
  return readPackage(root, native);
}

function writeBill({ name, system }: ImageSpec, folder: string): void {
  const docs = join(folder, DOCS);
  // Written by writeFiles, above.
  const npm: readonly BundledPackage[] = JSON.parse(readFileSync(join(docs, PACKAGES), 'utf8'));
  rmSync(join(docs, PACKAGES));
  const debian = new Map<string, Material>();
  for (const part of system) {
    const status = join(rootfs, part, 'var/lib/dpkg/status.d');
    for (const file of readdirSync(status))
      debian.set(file, parseDebianStatus(readFileSync(join(status, file), 'utf8')));
  }
  const parts = Object.entries(process.versions)
    .filter(([part]) => !NOT_LIBRARIES.has(part))
    .map(([part, version]) => ({ name: part, version: version ?? '' }));
  const node: Material = { kind: 'node', name: 'node', version: process.versions.node, license: 'MIT', parts };
  const { version } = readPackage(root, '.');
  const bill = billOfMaterials({ name, version }, [node, ...npm, ...debian.values()]);
  writeFileSync(join(folder, SBOM_PATH), `${JSON.stringify(bill, null, 1)}\n`);
}

function nodeFolder(): string {
  return `node_modules/node-${process.platform}-${process.arch}`;
}
