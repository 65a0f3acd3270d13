import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { TestApiServer } from './api-server.ts';
import { kubeProgram } from './programs.ts';

let api: TestApiServer;
before(async () => (api = await TestApiServer.start()));
after(() => api[Symbol.asyncDispose]());

test('the API server of the tests keeps its data over a crash and knows kubectl', async () => {
  await api.request('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
  await api.stopServer();
  await api.startServer();
  const kubectl = spawnSync(
    kubeProgram('kubectl'),
    ['--kubeconfig', api.kubeconfig, 'get', 'ns', 'shop', '-o', 'name'],
    {
      encoding: 'utf8',
    },
  );
  assert.equal(kubectl.stdout, 'namespace/shop\n', kubectl.stderr);
});

test('somebody else is who the token says, with the rights of RBAC', async () => {
  await api.request('POST', '/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'reader' } });
  const answer = await api.request('POST', '/api/v1/namespaces/shop/serviceaccounts/reader/token', { spec: {} });
  const { token } = (answer as { readonly status: { readonly token: string } }).status;
  const access = { ...api.admin, token };
  const { status, text } = await api.call('GET', '/api/v1/namespaces/shop/secrets', undefined, undefined, access);
  assert.equal(status, 403);
  assert.match(text, /system:serviceaccount:shop:reader/);
});

test('a watch from before a compaction is gone', async () => {
  const listed = (await api.request('GET', '/api/v1/namespaces/shop/configmaps')) as {
    readonly metadata: { readonly resourceVersion: string };
  };
  for (let i = 0; i < 5; i += 1) {
    await api.request('POST', '/api/v1/namespaces/shop/configmaps', { metadata: { name: `c${i}` } });
  }
  await api.compactEtcd();
  await api.stopServer();
  await api.startServer();
  const path = `/api/v1/namespaces/shop/configmaps?watch=1&timeoutSeconds=5&resourceVersion=${listed.metadata.resourceVersion}`;
  const { status, text } = await api.call('GET', path);
  assert.ok(status === 410 || /"code":410/.test(text), `${status} ${text}`);
});
