/** One package that is in an image. */
export interface Material {
  readonly kind: 'npm' | 'deb' | 'node';
  readonly name: string;
  readonly version: string;
  /** SPDX expression, where the package states one. */
  readonly license?: string;
  /** Of Debian packages: machine type. */
  readonly architecture?: string;
  /** Libraries that are compiled in. */
  readonly parts?: readonly { readonly name: string; readonly version: string }[];
}

/** The image that the materials are in. */
export interface BilledImage {
  readonly name: string;
  readonly version: string;
}

/**
 * A CycloneDX 1.6 document in JSON. Holds no time and no serial number, so that the same contents give the same document.
 */
export function billOfMaterials(image: BilledImage, materials: readonly Material[]): object {
  const root = `pkg:oci/${image.name}@${image.version}`;
  const components = materials
    .map(componentOf)
    .toSorted((left, right) => (left['bom-ref'] < right['bom-ref'] ? -1 : 1));
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'container',
        'bom-ref': root,
        name: `ambit/${image.name}`,
        version: image.version,
        licenses: [{ license: { id: 'Apache-2.0' } }],
      },
    },
    components,
    dependencies: [{ ref: root, dependsOn: components.map((component) => component['bom-ref']) }],
  };
}

interface Component {
  readonly 'bom-ref': string;
  readonly [field: string]: unknown;
}

function componentOf(material: Material): Component {
  const { kind, name, version, license, parts } = material;
  const purl = packageUrl(material);
  return {
    type: kind === 'node' ? 'platform' : 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
    // Advisories about Node are filed under this name.
    ...(kind === 'node' ? { cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*` } : {}),
    ...(parts === undefined
      ? {}
      : {
          components: parts.map((part) => ({
            type: 'library',
            'bom-ref': `${purl}#${part.name}`,
            name: part.name,
            version: part.version,
          })),
        }),
  };
}

/** https://github.com/package-url/purl-spec */
function packageUrl({ kind, name, version, architecture }: Material): string {
  const encoded = encodeURIComponent(version);
  switch (kind) {
    case 'npm':
      return `pkg:npm/${name.replace('@', '%40')}@${encoded}`;
    case 'deb':
      return `pkg:deb/debian/${encodeURIComponent(name)}@${encoded}?arch=${architecture ?? 'all'}`;
    case 'node':
      return `pkg:generic/node@${encoded}`;
  }
}

/** A package from what `dpkg --status` prints about it. @throws RangeError when name or version is missing. */
export function parseDebianStatus(text: string): Material {
  const field = (name: string): string | undefined => new RegExp(`^${name}: (.+)$`, 'm').exec(text)?.[1];
  const name = field('Package');
  const version = field('Version');
  if (name === undefined || version === undefined) {
    throw new RangeError(`status of a Debian package lacks Package or Version: ${JSON.stringify(text.slice(0, 80))}`);
  }
  const architecture = field('Architecture');
  return { kind: 'deb', name, version, ...(architecture === undefined ? {} : { architecture }) };
}
