/** Many pods, and what they cost. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { ensureAmbit, metric } from './harness/ambit.ts';
import { Cluster, type Manifest } from './harness/cluster.ts';
import { pluginTimes } from './harness/plugin-time.ts';
import { sandboxTimes } from './harness/pod-start.ts';
import { AGNHOST_IMAGE, agnhostPod } from './harness/pods.ts';
import { quantile, report } from './harness/report.ts';
import { Scene } from './harness/scene.ts';

const NS = 'scale';
const PLAIN = 'scale-plain';
const POD_COUNT = 100;
const WAVES = 2;
const WAVE_MS = 150_000;
const SAMPLES = 12;
const ENROLMENT_MS = 150;
const PLUGIN_MS = 20;

const cluster = Cluster.fromEnvironment();
const [, second] = cluster.nodes;
await ensureAmbit(cluster);
const scene = await Scene.open(cluster, {
  namespaces: { [NS]: 'ambient', [PLAIN]: 'unlabelled' },
  objects: [],
  clients: [],
});
after(() => scene.close());

function deployment(replicas: number): Manifest {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: NS, name: 'many' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'many' } },
      template: {
        metadata: { labels: { app: 'many' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'main', image: AGNHOST_IMAGE, args: ['pause'] }],
        },
      },
    },
  };
}

async function sum(name: string): Promise<number> {
  const values = await Promise.all(cluster.nodes.map((node) => metric(cluster, 'ambit-node-agent', node, name)));
  return values.reduce((total, value) => total + value, 0);
}

test('one pod after the other: what enrolment adds to the start of a pod', async () => {
  for (let i = 0; i < SAMPLES; i++) {
    for (const namespace of [NS, PLAIN]) {
      const name = `sample-${i}`;
      await cluster.apply(agnhostPod(namespace, name, ['pause'], { node: second }));
      await scene.awaitPods([`${namespace}/${name}`]);
      await cluster.kubectl(['-n', namespace, 'delete', 'pod', name, '--wait=false']);
    }
  }
  const [enrolled, plain] = await Promise.all([
    sandboxTimes(cluster, second, NS),
    sandboxTimes(cluster, second, PLAIN),
  ]);
  assert.ok(enrolled.length >= SAMPLES && plain.length >= SAMPLES, `${enrolled.length} and ${plain.length} sandboxes`);
  const added = quantile(enrolled, 0.5) - quantile(plain, 0.5);
  report(
    'start of a pod sandbox, median',
    `${quantile(enrolled, 0.5).toFixed(0)} ms enrolled, ${quantile(plain, 0.5).toFixed(0)} ms not: ${added.toFixed(0)} ms more (budget ${ENROLMENT_MS})`,
  );
  assert.ok(added < ENROLMENT_MS, `${added} ms`);
});

test('the plug-in itself', async () => {
  const p95 = quantile(await pluginTimes(cluster, second), 0.95);
  report('a run of the CNI plug-in besides what the agent does, p95', `${p95.toFixed(1)} ms (budget ${PLUGIN_MS})`);
  assert.ok(p95 < PLUGIN_MS, `${p95} ms`);
});

test(`${WAVES} times ${POD_COUNT} pods at once: all become Ready and enrolled, and all go`, async () => {
  await until('the samples are gone', async () => (await sum('ambit_pods_active')) === 0, WAVE_MS);
  for (let wave = 1; wave <= WAVES; wave++) {
    const began = performance.now();
    await cluster.apply(deployment(POD_COUNT));
    await cluster.kubectl(['-n', NS, 'rollout', 'status', 'deployment/many', `--timeout=${WAVE_MS / 1000}s`], {
      timeoutMs: WAVE_MS + 10_000,
    });
    report(`${POD_COUNT} enrolled pods at once, all Ready`, `${((performance.now() - began) / 1000).toFixed(1)} s`);
    await until('all pods are served', async () => (await sum('ambit_pods_active')) === POD_COUNT, WAVE_MS);
    await cluster.apply(deployment(0));
    await until('no pod is served', async () => (await sum('ambit_pods_active')) === 0, WAVE_MS);
  }
  await cluster.kubectl(['-n', NS, 'wait', '--for=delete', 'pod', '-l', 'app=many', '--timeout=60s'], {
    timeoutMs: 70_000,
  });
  assert.equal(await sum('ambit_pods_pending'), 0);
});
