import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseObject } from './parse-object.ts';

function risks(spec: object): readonly string[] {
  const pod = parseObject({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'shop' }, spec });
  return pod?.kind === 'Pod' ? pod.captureRisks : assert.fail();
}

const container = (securityContext?: object, list = 'containers'): object => ({ [list]: [{ securityContext }] });
const capabilities = (add: readonly string[], drop: readonly string[] = ['ALL']): object => ({
  capabilities: { add, drop },
});

const cases: readonly (readonly [string, object, readonly string[]])[] = [
  ['no containers', {}, []],
  ['a container that says nothing', container(), ['default-NET_RAW']],
  ['everything dropped', container(capabilities([])), []],
  ['NET_RAW dropped', container(capabilities([], ['NET_RAW'])), []],
  ['another dropped', container(capabilities([], ['CHOWN'])), ['default-NET_RAW']],
  ['no root', container({ runAsNonRoot: true }), []],
  ['no root in the whole pod', { ...container(), securityContext: { runAsUser: 1000 } }, []],
  [
    'root here though not in the pod',
    { ...container({ runAsUser: 0 }), securityContext: { runAsNonRoot: true } },
    ['default-NET_RAW'],
  ],
  [
    'added, in either spelling',
    container(capabilities(['CAP_NET_ADMIN', 'NET_RAW', 'NET_BIND_SERVICE'])),
    ['NET_ADMIN', 'NET_RAW'],
  ],
  ['all added', container(capabilities(['ALL'])), ['SYS_ADMIN', 'NET_ADMIN', 'NET_RAW']],
  ['privileged', container({ privileged: true, ...capabilities(['NET_ADMIN']) }), ['privileged']],
  ['an init container', container(capabilities(['sys_admin']), 'initContainers'), ['SYS_ADMIN']],
  ['one added later', container({ privileged: true }, 'ephemeralContainers'), ['privileged']],
];

for (const [what, spec, expected] of cases)
  test(`parseCaptureRisks() reads ${what}`, () => assert.deepEqual(risks(spec), expected));
