import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { wireRefusal } from '../testing/wire-refusal.ts';
import {
  decodeDiscoveryRequest,
  decodeDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
  encodeDiscoveryRequest,
  encodeDiscoveryResponse,
} from './discovery-messages.ts';

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
  test('round trip whatever is in them', () => {
    const response: fc.Arbitrary<DiscoveryResponse> = plain({
      typeUrl: text,
      nonce: text,
      systemVersion: text,
      resources: fc.array(
        plain({ name: text, version: text, aliases: fc.array(text), typeUrl: text, value: fc.uint8Array() }),
      ),
      removedResources: fc.array(text),
    });
    fc.assert(
      fc.property(response, (given) =>
        assert.deepEqual(decodeDiscoveryResponse(encodeDiscoveryResponse(given)), given),
      ),
      { seed: 20261121, numRuns: 300 },
    );
  });
});

test('discovery messages that are none are refused', () => {
  const broken = Uint8Array.of(0x0a, 0x7f);
  assert.equal(
    wireRefusal(() => decodeDiscoveryRequest(broken)),
    'malformed DeltaDiscoveryRequest',
  );
  assert.equal(
    wireRefusal(() => decodeDiscoveryResponse(broken)),
    'malformed DeltaDiscoveryResponse',
  );
});
