/** `npm run demo [-- --keep]`: a mesh of two hosts on this machine, and the proof that it is one. */
import { fileURLToPath } from 'node:url';
import { buildBundles } from '../../../scripts/build.ts';
import { insideSandbox, probeSandbox, runInSandbox } from '../world/sandbox.ts';
import { runDemo } from './demo.ts';
import { Stage } from './stage.ts';

const USAGE = `npm run demo [-- OPTIONS]: a mesh of two hosts and nine pods on this machine, under a minute

  --keep   leave it running at the end and print what to try; Ctrl-C ends it
  --help   this text

It needs Linux, nft and ip, and root or user namespaces. Everything lives in namespaces of its own: nothing of this machine's
network, files or processes is touched, and nothing is left behind.
`;

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter((arg) => arg !== '--keep' && arg !== '--help');
  if (unknown.length > 0 || args.includes('--help')) {
    process.stdout.write(unknown.length > 0 ? `unknown option ${unknown.join(' ')}\n\n${USAGE}` : USAGE);
    return unknown.length > 0 ? 2 : 0;
  }
  return insideSandbox() ? await inside(args.includes('--keep')) : await outside(args);
}

async function outside(args: readonly string[]): Promise<number> {
  const support = probeSandbox();
  if (support.kind === 'unsupported') {
    process.stderr.write(`The demo cannot run here: ${support.reason}.\nWhat to do: ${support.remedy}.\n`);
    return 1;
  }
  await buildBundles(fileURLToPath(new URL('../../../', import.meta.url)));
  return await runInSandbox(support.kind, ['--conditions=source', fileURLToPath(import.meta.url), ...args]);
}

async function inside(keep: boolean): Promise<number> {
  const stop = new AbortController();
  const colour = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;
  const stage = new Stage((text) => process.stdout.write(text), colour, process.stdout.columns ?? 200);
  const interrupted = (): void => {
    stage.line('\n  interrupted: taking everything down');
    stop.abort(new Error('interrupted'));
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  try {
    return await runDemo(stage, { keep, signal: stop.signal });
  } catch (error) {
    if (stop.signal.aborted) return 130;
    stage.line(
      `\n  ${stage.palette.bad('the demo failed:')} ${error instanceof Error ? error.message : String(error)}`,
    );
    return 1;
  }
}

// Whatever still holds the event loop is the kernel's to end: this is process 1 of the sandbox.
process.exit(await main(process.argv.slice(2)));
