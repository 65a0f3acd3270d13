import { fileURLToPath } from 'node:url';

/** How Ambit's processes are started: from source, as tests do, or from the bundles that `npm run build` makes. */
export type ProgramForm = 'source' | 'bundle';
export type ProgramName = 'controller' | 'node-agent' | 'waypoint' | 'cni';

const root = new URL('../../../', import.meta.url);

export function programCommand(
  form: ProgramForm,
  name: ProgramName,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  const file = (path: string): string => fileURLToPath(new URL(path, root));
  const program =
    form === 'bundle'
      ? ['--enable-source-maps', file(`dist/${name}.mjs`)]
      : ['--conditions=source', file(`${name}/src/main.ts`)];
  return { command: process.execPath, args: [...program, ...args] };
}
