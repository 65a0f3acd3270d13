import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { parseCidr } from '../model/address.ts';
import { WireError } from './errors.ts';
import { AddressRangesSchema } from './gen/ambit/mesh/v1/ranges_pb.ts';
import { LIMITS } from './limits.ts';
import { encodePushedObject } from './model-to-push.ts';
import { parsePushedResource } from './push-to-model.ts';
import { parseRanges } from './ranges-message.ts';

const RANGES = { name: 'Node/n1', network: 'east', blocks: [parseCidr('10.244.1.0/24'), parseCidr('fd00::/64')] };

test('ranges survive the wire under their own name and type, and under no other name', () => {
  const encoded = encodePushedObject({ kind: 'ranges', ranges: RANGES });
  assert.deepEqual([encoded.name, encoded.typeUrl], ['Node/n1', 'type.googleapis.com/ambit.mesh.v1.AddressRanges']);
  assert.deepEqual(parsePushedResource({ ...encoded, version: '1' }), { kind: 'ranges', ranges: RANGES });
  assert.throws(() => parsePushedResource({ ...encoded, name: 'Node/n2', version: '1' }), WireError);
});

test('parseRanges refuses what is no range by name, and throws nothing else for any bytes', () => {
  const block = { address: Uint8Array.of(10, 0, 0, 0), prefixLength: 8 };
  const refused: readonly (readonly [object, RegExp])[] = [
    [{ name: '' }, /name/],
    [{ name: 'n', blocks: [{ ...block, prefixLength: 33 }] }, /blocks\[0\]/],
    [{ name: 'n', blocks: [{ ...block, address: Uint8Array.of(10) }] }, /blocks\[0\]/],
    [{ name: 'n', blocks: Array.from({ length: LIMITS.blocksPerRanges + 1 }, () => block) }, /more than/],
  ];
  for (const [fields, message] of refused) {
    const bytes = toBinary(AddressRangesSchema, create(AddressRangesSchema, fields));
    assert.throws(
      () => parseRanges(bytes),
      (error) => error instanceof WireError && message.test(error.message),
    );
  }
  const readable = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(readable, (bytes) => {
      try {
        parseRanges(bytes);
      } catch (error) {
        assert.ok(error instanceof WireError);
      }
    }),
    { seed: 20261126, numRuns: 1000 },
  );
});
