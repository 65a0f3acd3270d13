import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkLeaks } from '@ambit/mesh/testing';
import { changed, fieldOf, type Json, knownFields } from './fields.ts';
import { type RouteKind, RouteWorld } from './route-world.ts';
import { SCENARIOS, WITHOUT_EFFECT } from './scenarios.ts';

checkLeaks();

function routeOf(kind: RouteKind, spec: Json): Json {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name: 'r', namespace: 'shop' }, spec };
}

for (const kind of ['HTTPRoute', 'GRPCRoute'] as const) {
  describe(`a waypoint with ${kind}s`, () => {
    for (const { name, spec, changes, ...looks } of SCENARIOS[kind]) {
      test(`acts upon ${name}`, async () => {
        await using world = await RouteWorld.open(kind);
        const route = routeOf(kind, spec);
        const whole = await world.look(route, looks);
        assert.ok('seen' in whole, JSON.stringify(whole));
        assert.deepEqual(await world.look(route, looks), whole, 'the same is seen of the same');
        for (const [path, value] of Object.entries(changes)) {
          const other = await world.look(changed(route, path, value), looks);
          assert.notDeepEqual(other, whole, `the same is seen with another ${path}`);
          if ('refused' in other) assert.ok(!other.isMissing, `${path} has to be there: change it, ${other.refused}`);
        }
      });
    }

    test('has a scenario for every field that is read', () => {
      const proven = SCENARIOS[kind].flatMap(({ changes }) => Object.keys(changes).map(fieldOf));
      const known = new Set(SCENARIOS[kind].flatMap(({ spec }) => knownFields(routeOf(kind, spec))));
      // What holds fields is proven by any of them, which have their own scenarios.
      const isProven = (field: string): boolean =>
        proven.some((one) => one === field || one.startsWith(`${field}.`) || one.startsWith(`${field}[]`));
      const open = [...known].filter((field) => !isProven(field));
      assert.deepEqual(open.toSorted(), Object.keys(WITHOUT_EFFECT[kind]).toSorted());
    });
  });
}
