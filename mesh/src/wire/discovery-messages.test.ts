import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { wireRefusal } from '../testing/wire-refusal.ts';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import {
  decodeDiscoveryRequest,
  type DiscoveryRequest,
  type DiscoveryResponse,
  encodeDiscoveryRequest,
} from './discovery-messages.ts';
import { decodeDiscoveryResponse, encodeDiscoveryResponse } from './discovery-response.ts';
import { WireError } from './errors.ts';
import { RefusedResourcesSchema } from './gen/ambit/mesh/v1/refusal_pb.ts';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.ts';
import { LIMITS } from './limits.ts';

const EMPTY_REQUEST: DiscoveryRequest = {
  typeUrl: '',
  subscribe: [],
  unsubscribe: [],
  initialResourceVersions: new Map(),
  responseNonce: '',
};
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
function plain<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

/** `__proto__` is lost by the runtime's plain objects; no resource has that name. */
const resourceNames = text.filter((name) => name !== '__proto__');

describe('discovery requests', () => {
  test('have the bytes of the protocol', () => {
    const request: DiscoveryRequest = {
      typeUrl: 't',
      node: { id: 'i', cluster: 'c', metadata: {} },
      subscribe: ['s'],
      unsubscribe: ['u'],
      initialResourceVersions: new Map([['n', 'v']]),
      responseNonce: 'r',
      errorDetail: { code: 3, message: 'm' },
    };
    const hex =
      '0a080a016912016' + '31a00' + '120174' + '1a0173' + '220175' + '2a060a016e120176' + '320172' + '3a05080312016d';
    assert.equal(Buffer.from(encodeDiscoveryRequest(request)).toString('hex'), hex);
    assert.deepEqual(decodeDiscoveryRequest(encodeDiscoveryRequest(request)), request);
  });
  test('are empty without bytes', () => {
    assert.deepEqual(decodeDiscoveryRequest(new Uint8Array(0)), EMPTY_REQUEST);
  });
  test('of a node without metadata have empty metadata', () => {
    const { node } = decodeDiscoveryRequest(Uint8Array.of(0x0a, 3, 0x0a, 1, 0x69));
    assert.deepEqual(node, { id: 'i', cluster: '', metadata: {} });
  });
  test('name what is refused in the details of the status, which others skip', () => {
    const bytes = encodeDiscoveryRequest({
      ...EMPTY_REQUEST,
      errorDetail: { code: 3, message: 'm', refusedNames: ['a', 'b'] },
    });
    const { errorDetail } = fromBinary(DeltaDiscoveryRequestSchema, bytes);
    assert.deepEqual(
      [errorDetail?.code, errorDetail?.message, errorDetail?.details.map(({ typeUrl }) => typeUrl)],
      [3, 'm', ['type.googleapis.com/ambit.mesh.v1.RefusedResources']],
    );
    assert.deepEqual(decodeDiscoveryRequest(bytes).errorDetail?.refusedNames, ['a', 'b']);
  });
  test('name nothing rather than a part, and take no details that are others, broken or too long', () => {
    const namesAfter = (names: readonly string[]): unknown => {
      const errorDetail = { code: 3, message: 'm', refusedNames: names };
      return decodeDiscoveryRequest(encodeDiscoveryRequest({ ...EMPTY_REQUEST, errorDetail })).errorDetail;
    };
    const many = Array.from({ length: LIMITS.refusedNames + 1 }, (_, index) => `n${index}`);
    const long = 'n'.repeat(LIMITS.textLength + 1);
    for (const names of [many, [long]]) assert.deepEqual(namesAfter(names), { code: 3, message: 'm' });
    const whole = { code: 3, message: 'm', refusedNames: many.slice(1) };
    assert.deepEqual(namesAfter(many.slice(1)), whole);
    const ours = anyPack(RefusedResourcesSchema, create(RefusedResourcesSchema, { names: many }));
    for (const detail of [
      ours,
      { ...ours, value: Uint8Array.of(0xff) },
      { ...ours, typeUrl: 'type.googleapis.com/google.rpc.BadRequest' },
    ]) {
      const message = create(DeltaDiscoveryRequestSchema, {
        errorDetail: { code: 3, message: 'm', details: [detail] },
      });
      const { errorDetail } = decodeDiscoveryRequest(toBinary(DeltaDiscoveryRequestSchema, message));
      assert.deepEqual(errorDetail, { code: 3, message: 'm' });
    }
  });
  test('round trip whatever is in them', () => {
    const request: fc.Arbitrary<DiscoveryRequest> = fc.record(
      {
        typeUrl: text,
        node: plain({
          id: text,
          cluster: text,
          metadata: fc.dictionary(resourceNames, text, { noNullPrototype: true }),
        }),
        subscribe: fc.array(text),
        unsubscribe: fc.array(text),
        initialResourceVersions: fc.array(fc.tuple(resourceNames, text)).map((entries) => new Map(entries)),
        responseNonce: text,
        errorDetail: plain({ code: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), message: text }),
      },
      {
        requiredKeys: ['typeUrl', 'subscribe', 'unsubscribe', 'initialResourceVersions', 'responseNonce'],
        noNullPrototype: true,
      },
    );
    fc.assert(
      fc.property(request, (given) => {
        const decoded = decodeDiscoveryRequest(encodeDiscoveryRequest(given));
        assert.deepEqual(decoded, given);
      }),
      { seed: 20261121, numRuns: 300 },
    );
  });
});

describe('discovery responses', () => {
  test('have the bytes of the protocol', () => {
    const response: DiscoveryResponse = {
      typeUrl: 't',
      nonce: 'n',
      systemVersion: 's',
      resources: [{ name: 'r', version: 'v', aliases: ['a'], typeUrl: 'u', value: Uint8Array.of(1) }],
      removedResources: ['x'],
    };
    const resource = '0a0176' + '12060a0175120101' + '1a0172' + '220161';
    const hex = '0a0173' + '1211' + resource + '220174' + '2a016e' + '320178';
    assert.equal(Buffer.from(encodeDiscoveryResponse(response)).toString('hex'), hex);
    assert.deepEqual(decodeDiscoveryResponse(encodeDiscoveryResponse(response)), response);
  });
  test('may hold a resource without body', () => {
    const { resources } = decodeDiscoveryResponse(Uint8Array.of(0x12, 3, 0x1a, 1, 0x72));
    assert.deepEqual(resources, [{ name: 'r', version: '', aliases: [], typeUrl: '', value: new Uint8Array(0) }]);
  });
  const anyTypeUrl = fc.oneof(fc.constant('type.googleapis.com/x'), text);
  /** Around where a length takes one more byte. */
  const anyValue = fc.oneof(
    fc.uint8Array(),
    fc.constantFrom(110, 127, 128, 16_370, 16_384).map((length) => new Uint8Array(length)),
  );
  const anyResponse: fc.Arbitrary<DiscoveryResponse> = fc
    .tuple(
      plain({
        typeUrl: text,
        nonce: text,
        systemVersion: text,
        resources: fc.array(
          plain({ name: text, version: text, aliases: fc.array(text), typeUrl: anyTypeUrl, value: anyValue }),
          { maxLength: 4 },
        ),
        removedResources: fc.array(text),
      }),
      fc.option(text, { nil: undefined }),
    )
    .map(([response, controlPlane]) => (controlPlane === undefined ? response : { ...response, controlPlane }));
  const messageOf = (response: DiscoveryResponse, ttl?: bigint) =>
    create(DeltaDiscoveryResponseSchema, {
      typeUrl: response.typeUrl,
      nonce: response.nonce,
      systemVersionInfo: response.systemVersion,
      resources: response.resources.map(({ name, version, aliases, typeUrl, value }) => ({
        ...{ name, version, aliases: [...aliases], resource: { typeUrl, value } },
        ...(ttl === undefined ? {} : { ttl: { seconds: ttl } }),
      })),
      removedResources: [...response.removedResources],
      ...(response.controlPlane === undefined ? {} : { controlPlane: { identifier: response.controlPlane } }),
    });
  test('round trip whatever is in them, in the very bytes of a codec that knows the schema', () => {
    fc.assert(
      fc.property(anyResponse, (given) => {
        const bytes = encodeDiscoveryResponse(given);
        assert.deepEqual(decodeDiscoveryResponse(bytes), given);
        assert.deepEqual(bytes, toBinary(DeltaDiscoveryResponseSchema, messageOf(given)));
      }),
      { seed: 20261121, numRuns: 300 },
    );
  });
  test('may hold fields that nobody here reads', () => {
    fc.assert(
      fc.property(anyResponse, fc.bigInt({ min: 0n, max: 1_000_000n }), (given, ttl) => {
        const bytes = toBinary(DeltaDiscoveryResponseSchema, messageOf(given, ttl));
        // A varint, eight bytes, four bytes, and a group, each of a number that there is not.
        const unknown = [
          0xf8, 0x01, 0x96, 0x01, 0xf9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0xfd, 0x01, 1, 2, 3, 4, 0xfb, 0x01, 0xfc, 0x01,
        ];
        assert.deepEqual(decodeDiscoveryResponse(Uint8Array.of(...unknown, ...bytes)), given);
      }),
      { seed: 20261121, numRuns: 100 },
    );
  });
  test('that were changed on the way are refused, or read as another one', () => {
    fc.assert(
      fc.property(anyResponse, fc.nat(), fc.nat(255), (given, at, byte) => {
        const bytes = encodeDiscoveryResponse(given).slice(0, 2000);
        if (bytes.length > 0) bytes[at % bytes.length] = byte;
        let read: DiscoveryResponse | undefined;
        try {
          read = decodeDiscoveryResponse(bytes);
        } catch (error) {
          assert.ok(error instanceof WireError);
          return;
        }
        assert.ok(read.resources.every(({ value }) => value.length <= bytes.length));
        assert.doesNotThrow(() => fromBinary(DeltaDiscoveryResponseSchema, encodeDiscoveryResponse(read)));
      }),
      { seed: 20261121, numRuns: 1000 },
    );
  });
});

test('discovery messages that are none are refused', () => {
  const broken = Uint8Array.of(0x0a, 0x7f);
  assert.equal(
    wireRefusal(() => decodeDiscoveryRequest(broken)),
    'malformed DeltaDiscoveryRequest',
  );
  for (const bytes of [
    broken,
    // A resource longer than its message; a name longer than its resource; a body longer than that; text that is none; a group that does not begin.
    Uint8Array.of(0x12, 5, 0x1a, 1, 0x72),
    Uint8Array.of(0x12, 3, 0x1a, 2, 0x72, 0x72),
    Uint8Array.of(0x12, 3, 0x12, 2, 0x0a, 0, 0x2a, 0),
    Uint8Array.of(0x2a, 1, 0xff),
    Uint8Array.of(0x12, 4, 0x12, 3, 0x0a, 1, 0xff),
    Uint8Array.of(0xfc, 0x01),
  ]) {
    assert.equal(
      wireRefusal(() => decodeDiscoveryResponse(bytes)),
      'malformed DeltaDiscoveryResponse',
    );
  }
});
