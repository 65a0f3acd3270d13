import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MeshViewUpdate } from '../model/mesh-view.ts';
import { buildPolicy } from '../testing/policy-builder.ts';
import { buildService } from '../testing/service-builder.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryResource,
  type DiscoveryResponse,
} from '../wire/discovery-messages.ts';
import { encodePushedObject } from '../wire/model-to-push.ts';
import type { PushedObject } from '../wire/push-resource.ts';
import { type ReadResponse, Subscription } from './subscription.ts';

const NODE = { id: 'node', cluster: '', metadata: {} };
const WEB: PushedObject = { kind: 'workload', workload: buildWorkload() };
const DB: PushedObject = { kind: 'workload', workload: buildWorkload({ name: 'db', addresses: ['10.0.0.2'] }) };
const SERVICE: PushedObject = { kind: 'service', service: buildService() };
const NOTHING: MeshViewUpdate = {
  workloads: [],
  services: [],
  policies: [],
  removedWorkloads: [],
  removedServices: [],
  removedPolicies: [],
};

function resource(object: PushedObject, version: string): DiscoveryResource {
  return { ...encodePushedObject(object), version };
}
/** Under the right name and type, but with bytes that are no message. */
function broken(object: PushedObject, version: string): DiscoveryResource {
  return { ...resource(object, version), value: Uint8Array.of(0xff) };
}
function response(parts: Partial<DiscoveryResponse>): DiscoveryResponse {
  return { typeUrl: ADDRESS_TYPE_URL, nonce: 'n1', systemVersion: '', resources: [], removedResources: [], ...parts };
}
/** Reads and commits, as a client whose update was applied. */
function take(subscription: Subscription, parts: Partial<DiscoveryResponse>): ReadResponse {
  const read = subscription.read(response(parts));
  subscription.commit(read);
  return read;
}
const versions = (subscription: Subscription): unknown =>
  Object.fromEntries(subscription.openRequest(NODE).initialResourceVersions);

describe('Subscription', () => {
  test('asks for everything, and at first holds nothing', () => {
    assert.deepEqual(new Subscription(ADDRESS_TYPE_URL).openRequest(NODE), {
      typeUrl: ADDRESS_TYPE_URL,
      node: NODE,
      subscribe: [],
      unsubscribe: [],
      initialResourceVersions: new Map(),
      responseNonce: '',
    });
  });

  test('turns a response into one update and acknowledges it by its nonce', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    const read = subscription.read(response({ resources: [resource(WEB, '1'), resource(SERVICE, '2')] }));
    assert.deepEqual(read.update, { ...NOTHING, workloads: [buildWorkload()], services: [buildService()] });
    assert.deepEqual([read.isEmpty, read.refused], [false, []]);
    assert.equal(subscription.isAcknowledged, false);
    assert.deepEqual(subscription.commit(read), {
      typeUrl: ADDRESS_TYPE_URL,
      subscribe: [],
      unsubscribe: [],
      initialResourceVersions: new Map(),
      responseNonce: 'n1',
    });
    assert.equal(subscription.isAcknowledged, true);
    assert.equal(subscription.resourceCount, 2);
  });

  test('turns policies into updates too', () => {
    const subscription = new Subscription(AUTHORIZATION_TYPE_URL);
    const policy = buildPolicy();
    const typeUrl = AUTHORIZATION_TYPE_URL;
    const added = take(subscription, { typeUrl, resources: [resource({ kind: 'policy', policy }, '1')] });
    assert.deepEqual(added.update, { ...NOTHING, policies: [policy] });
    const gone = take(subscription, { typeUrl, removedResources: [policy.key] });
    assert.deepEqual(gone.update, { ...NOTHING, removedPolicies: [policy.key] });
  });

  test('acknowledges an empty response, which changes nothing', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    const read = take(subscription, {});
    assert.deepEqual([read.isEmpty, read.update, subscription.isAcknowledged], [true, NOTHING, true]);
  });

  test('names what it holds, with versions, when a stream opens again', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    take(subscription, { resources: [resource(WEB, '1'), resource(SERVICE, '2')] });
    take(subscription, { resources: [resource(WEB, '3')] });
    assert.deepEqual(versions(subscription), {
      'cluster-1//Pod/shop/web': '3',
      'shop/web.shop.svc.cluster.local': '2',
    });
  });

  test('holds nothing of a response that was read but not committed', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    subscription.read(response({ resources: [resource(WEB, '1')] }));
    assert.deepEqual(versions(subscription), {});
  });

  test('removes by name what it holds, by its kind, and ignores other names', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    take(subscription, { resources: [resource(WEB, '1'), resource(DB, '1'), resource(SERVICE, '1')] });
    const removedResources = ['cluster-1//Pod/shop/web', 'shop/web.shop.svc.cluster.local', 'never/heard'];
    const read = take(subscription, { removedResources });
    assert.deepEqual(read.update, {
      ...NOTHING,
      removedWorkloads: ['cluster-1//Pod/shop/web'],
      removedServices: ['shop/web.shop.svc.cluster.local'],
    });
    assert.deepEqual(versions(subscription), { 'cluster-1//Pod/shop/db': '1' });
    assert.equal(take(subscription, { removedResources }).isEmpty, true);
  });

  test('keeps what is removed and pushed in one response', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    take(subscription, { resources: [resource(WEB, '1')] });
    const read = take(subscription, { resources: [resource(WEB, '2')], removedResources: ['cluster-1//Pod/shop/web'] });
    assert.deepEqual(read.update.workloads, [buildWorkload()]);
    assert.deepEqual(versions(subscription), { 'cluster-1//Pod/shop/web': '2' });
  });

  test('removes the workload when a service takes over its name', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    const workload = buildWorkload({ uid: 'shop/x' });
    const service = buildService({ hostname: 'x' });
    take(subscription, { resources: [resource({ kind: 'workload', workload }, '1')] });
    const swapped = take(subscription, { resources: [resource({ kind: 'service', service }, '2')] });
    assert.deepEqual(swapped.update, { ...NOTHING, services: [service], removedWorkloads: ['shop/x'] });
    const back = take(subscription, { resources: [resource({ kind: 'workload', workload }, '3')] });
    assert.deepEqual(back.update, { ...NOTHING, workloads: [workload], removedServices: ['shop/x'] });
    const both = [resource({ kind: 'workload', workload }, '3'), resource({ kind: 'service', service }, '4')];
    const read = new Subscription(ADDRESS_TYPE_URL).read(response({ resources: both }));
    assert.deepEqual(read.update, { ...NOTHING, services: [service], removedWorkloads: ['shop/x'] });
    const reversed = new Subscription(ADDRESS_TYPE_URL).read(response({ resources: both.toReversed() }));
    assert.deepEqual(reversed.update, { ...NOTHING, workloads: [workload], removedServices: ['shop/x'] });
  });

  test('sees a change in every single addition and removal', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    const names = ['cluster-1//Pod/shop/web', 'shop/web.shop.svc.cluster.local'];
    const steps: Partial<DiscoveryResponse>[] = [
      { resources: [resource(WEB, '1')] },
      { resources: [resource(SERVICE, '1')] },
      ...names.map((name) => ({ removedResources: [name] })),
      ...names.map((name) => ({ removedResources: [name] })),
    ];
    assert.deepEqual(
      steps.map((parts) => take(subscription, parts).isEmpty),
      [false, false, false, false, true, true],
    );
  });

  test('refuses new resources beyond its bound, and still takes changes of those it holds', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL, 2);
    take(subscription, { resources: [resource(WEB, '1')] });
    const read = take(subscription, { resources: [resource(DB, '1'), resource(SERVICE, '1'), resource(WEB, '2')] });
    assert.deepEqual(read.refused, [
      { name: 'shop/web.shop.svc.cluster.local', version: '1', reason: 'over-limit: resources: more than 2 held' },
    ]);
    assert.deepEqual(versions(subscription), { 'cluster-1//Pod/shop/web': '2', 'cluster-1//Pod/shop/db': '1' });
  });

  test('refuses a bad resource with its name and reason, and applies the good ones', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    const read = subscription.read(response({ resources: [broken(WEB, '1'), resource(DB, '1')] }));
    assert.deepEqual(read.update.workloads, [buildWorkload({ name: 'db', addresses: ['10.0.0.2'] })]);
    const request = subscription.commit(read);
    assert.deepEqual(
      [request.responseNonce, request.errorDetail],
      [
        'n1',
        {
          code: 3,
          message: 'cluster-1//Pod/shop/web: malformed: Address: not the bytes of this message',
          refusedNames: ['cluster-1//Pod/shop/web'],
        },
      ],
    );
    assert.deepEqual(versions(subscription), { 'cluster-1//Pod/shop/db': '1' });
    assert.deepEqual(subscription.refused, [
      {
        name: 'cluster-1//Pod/shop/web',
        version: '1',
        reason: 'malformed: Address: not the bytes of this message',
      },
    ]);
  });

  test('keeps the earlier version, and says so, when the later one is refused', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    take(subscription, { resources: [resource(WEB, '1')] });
    const read = take(subscription, { resources: [broken(WEB, '2')] });
    assert.equal(read.isEmpty, true);
    assert.deepEqual(versions(subscription), { 'cluster-1//Pod/shop/web': '1' });
  });

  test('forgets a refusal once a good version or a removal came', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    take(subscription, { resources: [broken(WEB, '1'), broken(DB, '1')] });
    take(subscription, { resources: [resource(WEB, '2')] });
    take(subscription, { removedResources: ['cluster-1//Pod/shop/db'] });
    assert.deepEqual(subscription.refused, []);
  });

  test('refuses a resource of another type than that of its response', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    const policy = resource({ kind: 'policy', policy: buildPolicy() }, '1');
    const read = take(subscription, { resources: [policy] });
    assert.equal(read.isEmpty, true);
    assert.deepEqual(
      read.refused.map(({ reason }) => reason),
      ['invalid-field: resource.type_url: not that of the response'],
    );
  });

  test('bounds what it says and remembers of refusals', () => {
    const subscription = new Subscription(ADDRESS_TYPE_URL);
    const resources = Array.from({ length: 1500 }, (_, i) => ({ ...broken(WEB, '1'), name: `w${i}` }));
    const read = subscription.read(response({ resources }));
    assert.equal(subscription.commit(read).errorDetail?.message.length, 4096);
    assert.equal(subscription.refused.length, 1000);
    // What is remembered already is remembered as it was pushed last.
    take(subscription, { resources: [{ ...broken(WEB, '2'), name: 'w0' }] });
    assert.deepEqual([subscription.refused[0]?.version, subscription.refused.length], ['2', 1000]);
  });

  test('refuses names and versions without end, and keeps little of them', () => {
    const subscription = new Subscription(AUTHORIZATION_TYPE_URL);
    const long = 'n'.repeat(100_000);
    take(subscription, {
      typeUrl: AUTHORIZATION_TYPE_URL,
      resources: [
        { ...broken({ kind: 'policy', policy: buildPolicy() }, '1'), name: long },
        { ...resource({ kind: 'policy', policy: buildPolicy() }, long) },
      ],
    });
    for (const { name, version, reason } of subscription.refused) {
      assert.ok(name.length + version.length <= 2 * 1024);
      assert.match(reason, /over-limit: resource\.(?:name|version): more than 1024 characters/);
    }
    // Nothing would deny where a policy without a name holds; where one has a name that can be, its stand-in does.
    assert.deepEqual([subscription.refused.length, subscription.resourceCount], [2, 1]);
  });
});
