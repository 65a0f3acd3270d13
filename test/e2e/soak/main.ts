/** `npm run soak`: see USAGE. */
import { fileURLToPath } from 'node:url';
import { buildBundles } from '../../../scripts/build.ts';
import { failedRequests } from '../scenarios/mixed-load.ts';
import { logsOf } from '../scenarios/scenario.ts';
import { insideSandbox, preparePrivateRun, probeSandbox, runInSandbox } from '../world/sandbox.ts';
import { parseSoakCommand, type SoakCommand, USAGE } from './command-line.ts';
import { judgeSoak, MUSTS, soakTable } from './judge.ts';
import { Soak } from './soak.ts';

/** Several renewals of each certificate in any soak. */
const CERTIFICATE_TTL = '20s';
const REPLACE_EVERY_MS = 10_000;
/** After this, idle connections to backends are closed and heaps that rest are compacted: a burst is not part of what is at rest. */
const REST_MS = 65_000;
/** What is kept open for a next caller is closed by then: the longest are tunnels that nobody uses. */
const REST_MS_MAX = 330_000;
const WARM_SECONDS_MAX = 120;

async function main(args: readonly string[]): Promise<number> {
  const command = parseSoakCommand(args);
  if (command === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  if ('wrong' in command) {
    process.stderr.write(`${command.wrong}\n\n${USAGE}`);
    return 2;
  }
  return insideSandbox() ? await inside(command) : await outside(args);
}

async function outside(args: readonly string[]): Promise<number> {
  const support = probeSandbox();
  if (support.kind === 'unsupported') {
    process.stderr.write(`The soak cannot run here: ${support.reason}.\nWhat to do: ${support.remedy}.\n`);
    return 1;
  }
  await buildBundles(fileURLToPath(new URL('../../../', import.meta.url)));
  return await runInSandbox(support.kind, ['--conditions=source', fileURLToPath(import.meta.url), ...args]);
}

async function inside({ minutes, rps, eventsPerSecond }: SoakCommand): Promise<number> {
  preparePrivateRun();
  const began = performance.now();
  const say = (line: string): void => {
    process.stderr.write(`soak: ${((performance.now() - began) / 1000).toFixed(0)} s: ${line}\n`);
  };
  const seconds = minutes * 60;
  const warmSeconds = Math.min(WARM_SECONDS_MAX, Math.ceil(seconds / 5));
  await using soak = await Soak.start({
    ...{ seconds, warmSeconds, rps, eventsPerSecond },
    certificateTtl: CERTIFICATE_TTL,
    replaceEveryMs: REPLACE_EVERY_MS,
    limits: MUSTS,
    restMs: REST_MS,
    restMsMax: REST_MS_MAX,
    say,
  });
  try {
    const { facts, failures } = await soak.run();
    const verdict = judgeSoak(facts);
    process.stdout.write(`${soakTable(verdict)}\n`);
    if (failures.length > 0) {
      for (const line of new Set(failures.map(({ protocol, reason }) => `${protocol}: ${reason}`)))
        say(`failed: ${line}`);
      say(`the first ones from ${failures[0]?.atMs} ms on; requests left ${facts.lateMs} ms late (p99)`);
      say(failedRequests(soak.world));
    }
    for (const reason of verdict.broken) say(`does not hold: ${reason}`);
    const { before: _before, after: _after, ...counts } = facts;
    process.stdout.write(`${JSON.stringify({ ok: verdict.broken.length === 0, ...counts, ...verdict })}\n`);
    return verdict.broken.length === 0 ? 0 : 1;
  } catch (error) {
    say(logsOf(soak.world));
    throw error;
  }
}

// Whatever still holds the event loop is the kernel's to end: inside, this is process 1 of the sandbox.
process.exit(await main(process.argv.slice(2)));
