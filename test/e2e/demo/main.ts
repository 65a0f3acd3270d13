/** `npm run demo [-- --keep]`: a mesh of two hosts on this machine, and the proof that it is one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildBundles } from '../../../scripts/build.ts';
import { insideSandbox, probeSandbox, runInSandbox } from '../world/sandbox.ts';
import { runDemo } from './demo.ts';
import { Stage } from './stage.ts';

const USAGE = `npm run demo [-- OPTIONS]: a mesh of two hosts and 14 pods, under a minute

  --keep   leave it running at the end and print what to try; Ctrl-C ends it
  --help   this text

It needs Linux, nft and ip, and root or user namespaces. Everything lives in
namespaces of its own: nothing of this machine's network, files or processes is
touched, and nothing is left behind.
`;

/** What shells report for a program that Ctrl-C ended. */
const INTERRUPTED_EXIT_CODE = 130;
/** By then a signal that was sent before has been delivered. */
const SIGNAL_MS = 200;

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter((arg) => !['--keep', '--help', '-h'].includes(arg));
  if (unknown.length > 0) {
    process.stderr.write(`unknown option ${unknown.join(' ')}\n\n${USAGE}`);
    return 2;
  }
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(USAGE);
    return 0;
  }
  return insideSandbox() ? await inside(args.includes('--keep')) : await outside(args);
}

async function outside(args: readonly string[]): Promise<number> {
  const support = probeSandbox();
  if (support.kind === 'unsupported') {
    process.stderr.write(`The demo cannot run here: ${support.reason}.\nWhat to do: ${support.remedy}.\n`);
    return 1;
  }
  process.stdout.write('Building the programs ...\n');
  await buildBundles(fileURLToPath(new URL('../../../', import.meta.url)));
  return await runInSandbox(support.kind, ['--conditions=source', fileURLToPath(import.meta.url), ...args]);
}

async function inside(keep: boolean): Promise<number> {
  const stop = new AbortController();
  const colour = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;
  const stage = new Stage((text) => process.stdout.write(text), colour, process.stdout.columns ?? 200);
  // Ctrl-C reaches every process of the world at once: what an act would still find out is not about the mesh. So nothing is
  // waited for; the end of this process, the first of its sandbox, takes everything with it.
  const interrupted = new Promise<number>((resolve) => {
    // Said more than once: see runInSandbox.
    const interrupt = (): void => {
      if (stop.signal.aborted) return;
      stage.line('\n  interrupted: everything is taken down');
      stop.abort(new Error('interrupted'));
      resolve(INTERRUPTED_EXIT_CODE);
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
  });
  try {
    return await Promise.race([interrupted, runDemo(stage, { keep, signal: stop.signal })]);
  } catch (error) {
    // Ctrl-C also ends the programs we wait for, and their failure may be seen before our own signal is.
    const code = await Promise.race([interrupted, sleep(SIGNAL_MS)]);
    if (code !== undefined) return code;
    stage.line(
      `\n  ${stage.palette.bad('the demo failed:')} ${error instanceof Error ? error.message : String(error)}`,
    );
    return 1;
  }
}

// Whatever still holds the event loop is the kernel's to end: this is process 1 of the sandbox.
process.exit(await main(process.argv.slice(2)));
