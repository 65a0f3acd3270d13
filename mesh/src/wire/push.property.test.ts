import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { anyPolicy, anyService, anyWorkload } from '../testing/model-arbitraries.ts';
import { encodePushedObject } from './model-to-push.ts';
import { type PushedObject, resourceName } from './push-resource.ts';
import { parsePushedResource } from './push-to-model.ts';

const RUNS = { seed: 20261121, numRuns: 400 };

/** What is encoded reads as it was, and encodes to the same bytes again. */
function roundTrips(object: PushedObject): void {
  const encoded = encodePushedObject(object);
  const parsed = parsePushedResource({ ...encoded, version: 'v' });
  assert.deepEqual(parsed, object);
  assert.deepEqual(encodePushedObject(parsed), encoded);
  assert.equal(encoded.name, resourceName(object));
}

describe('pushed resources round trip', () => {
  test('for any workload', () => {
    fc.assert(
      fc.property(anyWorkload, (workload) => roundTrips({ kind: 'workload', workload })),
      RUNS,
    );
  });
  test('for any service', () => {
    fc.assert(
      fc.property(anyService, (service) => roundTrips({ kind: 'service', service })),
      RUNS,
    );
  });
  test('for any policy', () => {
    fc.assert(
      fc.property(anyPolicy, (policy) => roundTrips({ kind: 'policy', policy })),
      RUNS,
    );
  });
});
