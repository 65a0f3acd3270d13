/** One image: a target of images/Dockerfile. */
export interface ImageSpec {
  /** The image is ambit/<name>. */
  readonly name: string;
  /** Names in scripts/build.ts. */
  readonly bundles: readonly string[];
  /** Which sets of libraries and programs, as the Dockerfile collects them, are in it. */
  readonly system: readonly ('node' | 'cni')[];
}

export const IMAGES: readonly ImageSpec[] = [
  { name: 'controller', bundles: ['controller'], system: ['node'] },
  { name: 'node-agent', bundles: ['node-agent', 'node-agent-worker'], system: ['node'] },
  { name: 'waypoint', bundles: ['waypoint', 'waypoint-worker'], system: ['node'] },
  { name: 'cni', bundles: ['cni'], system: ['node', 'cni'] },
];

/** Where an image holds its bill of materials. */
export const SBOM_PATH = 'usr/share/doc/ambit/sbom.cdx.json';
