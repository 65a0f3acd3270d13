import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createEnvironment, EnvironmentError } from '../runtime/environment.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createTestCa } from '../testing/test-ca.ts';
import { KubeApiError } from './errors.ts';
import type { KubeAccess } from './kube-access.ts';
import { CREDENTIALS_AGE_MAX_MS, CREDENTIALS_FILE_BYTES_MAX } from './limits.ts';
import { openKubeAccess } from './open-kube-access.ts';

const ROOTS = createTestCa().rootPem;

function folder(t: TestContext, files: Readonly<Record<string, string>>): (name: string, text: string) => string {
  const path = mkdtempSync(join(tmpdir(), 'ambit-access-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  const write = (name: string, text: string): string => {
    writeFileSync(join(path, name), text);
    return join(path, name);
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  return write;
}

async function inPod(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>> = {
    KUBERNETES_SERVICE_HOST: '10.96.0.1',
    KUBERNETES_SERVICE_PORT: '443',
  },
): Promise<{ access: KubeAccess; clock: ManualClock; write: (name: string, text: string) => string }> {
  const write = folder(t, files);
  const clock = new ManualClock();
  const serviceAccountDirectory = join(write('marker', ''), '..');
  const environment = createEnvironment(variables);
  return { access: await openKubeAccess({ environment, clock, serviceAccountDirectory }), clock, write };
}

const GOOD = { token: 'first\n', 'ca.crt': ROOTS, namespace: 'ambit-system' };

test('openKubeAccess() uses the service account of the pod and follows its files', async (t) => {
  const { access, clock, write } = await inPod(t, GOOD);
  assert.deepEqual([access.server.href, access.namespace], ['https://10.96.0.1/', 'ambit-system']);
  const first = { rootsPem: ROOTS.trim(), bearerToken: 'first' };
  assert.deepEqual(await access.credentials(false), first);
  write('token', 'second');
  assert.deepEqual(await access.credentials(false), first, 'not on every call');
  assert.deepEqual(await access.credentials(true), { ...first, bearerToken: 'second' }, 'at once after a refusal');
  write('token', 'third');
  await clock.advance(CREDENTIALS_AGE_MAX_MS);
  assert.deepEqual(await access.credentials(false), { ...first, bearerToken: 'third' });

  // Half-written, empty or enormous: what was good stays in use.
  for (const bad of ['', 'two words', 'two\nlines', 'x'.repeat(CREDENTIALS_FILE_BYTES_MAX + 1)]) {
    write('token', bad);
    assert.equal((await access.credentials(true)).bearerToken, 'third');
  }
  write('ca.crt', 'no certificate');
  assert.equal((await access.credentials(true)).rootsPem, ROOTS.trim());
});

test('openKubeAccess() understands IPv6 and other ports', async (t) => {
  const variables = { KUBERNETES_SERVICE_HOST: 'fd00:10::1', KUBERNETES_SERVICE_PORT: '6443' };
  const { access } = await inPod(t, { token: 'x', 'ca.crt': ROOTS }, variables);
  assert.deepEqual([access.server.href, access.namespace], ['https://[fd00:10::1]:6443/', 'default']);
});

test('credentials that were never there are an error that names the file', async (t) => {
  const { access } = await inPod(t, { 'ca.crt': ROOTS });
  await assert.rejects(access.credentials(false), (error: unknown) => {
    assert.ok(error instanceof KubeApiError);
    assert.deepEqual([error.code, error.retryable], ['unauthenticated', true]);
    assert.match(String(error.data['path']), /\/token$/);
    return true;
  });
});

const kubeconfig = (cluster: object, user: object = {}, context: object = { cluster: 'c', user: 'u' }): string =>
  JSON.stringify({
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context }],
    'current-context': 'x',
  });

function openKubeconfig(path: string): Promise<KubeAccess> {
  return openKubeAccess({ environment: createEnvironment({ KUBECONFIG: path }), clock: new ManualClock() });
}

test('openKubeAccess() reads kubeconfig files, the first before the others', async (t) => {
  const data = (text: string): string => Buffer.from(text).toString('base64');
  const cluster = { server: 'https://api.example:6443/k8s', 'certificate-authority-data': data(ROOTS) };
  const write = folder(t, {});
  const token = write('token-config', kubeconfig({ ...cluster, 'tls-server-name': 'inner' }, { token: 'secret' }));
  const access = await openKubeconfig(token);
  assert.deepEqual([access.server.href, access.namespace], ['https://api.example:6443/k8s', 'default']);
  assert.deepEqual(await access.credentials(false), { rootsPem: ROOTS, serverName: 'inner', bearerToken: 'secret' });

  const certificate = { 'client-certificate-data': data('certificate'), 'client-key-data': data('key') };
  const users = JSON.stringify({ users: [{ name: 'u', user: certificate }] });
  const clusters = kubeconfig(cluster).replace('"users":[{"name":"u","user":{}}],', '"users":[],');
  const paths = [write('clusters', clusters), write('users', users)].join(':');
  assert.deepEqual(await (await openKubeconfig(paths)).credentials(false), {
    rootsPem: ROOTS,
    client: { certificatePem: 'certificate', privateKeyPem: 'key' },
  });

  const program = {
    exec: {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'sh',
      args: ['-c', 'echo \'{"status":{"token":"from-program"}}\''],
    },
  };
  const exec = await openKubeconfig(write('exec', kubeconfig(cluster, program)));
  assert.equal((await exec.credentials(false)).bearerToken, 'from-program');
  const failing = { exec: { ...program.exec, args: ['-c', 'echo secret >&2; exit 1'] } };
  const refused = await openKubeconfig(write('failing', kubeconfig(cluster, failing)));
  await assert.rejects(refused.credentials(false), (error: unknown) => {
    assert.ok(error instanceof KubeApiError);
    assert.doesNotMatch(JSON.stringify([error.message, error.data, String(error.cause)]), /secret/);
    return true;
  });
});

test('openKubeAccess() refuses what cannot or must not be used', async (t) => {
  const write = folder(t, {});
  const secure = { server: 'https://api.example' };
  const cases: readonly [string, RegExp][] = [
    [write('plain', kubeconfig({ server: 'http://api.example' })), /an https: address/],
    [write('insecure', kubeconfig({ ...secure, 'insecure-skip-tls-verify': true })), /no insecure-skip-tls-verify/],
    [write('proxy', kubeconfig({ ...secure, 'proxy-url': 'http://proxy' })), /no proxy-url/],
    [write('context', kubeconfig(secure, {}, { cluster: 'other', user: 'u' })), /a current context with a cluster/],
    [write('none', ''), /the paths of kubeconfig files/],
    [write('yaml', '{'), /the paths of kubeconfig files/],
    ['missing/file', /the paths of kubeconfig files/],
    [':', /the paths of kubeconfig files/],
  ];
  for (const [path, expected] of cases) {
    await assert.rejects(openKubeconfig(path), (error: unknown) => {
      assert.ok(error instanceof EnvironmentError, path);
      assert.equal(error.data['variable'], 'KUBECONFIG');
      assert.match(String(error.data['expected']), expected, path);
      return true;
    });
  }
  const nowhere = openKubeAccess({ environment: createEnvironment({}), clock: new ManualClock() });
  await assert.rejects(nowhere, (error: unknown) => {
    assert.ok(error instanceof EnvironmentError);
    assert.match(String(error.data['expected']), /outside of one set KUBECONFIG/);
    return true;
  });
});
