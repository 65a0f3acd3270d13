import { stringify } from 'yaml';

const LINE_WIDTH = 120;

/** One object as a YAML document, the same text for the same object. */
export function formatManifest(object: unknown): string {
  return stringify(object, { lineWidth: LINE_WIDTH, aliasDuplicateObjects: false });
}
