import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { TestApiServer } from '../../../test/e2e/kube/api-server.ts';
import { applyObject, coreKind, requestToken, testClient } from '../../../test/e2e/kube/clients.ts';
import { Metrics } from '../runtime/metrics.ts';
import { createEnvironment } from '../runtime/environment.ts';
import { until } from '../testing/until.ts';
import { systemClock } from '../runtime/clock.ts';
import { KubeApiError } from './errors.ts';
import type { KubeResource } from './kube-client.ts';
import { createKubeClient } from './create-kube-client.ts';
import { openKubeAccess } from './open-kube-access.ts';

const api = await TestApiServer.start();
const admin = testClient(api);
after(async () => {
  admin[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});
const CONFIG_MAPS = coreKind('configmaps', 'ConfigMap');
const PODS = coreKind('pods', 'Pod');
const NAMESPACES = coreKind('namespaces', 'Namespace', 'cluster');
const TOKEN_REVIEWS: KubeResource = {
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'tokenreviews',
  kind: 'TokenReview',
  scope: 'cluster',
};
await applyObject(admin, NAMESPACES, { metadata: { name: 'shop' } });
await applyObject(admin, coreKind('serviceaccounts', 'ServiceAccount'), {
  metadata: { name: 'jane', namespace: 'shop' },
});

const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const name = (of: string): { namespace: string; name: string } => ({ namespace: 'shop', name: of });
const configMap = (of: string, data: Readonly<Record<string, string>>, metadata: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: of, ...metadata },
  data,
});
const dataOf = (object: unknown): unknown => (object as { data?: unknown } | null)?.data;
const metadataOf = (object: unknown): { uid: string; resourceVersion: string } =>
  (object as { metadata: { uid: string; resourceVersion: string } }).metadata;

/** The code of the KubeApiError that `work` rejects with, and what it tells. */
async function refusal(work: Promise<unknown>): Promise<{ code: string; data: KubeApiError['data'] }> {
  const error: unknown = await work.then(
    () => assert.fail('expected a refusal'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof KubeApiError)) throw error;
  return { code: error.code, data: error.data };
}

test('objects are created, read, replaced and deleted', async () => {
  assert.equal(await admin.get(CONFIG_MAPS, name('settings'), soon()), null);
  const created = await admin.create(CONFIG_MAPS, 'shop', configMap('settings', { a: '1' }), soon());
  assert.deepEqual(dataOf(await admin.get(CONFIG_MAPS, name('settings'), soon())), { a: '1' });
  const { code } = await refusal(admin.create(CONFIG_MAPS, 'shop', configMap('settings', {}), soon()));
  assert.equal(code, 'already-exists');

  await admin.replace(CONFIG_MAPS, name('settings'), configMap('settings', { b: '2' }), soon());
  assert.deepEqual(dataOf(await admin.get(CONFIG_MAPS, name('settings'), soon())), { b: '2' });
  const { resourceVersion } = metadataOf(created);
  const stale = configMap('settings', { c: '3' }, { resourceVersion });
  assert.equal((await refusal(admin.replace(CONFIG_MAPS, name('settings'), stale, soon()))).code, 'conflict');

  await admin.mergePatch(CONFIG_MAPS, name('settings'), { data: { b: null, d: '4' } }, soon());
  assert.deepEqual(dataOf(await admin.get(CONFIG_MAPS, name('settings'), soon())), { d: '4' });

  const other = { uid: '00000000-0000-0000-0000-000000000000' };
  assert.equal((await refusal(admin.delete(CONFIG_MAPS, name('settings'), other, soon()))).code, 'conflict');
  const own = { uid: metadataOf(created).uid };
  assert.equal(await admin.delete(CONFIG_MAPS, name('settings'), own, soon()), true);
  assert.equal(await admin.delete(CONFIG_MAPS, name('settings'), own, soon()), false);
});

test('server-side apply owns the fields it names and no others', async () => {
  const applyAs = (fieldManager: string, data: Readonly<Record<string, string>>, force: boolean): Promise<unknown> => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'shared', namespace: 'shop' }, data };
    return admin.apply(CONFIG_MAPS, name('shared'), { object, fieldManager, force }, soon());
  };
  await applyAs('one', { one: '1', both: 'of one' }, false);
  await applyAs('two', { two: '2' }, false);
  const { code, data } = await refusal(applyAs('two', { two: '2', both: 'of two' }, false));
  assert.equal(code, 'conflict');
  assert.match(String(data['message']), /"one".*\.data\.both/s);
  assert.deepEqual(dataOf(await applyAs('two', { two: '2', both: 'of two' }, true)), {
    one: '1',
    two: '2',
    both: 'of two',
  });
  // What a manager names no more goes away, unless it is another's.
  assert.deepEqual(dataOf(await applyAs('one', {}, false)), { two: '2', both: 'of two' });
});

test('status is written beside the spec', async () => {
  const pod = { metadata: { name: 'web', namespace: 'shop' }, spec: { containers: [{ name: 'web', image: 'web' }] } };
  await applyObject(admin, PODS, pod);
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: pod.metadata, status: { message: 'applied' } };
  await admin.apply(PODS, name('web'), { object, fieldManager: 'x', force: false, subresource: 'status' }, soon());
  const patched = await admin.mergePatch(PODS, name('web'), { status: { reason: 'Patched' } }, soon(), 'status');
  const { status } = patched as { status: { message: string; reason: string } };
  assert.deepEqual([status.message, status.reason], ['applied', 'Patched']);
});

test('a token is good for its audience and its pod only', async () => {
  const pod = {
    metadata: { name: 'caller', namespace: 'shop' },
    spec: { serviceAccountName: 'jane', containers: [{ name: 'c', image: 'c' }] },
  };
  const { uid } = metadataOf(await applyObject(admin, PODS, pod));
  const wish = { namespace: 'shop', serviceAccount: 'jane', audiences: ['ambit-ca'], pod: { name: 'caller', uid } };
  const token = await requestToken(admin, wish);
  const review = async (audience: string): Promise<{ authenticated?: boolean; user?: unknown; error?: string }> => {
    const spec = { token, audiences: [audience] };
    const object = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec };
    const answer = await admin.create(TOKEN_REVIEWS, '', object, soon());
    return (answer as { status: { authenticated?: boolean; user?: unknown } }).status;
  };
  const { authenticated, user } = await review('ambit-ca');
  assert.equal(authenticated, true);
  const { username, extra } = user as { username: string; extra: Readonly<Record<string, readonly string[]>> };
  assert.equal(username, 'system:serviceaccount:shop:jane');
  assert.deepEqual(extra['authentication.kubernetes.io/pod-uid'], [uid]);
  assert.equal((await review('somebody-else')).authenticated ?? false, false);

  assert.equal(await admin.delete(PODS, name('caller'), {}, soon()), true);
  // The API server remembers a good token for some seconds.
  const refused = async (): Promise<boolean> => {
    await systemClock.sleep(250);
    return (await review('ambit-ca')).authenticated !== true;
  };
  await until('the token ends with its pod', refused, 60_000);
});

test('a refusal names who may not do what, and is counted', async () => {
  const metrics = new Metrics();
  const token = await requestToken(admin, { namespace: 'shop', serviceAccount: 'jane' });
  using jane = testClient(api, { access: { ...api.admin, token }, metrics });
  const { code, data } = await refusal(
    jane.listPage(coreKind('secrets', 'Secret'), { namespace: 'shop' }, null, soon()),
  );
  assert.equal(code, 'forbidden');
  assert.deepEqual([data['call'], data['status']], ['list secrets shop', 403]);
  assert.match(String(data['message']), /User "system:serviceaccount:shop:jane" cannot list resource "secrets"/);
  assert.equal(await metrics.value('ambit_kube_api_errors_total', ['list', 'forbidden']), 1);

  using nobody = testClient(api, { access: { ...api.admin, token: 'not-a-token' } });
  assert.equal((await refusal(nobody.get(CONFIG_MAPS, name('x'), soon()))).code, 'unauthenticated');
  assert.equal((await refusal(admin.create(CONFIG_MAPS, 'shop', { data: 5 }, soon()))).code, 'invalid');
  assert.equal((await refusal(admin.create(CONFIG_MAPS, 'nowhere', configMap('x', {}), soon()))).code, 'not-found');
});

test('KUBECONFIG is used as other tools use it', async () => {
  const environment = createEnvironment({ KUBECONFIG: api.kubeconfig });
  const access = await openKubeAccess({ environment, clock: systemClock });
  using client = createKubeClient({ access, clock: systemClock, metrics: new Metrics(), userAgent: 'ambit-test' });
  const page = await client.listPage(NAMESPACES, { fieldSelector: 'metadata.name=shop' }, null, soon());
  assert.deepEqual(
    page.items.map((item) => {
      const { kind, metadata } = item as { kind: string; metadata: { name: string; managedFields?: unknown } };
      return [kind, metadata.name, metadata.managedFields];
    }),
    [['Namespace', 'shop', undefined]],
  );
});
