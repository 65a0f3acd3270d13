/** Entry of `npm run bench`: arguments and environment in, exit code out. */
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BenchError } from './src/errors.ts';
import { HELP, parseCommandLine, type BenchCommand } from './src/command-line.ts';
import { ACCEPT_DIAL_DEFAULTS, acceptDialReport, runAcceptDial } from './src/accept-dial/accept-dial.ts';
import { HTTP1_DEFAULTS, http1Report, runHttp1Bench } from './src/http1/http1-bench.ts';
import { POLICIES_DEFAULTS, policiesReport, runPoliciesBench } from './src/policies/policies-bench.ts';
import { ROUTES_DEFAULTS, routesReport, runRoutesBench } from './src/routes/routes-bench.ts';
import { HTTP2_DEFAULTS, http2Report, runHttp2Bench } from './src/http2/http2-bench.ts';
import { runL4Bench, writeL4Results } from './src/l4/l4-bench.ts';
import { markdownReport } from './src/l4/markdown-report.ts';
import { chosenLoads, FULL_PLAN, QUICK_PLAN, type L4Plan } from './src/l4/plan.ts';
import { quickFigures } from './src/l4/quick-line.ts';
import { runScaleBench, scaleLine, scaleReport, writeScaleResults } from './src/scale/scale-bench.ts';
import { type L7BenchOptions, runL7Bench, writeL7Results } from './src/l7/l7-bench.ts';
import { l7Report } from './src/l7/l7-report.ts';
import { L7_FULL_PLAN, L7_QUICK_PLAN, type L7Plan } from './src/l7/plan.ts';
import { l7QuickFigures } from './src/l7/samples.ts';

const say = (line: string): void => {
  process.stderr.write(`bench: ${line}\n`);
};

async function runL4(command: BenchCommand & { kind: 'l4' }, signal: AbortSignal): Promise<void> {
  const base = command.quick ? QUICK_PLAN : FULL_PLAN;
  const plan: L4Plan = {
    ...base,
    peers: command.peers ?? base.peers,
    loads: chosenLoads(base, command.loads),
    starts: command.starts ?? base.starts,
    rounds: command.rounds ?? base.rounds,
    loadSeconds: command.seconds ?? base.loadSeconds,
  };
  const out = command.out ?? join(import.meta.dirname, 'results');
  const results = await runL4Bench({ plan, ...surroundings(command.profile ? out : undefined, signal) });
  process.stdout.write(`${markdownReport(results)}\n`);
  // A quick run is a check, not a result to keep.
  if (!command.quick || command.out !== undefined) {
    for (const file of await writeL4Results(results, out)) say(`wrote ${file}`);
  }
  if (command.quick) process.stdout.write(`${JSON.stringify(quickFigures(results))}\n`);
}

async function runL7(command: BenchCommand & { kind: 'l7' }, signal: AbortSignal): Promise<void> {
  const base = command.quick ? L7_QUICK_PLAN : L7_FULL_PLAN;
  const plan: L7Plan = {
    ...base,
    peers: command.peers ?? base.peers,
    loads: base.loads.filter(({ name }) => command.loads?.includes(name) ?? true),
    rounds: command.rounds ?? base.rounds,
    loadSeconds: command.seconds ?? base.loadSeconds,
  };
  const out = command.out ?? join(import.meta.dirname, 'results');
  const results = await runL7Bench({ plan, ...surroundings(command.profile ? out : undefined, signal) });
  process.stdout.write(`${l7Report(results)}\n`);
  // A quick run is a check, not a result to keep.
  if (!command.quick || command.out !== undefined) {
    for (const file of await writeL7Results(results, out)) say(`wrote ${file}`);
  }
  if (command.quick) process.stdout.write(`${JSON.stringify(l7QuickFigures(results))}\n`);
}

async function runScale(command: BenchCommand & { kind: 'scale' }, signal: AbortSignal): Promise<void> {
  const rounds = command.rounds ?? (command.quick ? 1 : 3);
  const { quick, measures } = command;
  const only = measures === undefined ? {} : { measures };
  const results = await runScaleBench({ ...surroundings(undefined, signal), quick, rounds, ...only });
  process.stdout.write(`${scaleReport(results.figures)}\n`);
  // A quick run is a check, and a part no result to keep.
  if (quick) process.stdout.write(`${JSON.stringify(scaleLine(results.figures))}\n`);
  else if (measures === undefined) {
    for (const file of await writeScaleResults(results, join(import.meta.dirname, 'results'))) say(`wrote ${file}`);
  }
}

/** What a bench beside peers needs to know of this process. */
function surroundings(profileDirectory: string | undefined, signal: AbortSignal): Omit<L7BenchOptions, 'plan'> {
  return {
    cacheDirectory: process.env['AMBIT_BENCH_CACHE'] ?? join(homedir(), '.cache', 'ambit-bench'),
    ...(profileDirectory === undefined ? {} : { profileDirectory }),
    isRoot: process.getuid?.() === 0,
    ownPid: process.pid,
    node: process.execPath,
    root: dirname(import.meta.dirname),
    path: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    signal,
    say,
  };
}

async function measureAcceptDial(signal: AbortSignal): Promise<void> {
  const results = await runAcceptDial({
    ...ACCEPT_DIAL_DEFAULTS,
    isRoot: process.getuid?.() === 0,
    ownPid: process.pid,
    signal,
    cpuUs: ownCpuUs,
  });
  const title = "Accepting and dialling inside a pod's network namespace";
  await writeReport('accept-dial.md', title, ACCEPT_DIAL_DEFAULTS.rounds, acceptDialReport(results));
}

async function measureHttp1(signal: AbortSignal): Promise<void> {
  const results = runHttp1Bench({ ...HTTP1_DEFAULTS, signal, cpuUs: ownCpuUs });
  const title = 'Reading and writing HTTP/1.1 messages';
  await writeReport('http1.md', title, HTTP1_DEFAULTS.rounds, http1Report(results));
}

async function measureRoutes(signal: AbortSignal): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  const heapBytes = (): number => {
    if (typeof collect === 'function') collect();
    return process.memoryUsage().heapUsed;
  };
  const results = runRoutesBench({ ...ROUTES_DEFAULTS, signal, cpuUs: ownCpuUs, heapBytes });
  await writeReport('routes.md', 'Finding the rule of a request', ROUTES_DEFAULTS.rounds, routesReport(results));
}

async function measurePolicies(signal: AbortSignal): Promise<void> {
  const results = runPoliciesBench({ ...POLICIES_DEFAULTS, signal, cpuUs: ownCpuUs });
  const title = 'Asking access policies about a request';
  await writeReport('policies.md', title, POLICIES_DEFAULTS.rounds, policiesReport(results));
}

async function measureHttp2(signal: AbortSignal): Promise<void> {
  const results = await runHttp2Bench({ ...HTTP2_DEFAULTS, signal, cpuUs: ownCpuUs });
  const title = 'Requests and responses over HTTP/2';
  await writeReport('http2.md', title, HTTP2_DEFAULTS.rounds, http2Report(results));
}

function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function writeReport(name: string, title: string, rounds: number, table: string): Promise<void> {
  const file = join(import.meta.dirname, 'results', name);
  const method = `Node ${process.version}, medians of ${rounds} interleaved rounds (minimum-maximum).`;
  await writeFile(file, `# ${title}\n\n${method}\n\n${table}\n`);
  process.stdout.write(`${table}\n`);
  say(`wrote ${file}`);
}

async function run(command: BenchCommand, signal: AbortSignal): Promise<void> {
  switch (command.kind) {
    case 'help':
      process.stdout.write(HELP);
      return;
    case 'l4':
      return runL4(command, signal);
    case 'l7':
      return runL7(command, signal);
    case 'scale':
      return runScale(command, signal);
    case 'accept-dial':
      return measureAcceptDial(signal);
    case 'http1':
      return measureHttp1(signal);
    case 'http2':
      return measureHttp2(signal);
    case 'policies':
      return measurePolicies(signal);
    case 'routes':
      return measureRoutes(signal);
  }
}

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () =>
    interrupted.abort(new BenchError('command-failed', 'interrupted', { data: { signal: name } })),
  );
}
try {
  await run(parseCommandLine(process.argv.slice(2)), interrupted.signal);
} catch (error) {
  const failure = interrupted.signal.aborted ? interrupted.signal.reason : error;
  if (failure instanceof BenchError) {
    const facts = Object.entries(failure.data).map(([key, value]) => `\n  ${key}: ${String(value)}`);
    say(`${failure.message}${facts.join('')}`);
    for (let cause = failure.cause; cause instanceof Error; cause = cause.cause) {
      say(`because: ${cause.message}${cause instanceof BenchError ? ` ${JSON.stringify(cause.data)}` : ''}`);
    }
  } else {
    say(String(failure instanceof Error ? failure.stack : failure));
  }
  process.exitCode = failure instanceof BenchError && failure.code === 'bad-arguments' ? 2 : 1;
}
