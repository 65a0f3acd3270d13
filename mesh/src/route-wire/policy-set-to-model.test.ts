import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { parseObject } from '../kinds/parse-object.ts';
import { requestPolicyOf } from '../kinds/request-policy.ts';
import type { RequestPolicy } from '../model/access-policy.ts';
import { GOOD_SPECS } from '../testing/kind-examples.ts';
import { takenWhenMangled, wireRefusal } from '../testing/wire-refusal.ts';
import type { DiscoveryResource } from '../wire/discovery-messages.ts';
import * as pb from '../wire/gen/ambit/waypoint/v1/policies_pb.ts';
import type { PolicySet } from '../policies/policy-set.ts';
import { encodePolicySet } from './encode-policy-set.ts';
import { parsePolicySet } from './policy-set-to-model.ts';

/** What the examples of the kind say between them, which is every field. */
const POLICIES: readonly RequestPolicy[] = (GOOD_SPECS['AccessPolicy'] ?? []).map((spec, index) => {
  const metadata = { name: `p${index}`, namespace: 'shop' };
  const object = parseObject({ apiVersion: 'ambit.dev/v1alpha1', kind: 'AccessPolicy', metadata, spec });
  return object?.kind === 'AccessPolicy' ? requestPolicyOf(object) : assert.fail();
});
const SET: PolicySet = {
  name: 'service/shop/web.shop.svc.cluster.local',
  includes: ['mesh', 'namespace/shop', 'gateway/shop/wp'],
  policies: POLICIES,
};
const RESOURCE: DiscoveryResource = { ...encodePolicySet(SET), version: '1' };

/** The example with `edit` applied to its message. */
function edited(edit: (message: pb.PolicySet) => void): DiscoveryResource {
  const message = fromBinary(pb.PolicySetSchema, RESOURCE.value);
  edit(message);
  return { ...RESOURCE, value: toBinary(pb.PolicySetSchema, message) };
}

const present = <T>(value: T | undefined): T => value ?? assert.fail('the example lacks it');
const policyOf = (message: pb.PolicySet): pb.Policy => present(message.policies[0]);
const clausesOf = (message: pb.PolicySet): pb.PolicyClause[] => present(policyOf(message).rules[0]).clauses;
const fromOf = (message: pb.PolicySet): pb.PolicyMatch => present(clausesOf(message)[0]?.matches[0]);
const toOf = (message: pb.PolicySet): pb.PolicyMatch => present(clausesOf(message)[1]?.matches[0]);

const POLICY = 'policy_set.policies[0]';
const FROM = `${POLICY}.rules[0].clauses[0].matches[0]`;
const TO = `${POLICY}.rules[0].clauses[1].matches[0]`;

test('parsePolicySet() gives what was encoded, and that encodes to the same bytes', () => {
  const read = parsePolicySet(RESOURCE);
  assert.deepEqual(read, SET);
  assert.deepEqual({ ...encodePolicySet(read), version: '1' }, RESOURCE);
  for (const name of ['mesh', 'namespace/shop', 'gateway/shop/wp', 'workload/Kubernetes//Pod/shop/web-1'] as const) {
    const set = { name, includes: [], policies: [] };
    assert.deepEqual(parsePolicySet({ ...encodePolicySet(set), version: '1' }), set);
  }
});

test('parsePolicySet() refuses what is not right in every field, and names it', () => {
  const empty = create(pb.TextConditionSchema);
  const table: readonly (readonly [refusal: string, edit: (message: pb.PolicySet) => void])[] = [
    ['invalid-field policy_set.name', (m) => void (m.name = '')],
    ['invalid-field policy_set.name', (m) => void (m.name = 'pod/shop/web')],
    ['invalid-field resource.name', (m) => void (m.name = 'mesh')],
    ['invalid-field policy_set.includes[0]', (m) => void (m.includes = ['gateway/wp'])],
    ['over-limit policy_set.includes', (m) => void (m.includes = Array.from({ length: 17 }, () => 'mesh'))],
    ['invalid-field policy_set.policies', (m) => void m.policies.push(policyOf(m))],
    [`invalid-field ${POLICY}.namespace`, (m) => void (policyOf(m).namespace = '')],
    [`invalid-field ${POLICY}.name`, (m) => void (policyOf(m).name = 'a/b')],
    [`unknown-enum-value ${POLICY}.action`, (m) => void (policyOf(m).action = 0)],
    [`invalid-field ${POLICY}.rules[0].clauses[0].matches`, (m) => void (present(clausesOf(m)[0]).matches = [])],
    [`over-limit ${POLICY}.rules[0].clauses`, (m) => void clausesOf(m).push(present(clausesOf(m)[0]))],
    [FROM, (m) => void (present(clausesOf(m)[0]).matches = [create(pb.PolicyMatchSchema)])],
    [`${FROM}.principals`, (m) => void (fromOf(m).principals = empty)],
    [`${FROM}.principals.any[0]`, (m) => void (present(fromOf(m).principals?.any[0]).kind = { case: undefined })],
    [
      `${FROM}.principals.any[0]`,
      (m) => void (present(fromOf(m).principals?.any[0]).kind = { case: 'presence', value: false }),
    ],
    [
      `${FROM}.namespaces.none[0]`,
      (m) => void (present(fromOf(m).namespaces?.none[0]).kind = { case: 'prefix', value: '' }),
    ],
    [`${FROM}.service_accounts.any[0]`, (m) => void (present(fromOf(m).serviceAccounts).any = ['checkout'])],
    [`${FROM}.service_accounts.any[0]`, (m) => void (present(fromOf(m).serviceAccounts).any = ['a/b/c'])],
    [`${FROM}.source_ips.any[0]`, (m) => void (present(fromOf(m).sourceIps).any = ['10.0.0.0/33'])],
    [`${FROM}.source_ips.any[0]`, (m) => void (present(fromOf(m).sourceIps).any = ['10.0.0.1/8'])],
    [`${TO}.destination_ports.none[0]`, (m) => void (present(toOf(m).destinationPorts).none = [0])],
    [`${TO}.methods.any[0]`, (m) => void (present(toOf(m).methods).any = ['get'])],
    [`${TO}.paths.any[0]`, (m) => void (present(toOf(m).paths).any = ['/a/../b'])],
    [`${TO}.hosts`, (m) => void (toOf(m).hosts = empty)],
    [`${TO}.headers[0].name`, (m) => void (present(toOf(m).headers[0]).name = 'X')],
    [`${TO}.headers[0].values`, (m) => delete present(toOf(m).headers[0]).values],
    [TO, (m) => void (toOf(m).$unknown = [{ no: 99, wireType: 0, data: Uint8Array.of(1) }])],
  ];
  for (const [refusal, edit] of table) {
    const expected = refusal.includes(' ') ? refusal : `invalid-field ${refusal}`;
    assert.equal(
      wireRefusal(() => parsePolicySet(edited(edit))),
      expected,
    );
  }
  const other = { ...RESOURCE, typeUrl: 'type.googleapis.com/other' };
  assert.equal(
    wireRefusal(() => parsePolicySet(other)),
    'invalid-field resource.type_url',
  );
});

test('parsePolicySet() throws WireError alone, whatever bytes it is given', () => {
  const taken = takenWhenMangled(RESOURCE, parsePolicySet);
  assert.ok(taken < 1_500, `most edits break something, but ${taken} were taken`);
});
