import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { DiscoveryResource } from '../wire/discovery-messages.ts';
import { WireError } from '../wire/errors.ts';

/** `code path` of the WireError that `parse` throws, or `accepted`. Any other error fails the test. */
export function wireRefusal(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof WireError, String(error));
    return `${error.code} ${error.detail.path}`;
  }
  return 'accepted';
}

/** Has `parse` read the resource with some of its bytes changed; gives how many of 2,000 it took. Anything but a WireError fails the test. */
export function takenWhenMangled(resource: DiscoveryResource, parse: (resource: DiscoveryResource) => unknown): number {
  const edit = fc.record({ at: fc.nat(), value: fc.nat(255), length: fc.nat(3) });
  let taken = 0;
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const bytes = [...resource.value];
      for (const { at, value, length } of edits) bytes.splice(at % bytes.length, length, value);
      if (wireRefusal(() => parse({ ...resource, value: Uint8Array.from(bytes) })) === 'accepted') taken++;
    }),
    { seed: 20_261_126, numRuns: 2_000 },
  );
  return taken;
}
