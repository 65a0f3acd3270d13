/**
 * `npm run test:cluster [-- OPTIONS] [part-of-name ...]`: Ambit on a real Kubernetes with several nodes. Builds Kubernetes
 * (once) and the images, starts a cluster, runs scenario after scenario on it (`plan.ts`) and takes it down, whatever
 * happens. Ends with `N passed, N failed, N skipped`.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type GroupResult, runGroup } from '../../../scripts/tests/run-group.ts';
import { LOAD_MS, loadAmbit, ROOT, step, whyNotHere, withCluster } from './cluster-run.ts';
import { CLUSTER_VARIABLE } from './harness/cluster.ts';
import { collectDiagnostics } from './harness/diagnostics.ts';
import { REPORT_VARIABLE } from './harness/report.ts';
import { makeTestImages } from './harness/test-images.ts';
import { type ClusterPlan, planClusters } from './plan.ts';

const USAGE = `npm run test:cluster [-- OPTIONS] [PART_OF_NAME ...]: Ambit on a real Kubernetes, on this machine

  --keep               leave the cluster running, and use it again the next time
  --containerd debian  only a cluster of this container runtime: debian (1.6) or v2
  --name LETTER        of the cluster, a to l; its networks are its own (default a)
  --help               this text

It needs Debian 12, root, Go 1.26 and cgroup version 1. Kubernetes is built once, in 12 minutes.
`;

const FILE_TIMEOUT_MS = 600_000;

interface Settings {
  readonly keep: boolean;
  readonly name: string;
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      keep: { type: 'boolean', default: false },
      containerd: { type: 'string' },
      name: { type: 'string', default: 'a' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const runtime = values.containerd ?? (values.keep ? 'debian' : null);
  if (runtime !== null && runtime !== 'debian' && runtime !== 'v2') {
    console.error(`--containerd ${runtime}: debian or v2\n\n${USAGE}`);
    return 2;
  }
  if (!/^[a-l]$/.test(values.name)) {
    console.error(`--name ${values.name}: one letter, a to l\n\n${USAGE}`);
    return 2;
  }
  const plans = planClusters(positionals, runtime);
  if (plans.length === 0) {
    console.error(`no scenario matches ${positionals.join(' ')}`);
    return 2;
  }
  const reason = whyNotHere();
  if (reason !== null) {
    console.error(`FAIL: ${reason}`);
    return 1;
  }
  return await runAll(plans, { keep: values.keep, name: values.name });
}

async function runAll(plans: readonly ClusterPlan[], settings: Settings): Promise<number> {
  const began = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'ambit-cluster-'));
  process.env[REPORT_VARIABLE] = join(folder, 'figures');
  process.env[CLUSTER_VARIABLE] = settings.name;
  const total = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const plan of plans) {
      const results = await runCluster(plan, settings, folder);
      for (const { passed, failed, skipped } of results) {
        total.passed += passed;
        total.failed += failed;
        total.skipped += skipped;
      }
    }
    if (existsSync(join(folder, 'figures')))
      console.log(`\n${readFileSync(join(folder, 'figures'), 'utf8').trimEnd()}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`\n${((performance.now() - began) / 1000).toFixed(0)} s`);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed > 0 || total.skipped > 0 ? 1 : 0;
}

/** `folder` is for what all clusters of a run have in common. */
function runCluster(
  { runtime, scenarios }: ClusterPlan,
  settings: Settings,
  folder: string,
): Promise<readonly GroupResult[]> {
  return withCluster({ ...settings, runtime }, async (cluster, isInterrupted) => {
    await loadAmbit(cluster);
    await step('images of the scenarios', async () => {
      await cluster.kit(['load', ...(await makeTestImages(folder))], { timeoutMs: LOAD_MS });
    });
    const results: GroupResult[] = [];
    for (const scenario of scenarios) {
      const result = await runScenario(scenario);
      // Without a cluster nothing is worth telling any more.
      if (isInterrupted()) break;
      if (result.failed > 0) console.log(`     what the cluster was like: ${await collectDiagnostics(cluster)}`);
      results.push(result);
      // Without Ambit every other scenario would only take long to fail.
      if (scenario === 'install' && result.failed > 0) break;
    }
    return results;
  });
}

async function runScenario(scenario: string): Promise<GroupResult> {
  const files = [`test/e2e/cluster/${scenario}.cluster.test.ts`];
  const limit = { eachTest: true, testTimeoutMs: FILE_TIMEOUT_MS };
  const group = { name: 'privileged', files, concurrency: 1, ...limit } as const;
  return await runGroup(ROOT, group, FILE_TIMEOUT_MS);
}

process.exitCode = await main(process.argv.slice(2));
