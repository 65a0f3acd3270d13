import { type Check, runTool } from './check.ts';

/** Biome as formatter only: one formatter, no debate. */
export const format: Check = { name: 'format', run: (root) => runTool(root, 'biome', ['format', '.']) };

/** oxlint with type-aware rules; .oxlintrc.json holds the rules and, for our own bans, their reasons. */
export const lint: Check = { name: 'lint', run: (root) => runTool(root, 'oxlint', []) };

/** The compiler over every source and test. */
export const types: Check = { name: 'types', run: (root) => runTool(root, 'tsc', ['-p', '.']) };

/** knip: files and exports that nothing uses, packages that nobody imports or nobody declares. */
export const unused: Check = {
  name: 'unused',
  run: (root) => runTool(root, 'knip', ['--no-progress', '--no-config-hints']),
};

/** mesh/src/wire/gen is what proto/ gives today; definitions and reference of our kinds are what their schemas give. */
export const generated: Check = {
  name: 'generated files',
  run: (root) => runTool(root, 'node', ['--conditions=source', 'scripts/generate.ts', '--check']),
};
