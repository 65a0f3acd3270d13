/**
 * `npm run test:conformance [-- OPTIONS] [TEST]`: Gateway API's own conformance tests for meshes, on a real Kubernetes with
 * several nodes. Builds the suite with Go (once), starts a cluster, installs the chart, runs the suite and takes the cluster
 * down. Every one of its mesh tests must pass: one that was skipped has failed. Ends with `N passed, N failed, N skipped`.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runGroup } from '../../../../scripts/tests/run-group.ts';
import { buildGoPrograms } from '../../interop/go-programs.ts';
import { loadAmbit, LOAD_MS, ROOT, step, whyNotHere, withCluster } from '../cluster-run.ts';
import { installAmbit } from '../harness/ambit.ts';
import type { Cluster } from '../harness/cluster.ts';
import { collectDiagnostics } from '../harness/diagnostics.ts';
import { makeEchoImage } from './echo-image.ts';
import { buildSuite, expectedTests, MESH_TESTS, outcomesIn, suiteArguments } from './suite.ts';
import { NAMESPACE_LABELS, prepareWorld } from './world.ts';

const USAGE = `npm run test:conformance [-- OPTIONS] [TEST]: Gateway API conformance of meshes, on a real Kubernetes

  TEST                 one test of the suite only, such as MeshBasic
  --publish            write the report to docs/conformance when everything has passed
  --keep               leave the cluster running, and use it again the next time
  --name LETTER        of the cluster, a to l; its networks are its own (default a)
  --help               this text

AMBIT_CONFORMANCE_CACHE: where the suite is kept (default ~/.cache/ambit-conformance)
`;

/** As the kit has it. */
const GATEWAY_API = 'v1.6.1';
const FEATURES_MS = 600_000;
const SUITE_MS = 1_800_000;
/** Of the suite's output after a failure. */
const OUTPUT_LINES = 400;
const RESULTS = join(ROOT, 'dist/conformance');
const PUBLISHED = join(ROOT, 'docs/conformance');

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Settings {
  readonly name: string;
  readonly keep: boolean;
  readonly publish: boolean;
  readonly only: string | undefined;
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      publish: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      name: { type: 'string', default: 'a' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [only, ...more] = positionals;
  const wrong = only !== undefined && MESH_TESTS[only] === undefined ? `no mesh test ${only}` : null;
  const error = more.length > 0 ? 'more than one test' : /^[a-l]$/.test(values.name) ? wrong : `--name ${values.name}`;
  if (values.help || error !== null) {
    console[values.help ? 'log' : 'error'](values.help ? USAGE : `${error}\n\n${USAGE}`);
    return values.help ? 0 : 2;
  }
  const reason = whyNotHere();
  if (reason !== null) {
    console.error(`FAIL: ${reason}`);
    return 1;
  }
  const began = performance.now();
  const { passed, failed, skipped } = await runAll({ ...values, only });
  console.log(`\n${((performance.now() - began) / 1000).toFixed(0)} s`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed > 0 || skipped > 0 ? 1 : 0;
}

async function runAll(settings: Settings): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-conformance-'));
  const say = (line: string): void => console.log(`     ${line}`);
  const cache = (variable: string, name: string): string => process.env[variable] ?? join(homedir(), '.cache', name);
  try {
    const program = await step('suite', () => buildSuite(cache('AMBIT_CONFORMANCE_CACHE', 'ambit-conformance'), say));
    const echo = await step('image of its pods', async () => {
      return await makeEchoImage(folder, await buildGoPrograms(cache('AMBIT_INTEROP_CACHE', 'ambit-interop'), say));
    });
    return await withCluster({ ...settings, runtime: 'debian' }, (cluster) =>
      runOn(cluster, { program, echo, settings }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Run {
  readonly program: string;
  readonly echo: string;
  readonly settings: Settings;
}

async function runOn(cluster: Cluster, { program, echo, settings }: Run): Promise<Counts> {
  await step('Gateway API', () => cluster.kit(['gateway-api']));
  await loadAmbit(cluster);
  await step('image of its pods', () => cluster.kit(['load', echo], { timeoutMs: LOAD_MS }));
  await step('chart', () => installAmbit(cluster, ['waypoint.replicas.min=1']));
  try {
    await step('waypoint', () => prepareWorld(cluster));
    const suite = await runSuite(cluster, program, settings);
    if (settings.only !== undefined) return suite;
    if (settings.publish && suite.failed + suite.skipped === 0) publish();
    // Retries are of that channel.
    await step('Gateway API, experimental', () => cluster.kit(['gateway-api', '--experimental']));
    const { passed, failed, skipped } = await runFeatures();
    return {
      passed: suite.passed + passed,
      failed: suite.failed + failed,
      skipped: suite.skipped + skipped,
    };
  } catch (error) {
    console.log(`     what the cluster was like: ${await collectDiagnostics(cluster)}`);
    throw error;
  }
}

/** Runs the suite; its report and its whole output are kept beside each other, whatever comes out. */
async function runSuite(cluster: Cluster, program: string, settings: Settings): Promise<Counts> {
  mkdirSync(RESULTS, { recursive: true });
  const { only } = settings;
  const report = join(RESULTS, 'report.yaml');
  const args = suiteArguments({
    version: versionOf(),
    namespaceLabels: NAMESPACE_LABELS,
    report,
    ...(only === undefined ? {} : { only }),
  });
  const kubeconfig = (await cluster.kit(['kubeconfig'])).trim();
  const output = await step('suite', () => capture(program, args, { KUBECONFIG: kubeconfig }));
  writeFileSync(join(RESULTS, 'output.txt'), output);
  const outcomes = outcomesIn(output);
  const names = only === undefined ? expectedTests(outcomes) : [only];
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const name of names) {
    // What did not run at all has failed: somebody counts on it.
    const outcome = outcomes.get(name) ?? 'failed';
    counts[outcome] += 1;
    console.log(`     ${outcome.padEnd(8)} ${name}`);
  }
  if (counts.passed < names.length) {
    console.log(output.split('\n').slice(-OUTPUT_LINES).join('\n'));
    console.log(`     all of it: ${join(RESULTS, 'output.txt')}`);
    console.log(`     what the cluster was like: ${await collectDiagnostics(cluster)}`);
  }
  return counts;
}

/** Our own tests, with the suite's pods, which it leaves. */
function runFeatures(): Promise<Counts> {
  const files = ['binding', 'features'].map((name) => `test/e2e/cluster/conformance/${name}.cluster.test.ts`);
  const group = { name: 'privileged', files, concurrency: 1, eachTest: true, testTimeoutMs: FEATURES_MS } as const;
  return runGroup(ROOT, group, FEATURES_MS);
}

function publish(): void {
  mkdirSync(PUBLISHED, { recursive: true });
  copyFileSync(join(RESULTS, 'report.yaml'), join(PUBLISHED, `gateway-api-${GATEWAY_API}.yaml`));
}

/** Of everything in this repository. */
function versionOf(): string {
  const { version }: { readonly version: string } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return version;
}

/** What a program prints, however it ends. */
function capture(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(program, [...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: SUITE_MS,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  child.once('error', reject).once('close', () => resolve(output));
  return promise;
}

process.exitCode = await main(process.argv.slice(2));
