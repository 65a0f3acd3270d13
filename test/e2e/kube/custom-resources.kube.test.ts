import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AMBIT_KINDS } from '@ambit/mesh/kinds';
import { brokenSpecs, GOOD_SPECS, until } from '@ambit/mesh/testing';
import { TestApiServer } from './api-server.ts';
import { installCustomResources, kubectl } from './custom-resources.ts';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

let api: TestApiServer;
before(async () => {
  api = await TestApiServer.start();
  await installCustomResources(api);
});
after(() => api[Symbol.asyncDispose]());

function create(plural: string, kind: string, spec: unknown): ReturnType<TestApiServer['call']> {
  const path = `/apis/ambit.dev/v1alpha1/namespaces/default/${plural}?dryRun=All`;
  return api.call('POST', path, { apiVersion: 'ambit.dev/v1alpha1', kind, metadata: { name: 'p' }, spec });
}

for (const { kind, plural } of AMBIT_KINDS) {
  test(`the API server takes every good ${kind}`, async () => {
    for (const spec of GOOD_SPECS[kind] ?? []) {
      const { status, text } = await create(plural, kind, spec);
      assert.equal(status, 201, text);
    }
  });

  test(`the API server refuses a ${kind} that breaks one rule of its schema, and says what to do`, async () => {
    for (const { what, spec, refusal } of brokenSpecs(kind)) {
      const { status, text } = await create(plural, kind, spec);
      assert.equal(status, 422, `${what}: ${text}`);
      const { message } = JSON.parse(text) as { readonly message: string };
      assert.ok(message.includes(refusal), `${what}\nsays: ${message}\nnot: ${refusal}`);
    }
  });
}

test('fields that the schema does not know are kept for the webhook and the controller to refuse', async () => {
  const spec = { action: 'Allow', rules: [{ from: [{ ipBlocks: ['10.0.0.0/8'], notIpBlock: ['10.1.0.0/16'] }] }] };
  const { status, text } = await create('accesspolicies', 'AccessPolicy', spec);
  assert.equal(status, 201, text);
  const stored: unknown = JSON.parse(text);
  assert.deepEqual((stored as { readonly spec: unknown }).spec, spec);
});

test('the examples can be applied as they are', () => {
  const examples = readdirSync(`${REPOSITORY}examples`, { recursive: true, encoding: 'utf8' });
  const ours = examples.filter(
    (name) =>
      name.endsWith('.yaml') && readFileSync(`${REPOSITORY}examples/${name}`, 'utf8').includes('ambit.dev/v1alpha1'),
  );
  assert.ok(ours.length >= 3, ours.join(', '));
  const namespaces = new Set<string>();
  for (const name of ours) {
    const all = readFileSync(`${REPOSITORY}examples/${name}`, 'utf8').split(/^---$/m);
    const own = all.filter((document) => document.includes('apiVersion: ambit.dev/v1alpha1'));
    for (const document of own) {
      const namespace = /^ {2}namespace: (\S+)$/m.exec(document)?.[1] ?? 'default';
      if (namespace !== 'default' && !namespaces.has(namespace)) kubectl(api, 'create', 'namespace', namespace);
      namespaces.add(namespace);
      kubectl(api, { input: document }, 'apply', '--dry-run=server', '-f', '-');
    }
  }
});

test('kubectl lists all kinds of the mesh together, by short names, and with the columns that matter', async () => {
  await api.request('POST', '/apis/ambit.dev/v1alpha1/namespaces/default/accesspolicies', {
    apiVersion: 'ambit.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { name: 'callers' },
    spec: { action: 'Allow' },
  });
  await until('discovery knows the category', async () =>
    kubectl(api, 'get', 'ambit', '-o', 'name').includes('accesspolicy.ambit.dev/callers'),
  );
  assert.equal(kubectl(api, 'get', 'ap', '-o', 'name'), 'accesspolicy.ambit.dev/callers\n');
  const condition = (type: string, status: string): unknown => ({
    type,
    status,
    reason: 'R',
    message: 'm',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  const conditions = [
    condition('Accepted', 'True'),
    condition('Attached', 'False'),
    condition('Acknowledged', 'Unknown'),
    condition('PartiallyEnforced', 'True'),
    condition('ResolvedRefs', 'False'),
  ];
  const ancestors = [
    { ancestorRef: { group: '', kind: 'Namespace', name: 'default' }, controllerName: 'c', conditions },
  ];
  await api.request(
    'PATCH',
    '/apis/ambit.dev/v1alpha1/namespaces/default/accesspolicies/callers/status',
    { status: { ancestors } },
    'application/merge-patch+json',
  );
  const table = kubectl(api, 'get', 'accesspolicies', '-o', 'wide')
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  assert.deepEqual(table[0]?.slice(0, -1), [
    'NAME',
    'ACTION',
    'ACCEPTED',
    'ATTACHED',
    'ACKNOWLEDGED',
    'PARTIALLYENFORCED',
    'RESOLVEDREFS',
  ]);
  assert.deepEqual(table[1]?.slice(0, -1), ['callers', 'Allow', 'True', 'False', 'Unknown', 'True', 'False']);
});

test('kubectl explain shows what a field means', () => {
  const text = kubectl(api, 'explain', 'accesspolicy.spec.rules.from.serviceAccounts');
  assert.match(
    text.replaceAll(/\s+/g, ' '),
    /The caller is one of these: name in this namespace, or namespace\/name\./,
  );
});
