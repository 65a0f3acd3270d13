import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { FieldWorld, Looks } from './field-world.ts';
import { withPorts } from './objects.ts';
import { changed, fieldOf, type Json, knownFields } from './fields.ts';

/** An object, and what is not the same when one of its fields is. */
export interface Scenario extends Looks {
  readonly name: string;
  readonly object: Json;
  /** What has to be there for it. */
  readonly beside?: readonly Json[];
  /** By the path of a field: what it is changed to, or that it is taken away. */
  readonly changes: Readonly<Record<string, unknown>>;
}

export interface FieldProof {
  readonly open: () => Promise<FieldWorld>;
  readonly scenarios: readonly Scenario[];
  /** Fields that change nothing that anybody sees, each with the reason. */
  readonly unseen: Readonly<Record<string, string>>;
  /** Fields that the kind's definition has, beside those that its parser knows. */
  readonly defined?: readonly string[];
  /** How fields begin that have to have a scenario; default: all. */
  readonly within?: string;
}

/**
 * Declares tests: that each field of `changes` makes a difference in its scenario, and that there is a scenario for every field
 * of the kind that is read and not `unseen`. All scenarios share a world, one after the other.
 */
export function proveFields(kind: string, { open, scenarios, unseen, defined = [], within = '' }: FieldProof): void {
  describe(`the fields of a ${kind}`, () => {
    let world: FieldWorld;
    before(async () => void (world = await open()));
    after(() => world[Symbol.asyncDispose]());

    for (const { name, object, beside = [], changes, ...looks } of scenarios) {
      test(`make a difference: ${name}`, async () => {
        const look = (own: Json): ReturnType<FieldWorld['look']> => world.look([...beside, own], looks);
        const whole = await look(object);
        assert.ok('seen' in whole, JSON.stringify(whole));
        for (const [path, value] of Object.entries(changes)) {
          const other = await look(changed(object, path, value));
          assert.notDeepEqual(other, whole, `the same is seen with another ${path}`);
          if ('refused' in other) assert.ok(!other.isMissing, `${path} has to be there: change it, ${other.refused}`);
        }
        assert.deepEqual(await look(object), whole, 'the same is seen of the same');
      });
    }

    test('have a scenario each', () => {
      const proven = scenarios.flatMap(({ changes }) => Object.keys(changes).map(fieldOf));
      const known = new Set(scenarios.flatMap(({ object }) => knownFields(withPorts(object, () => 1))));
      // What holds fields is proven by any of them, which have their own scenarios.
      const isProven = (field: string): boolean =>
        proven.some((one) => one === field || one.startsWith(`${field}.`) || one.startsWith(`${field}[]`));
      // What is proven is known, or a key of a map that is: nothing is left out because nobody looked.
      const strange = proven.filter((field) => {
        const [holder] = /^.*(?=\.)/.exec(field) ?? [''];
        return !field.startsWith('metadata.') && !known.has(field) && !known.has(holder);
      });
      assert.deepEqual(strange, [], 'fields that no parser knows');
      // And what an unseen field holds is as little seen.
      const isBelow = (field: string): boolean =>
        Object.keys(unseen).some((one) => field.startsWith(`${one}.`) || field.startsWith(`${one}[]`));
      const all = [...new Set([...known, ...defined])].filter((field) => field.startsWith(within));
      const open = all.filter((field) => !isProven(field) && !isBelow(field));
      assert.deepEqual(open.toSorted(), Object.keys(unseen).toSorted());
    });
  });
}
