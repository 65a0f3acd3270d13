import assert from 'node:assert/strict';
import https from 'node:https';
import { test } from 'node:test';
import { type ObjectObserver, parseObject, type ObjectSource } from '@ambit/mesh/kinds';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { checkLeaks, createTestCa, until } from '@ambit/mesh/testing';
import { MemoryKubeClient } from '../test/memory-kube-client.ts';
import { core, own, pod, SETTINGS } from '../test/policy-objects.ts';
import { LeaderTasks } from './leader/leader-tasks.ts';
import { OwnKinds } from './own-kinds.ts';
import { Pipeline } from './pipeline.ts';
import { decidePresence, NOBODY_SEEN } from './status/decide-presence.ts';
import { PolicyVersions } from './status/policy-versions.ts';

checkLeaks();

type Json = Readonly<Record<string, unknown>>;

/** Delivers what the test says. */
class ScriptedSource implements ObjectSource {
  #observer: ObjectObserver | null = null;

  async watch(observer: ObjectObserver): Promise<void> {
    this.#observer = observer;
  }

  put(...objects: readonly Json[]): void {
    const parsed = objects.map((object) => parseObject(object)).filter((object) => object !== null);
    this.#observer?.onChanges(parsed.map((object) => ({ kind: 'put', object })));
  }
}

test('OwnKinds writes statuses while it leads, answers reviews from the same objects, and keeps its roots in place', async () => {
  const source = new ScriptedSource();
  const kube = new MemoryKubeClient();
  const common = { clock: systemClock, logger: silentLogger, metrics: new Metrics() };
  const pipeline = new Pipeline({ ...common, source, settings: SETTINGS, onProblems: () => {} });
  const versions = new PolicyVersions(pipeline.objects, [pipeline.addresses, pipeline.authorizations]);
  pipeline.onChange(() => versions.committed());
  const progress = {
    look: () => decidePresence(NOBODY_SEEN, { replicas: [], silent: [], expected: [], nowMs: 0, awayMs: 0 }).progress,
    onChange: () => {},
    firstRound: async () => {},
  };
  const gate = new LeaderTasks(systemClock, silentLogger);
  const ca = createTestCa();
  const rootsPem = (): string => ca.rootPem;
  const kinds = new OwnKinds({
    ...common,
    client: kube.client,
    gate,
    pipeline,
    versions,
    progress,
    settings: SETTINGS,
    rootsPem,
  });
  const policy = own('AccessPolicy', 'shop', 'callers', { action: 'Allow' }, { uid: 'u1', generation: 1 });
  kube.put('accesspolicies', 'shop', 'callers', policy);
  const webhooks = [{ name: 'validate.ambit.dev', clientConfig: {} }];
  const identity = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration' };
  kube.put('validatingwebhookconfigurations', '', 'ambit-validation', {
    ...identity,
    metadata: { name: 'ambit-validation' },
    webhooks,
  });
  const stop = new AbortController();
  await pipeline.start(stop.signal);
  const tls = ca.issueCertificate({ altNames: [{ kind: 'dns', value: 'controller' }] });
  await using server = await kinds.listen({ ip: '127.0.0.1' as never, port: 0 }, tls);
  source.put(core('Namespace', '', 'shop', {}, { labels: { 'ambit.dev/mode': 'ambient' } }), policy);
  source.put(pod('shop', 'web-1', 'web'));
  await until('the source is in force', () => pipeline.authorizations.size === 2);
  assert.deepEqual(kube.applied, [], 'nothing is written before this replica leads');
  const term = new AbortController();
  gate.begin(term.signal);
  const applied = (plural: string): boolean => kube.applied.some(({ key }) => key.startsWith(`${plural}/`));
  await until('the status is written', () => applied('accesspolicies'));
  await until('the roots are written', () => applied('validatingwebhookconfigurations'));
  const answer = await review(server.port, ca.rootPem, own('AccessPolicy', 'shop', 'p', { action: 'Allow' }));
  assert.deepEqual(answer, { uid: 'u', allowed: true });
  term.abort();
  await gate.settled();
  stop.abort();
});

function review(port: number, caPem: string, object: Json): Promise<unknown> {
  const request = { uid: 'u', kind: { group: 'ambit.dev' }, operation: 'CREATE', object };
  const body = JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
  const options = { host: '127.0.0.1', port, path: '/validate', method: 'POST', servername: 'controller', ca: caPem };
  return new Promise((resolve, reject) => {
    https
      .request({ ...options, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve(JSON.parse(text).response)).on('error', reject);
      })
      .on('error', reject)
      .end(body);
  });
}
