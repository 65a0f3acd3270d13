import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';

/** What one checker found; `report` says what is wrong and, where it is not obvious, why the rule exists. */
export type Outcome = { readonly ok: true; readonly note?: string } | { readonly ok: false; readonly report: string };

/** One checker of `npm run check`. It reads the tree under `root`, writes nothing there, and throws only when it is broken. */
export interface Check {
  readonly name: string;
  readonly run: (root: string) => Promise<Outcome>;
}

/** An outcome from findings: one line each. */
export function outcomeOf(findings: readonly string[], note?: string): Outcome {
  if (findings.length > 0) return { ok: false, report: findings.join('\n') };
  return note === undefined ? { ok: true } : { ok: true, note };
}

/** Runs a program of node_modules/.bin in `root`; a non-zero exit is a finding with the program's whole output. */
export async function runTool(root: string, program: string, args: readonly string[]): Promise<Outcome> {
  const bin = join(root, 'node_modules/.bin');
  const child = spawn(join(bin, program), args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, NO_COLOR: '1' },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  return code === 0 ? { ok: true } : { ok: false, report: output.trim() || `${program} exited with ${code}` };
}
