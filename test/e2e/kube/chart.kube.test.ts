import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CONTROLLER_NAME } from '../../../controller/src/status/decide-status-patch.ts';
import { TestApiServer } from './api-server.ts';
import { installGatewayApi } from './gateway-api.ts';
import { kubeProgram } from './programs.ts';

const CHART = fileURLToPath(new URL('../../../charts/ambit', import.meta.url));
const NAMESPACE = 'ambit-system';
const WEBHOOK = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/ambit-validation';
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const DAEMON_SETS = `/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets`;
const RANGES = '--set=mesh.cidrs={10.244.0.0/16,10.96.0.0/16}';

interface Listed<T> {
  readonly items: readonly T[];
}

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let api: TestApiServer;
let home: string;
before(async () => {
  home = mkdtempSync(join(tmpdir(), 'ambit-helm-'));
  api = await TestApiServer.start();
});
after(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

function helm(...args: readonly string[]): Ran {
  return spawnSync(kubeProgram('helm'), ['--kubeconfig', api.kubeconfig, ...args], {
    encoding: 'utf8',
    env: { ...process.env, HOME: home, HELM_NO_PLUGINS: '1' },
    timeout: 120_000,
  });
}

function helmed(...args: readonly string[]): string {
  const { status, stdout, stderr } = helm(...args);
  assert.equal(status, 0, `helm ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const install = (...more: readonly string[]): readonly string[] => {
  return ['install', 'ambit', CHART, '--namespace', NAMESPACE, '--create-namespace', ...more];
};

/** Whether the API server would let an account do this. `what` is `resource/subresource@group`. */
async function may(account: string, verb: string, what: string, name = '', namespace = NAMESPACE): Promise<boolean> {
  const [resource = '', group = ''] = what.split('@');
  const [plural, subresource] = resource.split('/');
  const resourceAttributes = {
    ...{ verb, group, resource: plural, name, namespace },
    ...(subresource === undefined ? {} : { subresource }),
  };
  const review = { spec: { user: `system:serviceaccount:${NAMESPACE}:${account}`, resourceAttributes } };
  const answer = await api.request('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', review);
  return (answer as { readonly status: { readonly allowed: boolean } }).status.allowed;
}

describe('before installation', () => {
  test('helm lint finds nothing', () => {
    assert.match(helmed('lint', CHART, '--strict', '--namespace', NAMESPACE, RANGES), /0 chart\(s\) failed/);
  });

  const refusals: readonly (readonly [readonly string[], RegExp])[] = [
    [['--set', 'controler.replicas=3'], /additional properties 'controler' not allowed/],
    [['--set', 'controller.replicas=0'], /\/controller\/replicas': minimum: got 0, want 1/],
    [['--set', 'log.format=xml'], /\/log\/format': value must be one of 'text', 'json'/],
    [['--set', 'nodeAgent.terminationDeadline=1d'], /'1d' does not match pattern/],
    [['--set', 'mesh.excludedNamespaces={kube-system}'], /\/mesh\/excludedNamespaces': /],
    [['--set', 'mesh.cidrs={10.0.0.0}'], /'10\.0\.0\.0' does not match pattern/],
    [['--namespace', 'other'], /Ambit is installed in the namespace ambit-system, not in other: use --namespace/],
    [[], /mesh\.cidrs is empty, and the API server does not tell .* --set 'mesh\.cidrs=/s],
  ];
  for (const [args, message] of refusals) {
    test(`helm install ${args.join(' ')} is refused in words`, () => {
      const { status, stderr } = helm(...install(...args));
      assert.notEqual(status, 0);
      assert.match(stderr, message);
    });
  }

  test('of two node agents of a node each has objects of its own, and both have the limits that a values file gives', () => {
    const values = join(home, 'values.yaml');
    writeFileSync(values, 'nodeAgent: { perNode: 2, limits: { podConnections: 1000000, podConnectionRate: 1000000 } }');
    const text = helmed('template', 'ambit', CHART, '--namespace', NAMESPACE, RANGES, '--values', values);
    const objects = text.split(/^---$/m);
    const sets = objects.filter((object) => /^kind: DaemonSet$/m.test(object) && object.includes('AMBIT_SLOT'));
    const told = (object: string, name: string): string | undefined =>
      new RegExp(`- name: ${name}\\n *value: (.*)`).exec(object)?.[1];
    assert.deepEqual(
      sets.map((object) => ({
        name: /^ {2}name: (.*)$/m.exec(object)?.[1],
        selected: /matchLabels:\n *app\.kubernetes\.io\/name: (.*)/.exec(object)?.[1],
        slot: told(object, 'AMBIT_SLOT'),
        limits: [told(object, 'AMBIT_POD_CONNECTIONS_MAX'), told(object, 'AMBIT_POD_CONNECTION_RATE')],
      })),
      [
        ['ambit-node-agent', 'a'],
        ['ambit-node-agent-b', 'b'],
      ].map(([name, slot]) => ({ name, selected: name, slot, limits: ['"1000000"', '"1000000"'] })),
    );
  });
});

describe('once installed', () => {
  before(async () => {
    const node = { metadata: { name: 'n1' }, spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] } };
    await api.request('POST', '/api/v1/nodes', node);
    helmed(...install());
  });

  test('pod and service ranges are those the API server tells', async () => {
    const daemonSet = (await api.request('GET', `${DAEMON_SETS}/ambit-node-agent`)) as {
      readonly spec: {
        readonly template: {
          readonly spec: {
            readonly containers: readonly {
              readonly env: readonly { readonly name: string; readonly value?: string }[];
            }[];
          };
        };
      };
    };
    const ranges = daemonSet.spec.template.spec.containers[0]?.env.find(({ name }) => name === 'AMBIT_MESH_CIDRS');
    assert.equal(ranges?.value, '10.96.0.0/16,10.244.1.0/24');
  });

  test('a second installation is refused and told the name of the first', () => {
    const { status, stderr } = helm('install', 'second', CHART, '--namespace', NAMESPACE, RANGES);
    assert.notEqual(status, 0);
    assert.match(stderr, /has Ambit already, as the release "ambit" in ambit-system/);
  });

  const accounts: readonly (readonly [string, string, string, string?, string?])[] = [
    ['ambit-controller', 'watch', 'pods', '', 'shop'],
    ['ambit-controller', 'list', 'nodes'],
    ['ambit-controller', 'patch', 'nodes', 'n1'],
    ['ambit-controller', 'watch', 'endpointslices@discovery.k8s.io', '', 'shop'],
    ['ambit-controller', 'watch', 'gateways@gateway.networking.k8s.io', '', 'shop'],
    ['ambit-controller', 'watch', 'httproutes@gateway.networking.k8s.io', '', 'shop'],
    ['ambit-controller', 'watch', 'configmaps', '', 'shop'],
    ['ambit-controller', 'patch', 'accesspolicies/status@ambit.dev', 'x', 'shop'],
    ['ambit-controller', 'create', 'tokenreviews@authentication.k8s.io'],
    ['ambit-controller', 'patch', 'configmaps', 'ambit-ca-root-cert', 'shop'],
    ['ambit-controller', 'delete', 'configmaps', 'ambit-ca-root-cert', 'shop'],
    ['ambit-controller', 'list', 'configmaps', 'ambit-ca-root-cert', ''],
    ['ambit-controller', 'update', 'secrets', 'ambit-ca-intermediate'],
    ['ambit-controller', 'update', 'secrets', 'ambit-session-keys'],
    ['ambit-controller', 'update', 'leases@coordination.k8s.io', 'ambit-controller'],
    ['ambit-controller', 'create', 'events@events.k8s.io', '', 'shop'],
    ['ambit-controller', 'patch', 'deployments@apps', 'wp-ambit-waypoint', 'shop'],
    ['ambit-controller', 'create', 'deployments@apps', '', 'shop'],
    ['ambit-controller', 'create', 'serviceaccounts', '', 'shop'],
    ['ambit-controller', 'patch', 'services', 'wp-ambit-waypoint', 'shop'],
    ['ambit-controller', 'patch', 'services/status', 'web', 'shop'],
    ['ambit-controller', 'create', 'horizontalpodautoscalers@autoscaling', '', 'shop'],
    ['ambit-controller', 'create', 'poddisruptionbudgets@policy', '', 'shop'],
    ['ambit-controller', 'patch', 'gateways/status@gateway.networking.k8s.io', 'wp', 'shop'],
    ['ambit-controller', 'patch', 'gatewayclasses/status@gateway.networking.k8s.io', 'ambit-waypoint', ''],
    ['ambit-controller', 'get', 'configmaps', 'x', 'shop'],
    ['ambit-cni', 'watch', 'pods', '', 'shop'],
    ['ambit-cni', 'patch', 'pods/status', 'x', 'shop'],
    ['ambit-cni', 'create', 'events@events.k8s.io', '', 'shop'],
    ['ambit-cni', 'watch', 'egresspolicies@ambit.dev', '', 'shop'],
    ['ambit-cni', 'watch', 'daemonsets@apps', 'ambit-cni'],
  ];
  for (const [account, verb, what, name = '', namespace = NAMESPACE] of accounts) {
    test(`${account} may ${verb} ${what} ${name} in ${namespace}`, async () => {
      assert.equal(await may(account, verb, what, name, namespace), true);
    });
  }

  const strangers: readonly (readonly [string, string, string, string?, string?])[] = [
    ['ambit-controller', 'get', 'secrets', 'x', 'shop'],
    ['ambit-controller', 'get', 'secrets', 'other'],
    ['ambit-controller', 'list', 'secrets'],
    ['ambit-controller', 'delete', 'pods', 'x', 'shop'],
    ['ambit-controller', 'delete', 'deployments@apps', 'x', 'shop'],
    ['ambit-controller', 'delete', 'services', 'x', 'shop'],
    ['ambit-controller', 'patch', 'gateways@gateway.networking.k8s.io', 'wp', 'shop'],
    ['ambit-controller', 'patch', 'gatewayclasses/status@gateway.networking.k8s.io', 'other', ''],
    ['ambit-controller', 'patch', 'daemonsets@apps', 'x', 'shop'],
    ['ambit-controller', 'create', 'pods', '', 'shop'],
    ['ambit-controller', 'update', 'accesspolicies@ambit.dev', 'x', 'shop'],
    ['ambit-controller', 'patch', 'validatingwebhookconfigurations@admissionregistration.k8s.io', 'other', ''],
    ['ambit-controller', 'patch', 'clusterroles@rbac.authorization.k8s.io', 'ambit-controller', ''],
    ['ambit-controller', 'patch', 'events@events.k8s.io', 'x', 'shop'],
    ['ambit-controller', 'get', 'events@events.k8s.io', 'x', 'shop'],
    ['ambit-cni', 'patch', 'pods', 'x', 'shop'],
    ['ambit-cni', 'patch', 'egresspolicies@ambit.dev', 'x', 'shop'],
    ['ambit-cni', 'get', 'secrets', 'ambit-ca-root'],
    ['ambit-cni', 'patch', 'nodes', 'n1'],
    ['ambit-cni', 'delete', 'daemonsets@apps', 'ambit-cni'],
    ['ambit-node-agent', 'get', 'pods', 'x', 'shop'],
    ['ambit-node-agent', 'get', 'secrets', 'ambit-ca-root'],
    ['ambit-node-agent', 'get', 'configmaps', 'ambit-ca-root-cert'],
  ];
  for (const [account, verb, what, name = '', namespace = NAMESPACE] of strangers) {
    test(`${account} may not ${verb} ${what} ${name} in ${namespace}`, async () => {
      assert.equal(await may(account, verb, what, name, namespace), false);
    });
  }

  test('an upgrade leaves the caBundle that the controller wrote, and brings the definitions up to date', async () => {
    const caBundle = Buffer.from(api.admin.caPem).toString('base64');
    const patch = [{ op: 'add', path: '/webhooks/0/clientConfig/caBundle', value: caBundle }];
    await api.request('PATCH', WEBHOOK, patch, 'application/json-patch+json');
    const foreign = { metadata: { labels: { 'app.kubernetes.io/part-of': 'somebody' } } };
    await api.request('PATCH', `${CRDS}/accesspolicies.ambit.dev`, foreign, 'application/merge-patch+json');
    helmed('upgrade', 'ambit', CHART, '--namespace', NAMESPACE, '--set', 'controller.admission.failurePolicy=Fail');
    const { webhooks } = (await api.request('GET', WEBHOOK)) as {
      readonly webhooks: readonly {
        readonly failurePolicy: string;
        readonly clientConfig: { readonly caBundle?: string };
      }[];
    };
    assert.deepEqual(
      webhooks.map(({ failurePolicy, clientConfig }) => [failurePolicy, clientConfig.caBundle]),
      [['Fail', caBundle]],
    );
    const definition = (await api.request('GET', `${CRDS}/accesspolicies.ambit.dev`)) as {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    };
    assert.equal(definition.metadata.labels['app.kubernetes.io/part-of'], 'ambit');
  });

  test('the class of waypoints comes with the first upgrade after the definitions of Gateway API', async () => {
    const path = '/apis/gateway.networking.k8s.io/v1/gatewayclasses/ambit-waypoint';
    await installGatewayApi(api);
    assert.equal((await api.call('GET', path)).status, 404);
    helmed('upgrade', 'ambit', CHART, '--namespace', NAMESPACE, '--reuse-values');
    const { spec } = (await api.request('GET', path)) as { readonly spec: { readonly controllerName: string } };
    assert.equal(spec.controllerName, CONTROLLER_NAME);
  });

  test('uninstalled, only the definitions stay, with the policies, and the same release takes them over again', async () => {
    // No controller answers here: a webhook that must be asked would refuse the policy.
    helmed('upgrade', 'ambit', CHART, '--namespace', NAMESPACE, '--reset-values');
    const policies = '/apis/ambit.dev/v1alpha1/namespaces/default/accesspolicies';
    await api.request('POST', policies, {
      ...{ apiVersion: 'ambit.dev/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'kept' } },
      spec: { action: 'Deny', rules: [{ from: [{ namespaces: ['x'] }] }] },
    });
    helmed('uninstall', 'ambit', '--namespace', NAMESPACE, '--no-hooks');
    const left = await Promise.all(
      [
        `${CRDS}?labelSelector=app.kubernetes.io/part-of%3Dambit`,
        ...['clusterroles', 'clusterrolebindings'].map((each) => {
          return `/apis/rbac.authorization.k8s.io/v1/${each}?labelSelector=app.kubernetes.io/part-of%3Dambit`;
        }),
        '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
        `${DAEMON_SETS}`,
        `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`,
        `/api/v1/namespaces/${NAMESPACE}/services`,
      ].map(async (path) => {
        const { items } = (await api.request('GET', path)) as Listed<{ readonly metadata: { readonly name: string } }>;
        return items.map(({ metadata }) => metadata.name);
      }),
    );
    const kinds = [
      'accesspolicies.ambit.dev',
      'egresspolicies.ambit.dev',
      'externalservices.ambit.dev',
      'externalworkloads.ambit.dev',
      'mutualtlspolicies.ambit.dev',
    ];
    assert.deepEqual(left, [kinds, [], [], [], [], [], []]);
    helmed(...install());
    const { items } = (await api.request('GET', policies)) as Listed<{ readonly metadata: { readonly name: string } }>;
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ['kept'],
    );
  });
});
