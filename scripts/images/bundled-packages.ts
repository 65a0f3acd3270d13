import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import type { Material } from './bill-of-materials.ts';

/** One npm package of which an image holds at least one file. */
export interface BundledPackage extends Material {
  readonly kind: 'npm';
  /** Relative to the repository. */
  readonly folder: string;
}

const LICENSE_FILE = /^(?:licen[cs]e|notice|copying)/i;

/** The packages whose code is in the bundles of `metafile` or is loaded by them, by name. */
export function bundledPackages(root: string, metafile: Metafile): readonly BundledPackage[] {
  const folders = new Set<string>();
  for (const { inputs, imports } of Object.values(metafile.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = bytesInOutput > 0 ? packageFolder(path) : undefined;
      if (folder !== undefined) folders.add(folder);
    }
    for (const { path, external } of imports) {
      if (external === true && !path.startsWith('node:') && existsSync(join(root, 'node_modules', path))) {
        folders.add(`node_modules/${path}`);
      }
    }
  }
  return [...folders].sort().map((folder) => readPackage(root, folder));
}

/** `node_modules/a/node_modules/@b/c/d.js` is of the package in `node_modules/a/node_modules/@b/c`. */
function packageFolder(path: string): string | undefined {
  return /^(.*\bnode_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
}

/** What a package's own manifest says. */
export function readPackage(root: string, folder: string): BundledPackage {
  const { name, version, license } = readManifest(join(root, folder, 'package.json'));
  return { kind: 'npm', name, version, folder, ...(license === undefined ? {} : { license }) };
}

function readManifest(path: string): { readonly name: string; readonly version: string; readonly license?: string } {
  // npm refuses to install a package whose manifest is otherwise.
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** The texts that licences demand to go with every copy: one after the other, each under its package's name. */
export function licenseTexts(root: string, packages: readonly BundledPackage[]): string {
  const sections = packages.map(({ name, version, license, folder }) => {
    const texts = readdirSync(join(root, folder))
      .filter((file) => LICENSE_FILE.test(file) && !file.endsWith('.js'))
      .map((file) => readFileSync(join(root, folder, file), 'utf8').trim());
    const text = texts.length > 0 ? texts.join('\n\n') : `Licence: ${license ?? 'not stated'}`;
    return `${'='.repeat(80)}\n${name} ${version}\n${'='.repeat(80)}\n\n${text}\n`;
  });
  return sections.join('\n');
}
