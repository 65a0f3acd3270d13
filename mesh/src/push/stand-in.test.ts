import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { parseIpAddress } from '../model/address.ts';
import { authorize } from '../model/authorize.ts';
import { createMeshViewStore } from '../model/mesh-view-store.ts';
import { buildPolicy } from '../testing/policy-builder.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryResource,
  type DiscoveryResponse,
} from '../wire/discovery-messages.ts';
import { AuthorizationSchema } from '../wire/gen/istio/security/authorization_pb.ts';
import { encodePushedObject } from '../wire/model-to-push.ts';
import { Subscription } from './subscription.ts';

type Authorization = MessageInitShape<typeof AuthorizationSchema>;

const GARBAGE = Uint8Array.of(0xff);
const [MESH, NAMESPACE, WORKLOAD] = [0, 1, 2] as const;
const NODE = { id: 'node', cluster: '', metadata: {} };

/** An agent's policies, as decisions see them. */
class World {
  readonly subscription: Subscription;
  readonly #store = createMeshViewStore();

  constructor(resourcesMax?: number) {
    this.subscription = new Subscription(AUTHORIZATION_TYPE_URL, resourcesMax);
  }

  take(parts: Partial<DiscoveryResponse>): void {
    const read = this.subscription.read({
      typeUrl: AUTHORIZATION_TYPE_URL,
      nonce: 'n',
      systemVersion: '',
      resources: [],
      removedResources: [],
      ...parts,
    });
    this.#store.apply(read.update);
    this.subscription.commit(read);
  }

  /** In the named namespaces, what becomes of a connection of either family. */
  verdicts(...namespaces: readonly string[]): readonly string[] {
    return namespaces.map((namespace) => {
      const effective = this.#store.view.policiesFor(buildWorkload({ namespace }));
      const [v4, v6] = ['10.0.0.9', 'fd00::9'].map((text) => {
        const ip = parseIpAddress(text);
        return authorize({ sourceIp: ip, destinationIp: ip, destinationPort: 80 }, effective).verdict;
      });
      return v4 === v6 ? (v4 ?? '') : 'mixed';
    });
  }

  get versionsToldOnReconnect(): unknown {
    return Object.fromEntries(this.subscription.openRequest(NODE).initialResourceVersions);
  }
}

function pushed(name: string, value: Uint8Array, version = '1'): DiscoveryResource {
  return { name, aliases: [], version, typeUrl: AUTHORIZATION_TYPE_URL, value };
}
/** Reads as a message, but no policy: action 9 is none. */
function unusable(init: Authorization, name = `${init.namespace ?? ''}/${init.name ?? ''}`): DiscoveryResource {
  return pushed(name, toBinary(AuthorizationSchema, create(AuthorizationSchema, { action: 9 as never, ...init })));
}
const readable = { ...encodePushedObject({ kind: 'policy', policy: buildPolicy({ name: 'p', match: [{}] }) }) };
const p = { namespace: 'shop', name: 'p' };

describe('a policy that was never readable', () => {
  const table: readonly [name: string, resource: DiscoveryResource, shopOtherRoot: readonly string[]][] = [
    ['bytes of no message deny in the namespace of its name', pushed('shop/p', GARBAGE), ['deny', 'allow', 'allow']],
    [
      'no bytes at all deny in the namespace of its name',
      pushed('shop/p', new Uint8Array()),
      ['deny', 'allow', 'allow'],
    ],
    ['a name without namespace denies in the mesh', pushed('/p', GARBAGE), ['deny', 'deny', 'deny']],
    ['scope namespace denies there', unusable({ ...p, scope: NAMESPACE }), ['deny', 'allow', 'allow']],
    ['scope mesh denies everywhere', unusable({ ...p, namespace: 'root', scope: MESH }), ['deny', 'deny', 'deny']],
    ['an unknown scope denies in its namespace', unusable({ ...p, scope: 7 as never }), ['deny', 'allow', 'allow']],
    [
      'a scope under another name is not believed',
      unusable({ name: 'q', scope: MESH }, 'shop/p'),
      ['deny', 'allow', 'allow'],
    ],
    ['scope workload denies nothing by itself', unusable({ ...p, scope: WORKLOAD }), ['allow', 'allow', 'allow']],
    ['a dry run denies nothing', unusable({ ...p, scope: NAMESPACE, dryRun: true }), ['allow', 'allow', 'allow']],
    ['a name that is none denies nothing', pushed('p', GARBAGE), ['allow', 'allow', 'allow']],
    [
      'another type denies in the namespace of its name',
      { ...unusable({ ...p, scope: MESH }), typeUrl: ADDRESS_TYPE_URL },
      ['deny', 'allow', 'allow'],
    ],
  ];
  for (const [name, resource, expected] of table) {
    test(name, () => {
      const world = new World();
      world.take({ resources: [resource] });
      assert.deepEqual(world.verdicts('shop', 'other', 'root'), expected);
    });
  }

  test('denies until a readable version comes', () => {
    const world = new World();
    world.take({ resources: [pushed('shop/p', GARBAGE)] });
    assert.deepEqual(
      [world.subscription.standInCount, world.subscription.refused],
      [
        1,
        [
          {
            name: 'shop/p',
            version: '1',
            reason: 'malformed: Authorization: not the bytes of this message',
            denies: 'namespace',
          },
        ],
      ],
    );
    world.take({ resources: [{ ...readable, version: '2' }] });
    assert.deepEqual([world.subscription.standInCount, world.subscription.refused], [0, []]);
    assert.deepEqual(world.versionsToldOnReconnect, { 'shop/p': '2' });
  });

  test('denies until it is removed', () => {
    const world = new World();
    world.take({ resources: [pushed('shop/p', GARBAGE)] });
    world.take({ removedResources: ['shop/p'] });
    assert.deepEqual(
      [world.verdicts('shop'), world.subscription.standInCount, world.versionsToldOnReconnect],
      [['allow'], 0, {}],
    );
  });

  test('follows the scope of a newer version that cannot be read either', () => {
    const world = new World();
    world.take({ resources: [pushed('shop/p', GARBAGE)] });
    world.take({ resources: [unusable({ ...p, scope: MESH })] });
    assert.deepEqual(world.verdicts('shop', 'other'), ['deny', 'deny']);
  });

  test('is named on a new stream with a version of no policy, so that its removal meanwhile is told', () => {
    const world = new World();
    world.take({ resources: [pushed('shop/p', GARBAGE)] });
    assert.deepEqual(world.versionsToldOnReconnect, { 'shop/p': 'unreadable' });
  });

  test('denies too when it is removed and pushed anew in one response', () => {
    const world = new World();
    world.take({ resources: [{ ...readable, version: '1' }] });
    world.take({ removedResources: ['shop/p'], resources: [pushed('shop/p', GARBAGE)] });
    assert.deepEqual([world.verdicts('shop'), world.subscription.standInCount], [['deny'], 1]);
  });

  test('is not held beyond the limit', () => {
    const world = new World(1);
    world.take({ resources: [{ ...readable, version: '1' }] });
    world.take({ resources: [pushed('other/q', GARBAGE)] });
    assert.deepEqual([world.subscription.standInCount, world.subscription.resourceCount], [0, 1]);
  });
});

test('a policy that was readable once stays in force, as it was, when its new version is not', () => {
  const world = new World();
  const allowAll = buildPolicy({ name: 'p', match: [{ sourceIps: ['0.0.0.0/0', '::/0'] }] });
  world.take({ resources: [{ ...encodePushedObject({ kind: 'policy', policy: allowAll }), version: '1' }] });
  world.take({ resources: [pushed('shop/p', GARBAGE, '2')] });
  assert.deepEqual([world.verdicts('shop'), world.subscription.standInCount], [['allow'], 0]);
  assert.deepEqual(world.versionsToldOnReconnect, { 'shop/p': '1' });
});
