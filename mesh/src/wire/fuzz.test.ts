import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { anyPolicy, anyService, anyWorkload } from '../testing/model-arbitraries.ts';
import { parseAuthority } from './authority.ts';
import { ADDRESS_TYPE_URL, decodeDiscoveryRequest, encodeDiscoveryRequest } from './discovery-messages.ts';
import { decodeDiscoveryResponse, encodeDiscoveryResponse } from './discovery-response.ts';
import { WireError } from './errors.ts';
import { encodePushedObject } from './model-to-push.ts';
import {
  decodePodHello,
  decodePodRequest,
  decodePodResponse,
  encodePodHello,
  encodePodRequest,
  encodePodResponse,
} from './pod-message.ts';
import { parseAddressResource, parseAuthorizationResource } from './push-to-model.ts';
import { parseTraceparent } from './trace-context.ts';

// Whatever a peer sends, a decoder returns or throws WireError: nothing else, and in bounded time.

const RANDOM_RUNS = { seed: 20261121, numRuns: 2000 };
const MUTATED_RUNS = { seed: 20261122, numRuns: 2000 };

function survives<T>(decode: (input: T) => unknown, input: T): void {
  try {
    decode(input);
  } catch (error) {
    assert.ok(error instanceof WireError, error instanceof Error ? error.stack : String(error));
    assert.ok(error.message.length < 10_000);
  }
}

/** A few values to start from: making a whole model value anew for every run would take most of the time. */
function some<T>(values: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.constantFrom(...fc.sample(values, { seed: 20261123, numRuns: 100 }));
}

/** A valid message with some bytes replaced, inserted, dropped or repeated. */
function mutated(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({ at: fc.nat(), drop: fc.nat(3), insert: fc.uint8Array({ maxLength: 3 }), copy: fc.nat(40) });
  return fc.tuple(valid, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([bytes, edits]) => {
    let result = [...bytes];
    for (const { at, drop, insert, copy } of edits) {
      const position = result.length === 0 ? 0 : at % result.length;
      const repeated = copy > 30 ? result.slice(position, position + copy) : [];
      result = [...result.slice(0, position), ...insert, ...repeated, ...result.slice(position + drop)];
    }
    return Uint8Array.from(result);
  });
}

const workloads = some(anyWorkload).map((workload) => encodePushedObject({ kind: 'workload', workload }).value);
const services = some(anyService).map((service) => encodePushedObject({ kind: 'service', service }).value);
const policies = some(anyPolicy).map((policy) => encodePushedObject({ kind: 'policy', policy }).value);
const responses = workloads.map((value) =>
  encodeDiscoveryResponse({
    typeUrl: ADDRESS_TYPE_URL,
    nonce: 'n',
    systemVersion: 's',
    resources: [{ name: 'r', version: 'v', aliases: ['a'], typeUrl: ADDRESS_TYPE_URL, value }],
    removedResources: ['x'],
  }),
);
const requests = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })).map((metadata) =>
  encodeDiscoveryRequest({
    typeUrl: ADDRESS_TYPE_URL,
    node: { id: 'i', cluster: 'c', metadata: { values: JSON.stringify(metadata), list: [1, true, null, 'x'] } },
    subscribe: ['*'],
    unsubscribe: [],
    initialResourceVersions: new Map([['a', 'b']]),
    responseNonce: 'r',
    errorDetail: { code: 3, message: 'm' },
  }),
);
const podRequests = fc
  .record({ name: fc.string(), namespace: fc.string(), serviceAccount: fc.string() })
  .map((pod) => encodePodRequest({ kind: 'add', uid: 'u', pod }));

const DECODERS: readonly [name: string, decode: (bytes: Uint8Array) => unknown, valid: fc.Arbitrary<Uint8Array>][] = [
  ['parseAddressResource() of workloads', parseAddressResource, workloads],
  ['parseAddressResource() of services', parseAddressResource, services],
  ['parseAuthorizationResource()', parseAuthorizationResource, policies],
  ['decodeDiscoveryRequest()', decodeDiscoveryRequest, requests],
  ['decodeDiscoveryResponse()', decodeDiscoveryResponse, responses],
  ['decodePodHello()', decodePodHello, fc.constant(encodePodHello())],
  ['decodePodRequest()', decodePodRequest, podRequests],
  ['decodePodResponse()', decodePodResponse, fc.string().map((error) => encodePodResponse({ error }))],
];

describe('decoders throw WireError alone', () => {
  for (const [name, decode, valid] of DECODERS) {
    test(`${name} on random bytes`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => survives(decode, bytes)),
        RANDOM_RUNS,
      );
    });
    test(`${name} on broken messages`, () => {
      fc.assert(
        fc.property(mutated(valid), (bytes) => survives(decode, bytes)),
        MUTATED_RUNS,
      );
    });
  }

  test('decodeDiscoveryRequest() on metadata nested without end', () => {
    // DeltaDiscoveryRequest.node.metadata, then a field, its value, the Struct in it and so on.
    const numbers = [1, 3, ...Array.from({ length: 30_000 }, (_, i) => [1, 2, 5][i % 3] ?? 1)];
    survives(decodeDiscoveryRequest, nestedFields(numbers));
  });

  test('header parsers on random text', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.string({ unit: fc.constantFrom('a', '1', '.', ':', '[', ']', '-', '0', 'f', '%'), maxLength: 80 }),
    );
    fc.assert(
      fc.property(text, (header) => {
        survives(parseAuthority, header);
        survives(parseTraceparent, header);
      }),
      { seed: 20261121, numRuns: 5000 },
    );
  });
});

/** Length-delimited fields, each the only content of the one before. */
function nestedFields(numbers: readonly number[]): Uint8Array {
  const headers: number[][] = [];
  let length = 0;
  for (const number of numbers.toReversed()) {
    const header = [(number << 3) | 2];
    let rest = length;
    for (; rest > 0x7f; rest >>>= 7) header.push((rest & 0x7f) | 0x80);
    header.push(rest);
    headers.push(header);
    length += header.length;
  }
  return Uint8Array.from(headers.reverse().flat());
}
