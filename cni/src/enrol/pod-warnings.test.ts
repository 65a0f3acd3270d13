import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Namespace, parseObject, type Pod } from '@ambit/mesh/kinds';
import { silentLogger } from '@ambit/mesh/runtime';
import { decidePodWarnings } from './decide-pod-warnings.ts';
import { PodWarnings } from './pod-warnings.ts';

const AMBIENT = { 'ambit.dev/mode': 'ambient' };
const DROPPED = { capabilities: { drop: ['ALL'] } };

interface PodText {
  readonly name?: string;
  readonly labels?: object;
  readonly annotations?: object;
  readonly hostNetwork?: boolean;
  readonly securityContext?: object;
  readonly namespace?: string;
}

function pod(more: PodText = {}): Pod {
  const { name = 'cart', namespace: inside = 'shop', labels, annotations, hostNetwork, securityContext } = more;
  const parsed = parseObject({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: inside, labels, annotations },
    spec: { hostNetwork, containers: [{ securityContext: securityContext ?? DROPPED }] },
  });
  return parsed?.kind === 'Pod' ? parsed : assert.fail();
}

function namespace(labels: object = AMBIENT, annotations: object = {}): Namespace {
  const metadata = { name: 'shop', labels, annotations };
  const parsed = parseObject({ apiVersion: 'v1', kind: 'Namespace', metadata });
  return parsed?.kind === 'Namespace' ? parsed : assert.fail();
}

const inbound = (text: string): object => ({ 'ambit.dev/exclude-inbound-ports': text });

const cases: readonly (readonly [string, Pod, Namespace, readonly string[]])[] = [
  ['nothing of a pod that is as it should be', pod(), namespace(), []],
  ['nothing of a pod outside the mesh', pod({ securityContext: { privileged: true } }), namespace({}), []],
  ['nothing of a pod on the host network that does not ask', pod({ hostNetwork: true }), namespace(), []],
  [
    'that a pod on the host network is not captured',
    pod({ hostNetwork: true, labels: AMBIENT }),
    namespace(),
    ['NotCaptured: The pod is not in the mesh although it is labelled so: it is on the network of its host.'],
  ],
  [
    'that a pod of an excluded namespace is not captured',
    pod({ namespace: 'kube-system', labels: AMBIENT }),
    namespace(),
    ['NotCaptured: The pod is not in the mesh although it is labelled so: its namespace is excluded.'],
  ],
  [
    'which ports policies do not hold for',
    pod({ annotations: inbound('9100,8000-8010') }),
    namespace(),
    [
      'InboundPortsExcluded: Whoever calls these ports in plaintext passes the node agent by, and all policies with it: 8000-8010, 9100.',
    ],
  ],
  [
    'which annotation cannot be read',
    pod(),
    namespace(AMBIENT, inbound('metrics')),
    [
      'ExclusionRefused: Annotation ambit.dev/exclude-inbound-ports of the namespace excludes nothing: "metrics" is no port and no range such as 6000-6010.',
    ],
  ],
  [
    'rights by which capture can be evaded',
    pod({ securityContext: { capabilities: { add: ['NET_ADMIN'] } } }),
    namespace(),
    ['CaptureEvadable: Programs with these rights can get past the mesh: NET_ADMIN.'],
  ],
  [
    'rights that runtimes give by themselves',
    pod({ securityContext: {} }),
    namespace(),
    [
      'CaptureEvadableByDefault: Programs of root can get past the mesh by NET_RAW, which container runtimes give by default: drop it.',
    ],
  ],
];

for (const [what, subject, around, expected] of cases) {
  test(`decidePodWarnings() tells ${what}`, () =>
    assert.deepEqual(
      decidePodWarnings(subject, around, ['kube-system']).map(({ reason, note }) => `${reason}: ${note}`),
      expected,
    ));
}

test('PodWarnings says each once for as long as it holds, counts all, and keeps quiet of defaults', () => {
  const said: string[] = [];
  const warnings = new PodWarnings({
    excludedNamespaces: [],
    logger: silentLogger,
    onWarning: ({ name }, { reason }) => void said.push(`${name} ${reason}`),
  });
  const update = (...pods: readonly Pod[]): readonly string[] => {
    warnings.update(pods, new Map([['shop', namespace()]]));
    return said.splice(0);
  };
  const open = pod({ annotations: inbound('9100') });
  const usual = pod({ name: 'usual', securityContext: {} });
  assert.deepEqual(update(open, usual), ['cart InboundPortsExcluded']);
  const counted = (): object =>
    Object.fromEntries(warnings.counts().map(({ labels, value }) => [labels.join(), value]));
  const none = { NotCaptured: 0, ExclusionRefused: 0, CaptureEvadable: 0 };
  assert.deepEqual(counted(), { ...none, InboundPortsExcluded: 1, CaptureEvadableByDefault: 1 });
  assert.deepEqual(update(open, usual), []);
  assert.deepEqual(update(pod({ annotations: inbound('9101') })), ['cart InboundPortsExcluded']);
  assert.deepEqual(update(pod()), []);
  assert.deepEqual([warnings.of('shop/cart'), update(open)], [[], ['cart InboundPortsExcluded']]);
  assert.equal(warnings.of('shop/cart').length, 1);
});
