import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseObject } from '@ambit/mesh/kinds';
import { unservedSettings } from './unserved-settings.ts';

/** The places of what is not served in a route with this rule and parent. */
function fieldsOf(rule: object, parent: object = {}): readonly string[] {
  const route = parseObject({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'r', namespace: 'shop' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'db', ...parent }],
      rules: [{ backendRefs: [{ name: 'db', port: 80 }] }, rule],
    },
  });
  assert.equal(route?.kind, 'HTTPRoute');
  return route.kind === 'HTTPRoute' ? unservedSettings(route).map(({ field }) => field) : [];
}

const mirror = { type: 'RequestMirror', requestMirror: { backendRef: { name: 'copy', port: 80 } } };
const to = (filters: readonly object[]): object => ({ backendRefs: [{ name: 'db', port: 80, filters }] });

for (const [name, rule, expected] of [
  ['a rule with matches and backends', to([]), []],
  ['a timeout of the request', { timeouts: { request: '1s' } }, []],
  ['a timeout of the backend', { timeouts: { backendRequest: '1s' } }, []],
  ['retries', { retry: { codes: [503] } }, []],
  ['sessions, which are acted upon', { sessionPersistence: { sessionName: 's' } }, []],
  ['a mirror', { filters: [mirror] }, []],
  ['a mirror of a backend', to([mirror]), []],
  ['a rule that is not in force', { filters: [{ type: 'New' }] }, ['spec.rules[1]']],
] as const) {
  test(`unservedSettings() of ${name}`, () => assert.deepEqual(fieldsOf(rule), expected));
}

test('unservedSettings() of parents', () => {
  assert.deepEqual(fieldsOf({}, { port: 80 }), []);
  assert.deepEqual(fieldsOf({}, { sectionName: 'http' }), ['spec.parentRefs[0].sectionName']);
  assert.deepEqual(fieldsOf({}, { group: 'gateway.networking.k8s.io' }), ['spec.parentRefs[0].group']);
  const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway' };
  assert.deepEqual(fieldsOf({}, gateway), ['spec.parentRefs[0].kind']);
});
