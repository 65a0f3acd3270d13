import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { MemoryKubeClient } from '../../test/memory-kube-client.ts';
import { CaBundleKeeper } from './ca-bundle.ts';
import { decideCaBundle } from './decide-ca-bundle.ts';
import { CA_BUNDLE_POLL_MS } from './limits.ts';

const PLURAL = 'validatingwebhookconfigurations';
const IDENTITY = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration' };

function configuration(...bundles: readonly (string | undefined)[]): Readonly<Record<string, unknown>> {
  const service = { name: 'ambit-controller', namespace: 'ambit-system', path: '/validate' };
  const webhooks = bundles.map((caBundle, index) => ({
    name: `w${index}.ambit.dev`,
    failurePolicy: 'Ignore',
    clientConfig: caBundle === undefined ? { service } : { service, caBundle },
  }));
  return { ...IDENTITY, metadata: { name: 'ambit-validation', labels: { a: 'b' } }, webhooks };
}

test('decideCaBundle() says only the one field, and nothing when it is right', () => {
  const patch = (...names: readonly string[]): unknown => ({
    ...IDENTITY,
    metadata: { name: 'ambit-validation' },
    webhooks: names.map((name) => ({ name, clientConfig: { caBundle: 'new' } })),
  });
  const table: readonly (readonly [unknown, unknown])[] = [
    [configuration(undefined), patch('w0.ambit.dev')],
    [configuration('old'), patch('w0.ambit.dev')],
    [configuration('new', 'old'), patch('w0.ambit.dev', 'w1.ambit.dev')],
    [configuration('new'), null],
    [{ ...IDENTITY, metadata: { name: 'ambit-validation' } }, null],
  ];
  for (const [before, expected] of table) assert.deepEqual(decideCaBundle(before, 'new'), expected);
});

test('CaBundleKeeper writes the roots, again when they change or somebody undoes it, and not otherwise', async () => {
  const clock = new ManualClock();
  const kube = new MemoryKubeClient();
  let rootsPem = 'one';
  let writes = 0;
  const keeper = new CaBundleKeeper({
    client: kube.client,
    rootsPem: () => rootsPem,
    clock,
    logger: silentLogger,
    onWrite: () => writes++,
  });
  const term = new AbortController();
  const run = keeper.run(term.signal);
  const bundles = (): unknown =>
    kube.applied.map(({ apply }) => Object(apply.object).webhooks[0].clientConfig.caBundle);
  await clock.advance(0);
  assert.equal(writes, 0, 'nothing to write to');
  kube.put(PLURAL, '', 'ambit-validation', configuration(undefined));
  await clock.advance(CA_BUNDLE_POLL_MS);
  assert.deepEqual([writes, bundles()], [1, [Buffer.from('one').toString('base64')]]);
  await clock.advance(CA_BUNDLE_POLL_MS);
  assert.equal(writes, 1);
  rootsPem = 'onetwo';
  keeper.poke();
  await clock.advance(0);
  assert.equal(writes, 2);
  kube.put(PLURAL, '', 'ambit-validation', configuration('else'));
  await clock.advance(CA_BUNDLE_POLL_MS);
  assert.equal(writes, 3);
  assert.deepEqual(
    kube.applied.map(({ apply }) => [apply.fieldManager, apply.force]),
    Array(3).fill(['ambit-controller', true]),
  );
  term.abort();
  await assert.rejects(run, { name: 'AbortError' });
  assert.equal(clock.pending, 0);
});

test('CaBundleKeeper.run() rejects when the API server fails, for whoever begins it again', async () => {
  const kube = new MemoryKubeClient();
  kube.failures.push('unreachable');
  const keeper = new CaBundleKeeper({
    client: kube.client,
    rootsPem: () => 'pem',
    clock: new ManualClock(),
    logger: silentLogger,
    onWrite: () => {},
  });
  await assert.rejects(keeper.run(new AbortController().signal), { code: 'unreachable' });
});
