import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseIpAddress } from '../model/address.ts';
import { WireError, type WireErrorCode } from './errors.ts';
import {
  decodePodHello,
  decodePodRequest,
  decodePodResponse,
  encodePodHello,
  encodePodRequest,
  encodePodResponse,
  type PodRequest,
} from './pod-message.ts';

function refuses(code: WireErrorCode, path: string): (error: unknown) => boolean {
  return (error) => error instanceof WireError && error.code === code && error.detail.path === path;
}
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (packet: Uint8Array): string => Buffer.from(packet).toString('hex');
const text = (value: string): string => Buffer.from(value).toString('hex');

describe('pod hello', () => {
  test('is version 1', () => {
    assert.equal(hex(encodePodHello()), '0801');
    assert.deepEqual(decodePodHello(bytes('0801')), { version: 1, slot: 'a' });
    assert.equal(hex(encodePodHello('b')), '0801a2060162');
    assert.deepEqual(decodePodHello(encodePodHello('b')), { version: 1, slot: 'b' });
    assert.throws(() => decodePodHello(bytes('0801a2060163')), refuses('invalid-field', 'hello.slot'));
  });
  for (const [packet, what] of [
    ['', 'no version'],
    ['0800', 'version 0'],
    ['0802', 'version 2'],
  ] as const) {
    test(`refuses ${what}`, () =>
      assert.throws(() => decodePodHello(bytes(packet)), refuses('unknown-enum-value', 'hello.version')));
  }
  test('refuses bytes that are none', () => {
    assert.throws(() => decodePodHello(bytes('08')), refuses('malformed', 'ZdsHello'));
  });
});

describe('pod request', () => {
  // Written by hand from the field numbers of the protocol, so that both directions are checked against them.
  const table: readonly [name: string, request: PodRequest, packet: string][] = [
    [
      'add',
      { kind: 'add', uid: 'u1', pod: { name: 'web', namespace: 'shop', serviceAccount: 'sa' } },
      `0a15 0a02${text('u1')} 120f 0a03${text('web')} 1204${text('shop')} 1a02${text('sa')}`,
    ],
    [
      'add with the addresses of the node',
      {
        kind: 'add',
        uid: 'u1',
        pod: { name: 'web', namespace: 'shop', serviceAccount: 'sa', nodeAddresses: [parseIpAddress('10.0.0.1')] },
      },
      `0a1c 0a02${text('u1')} 1216 0a03${text('web')} 1204${text('shop')} 1a02${text('sa')} a206040a000001`,
    ],
    ['add without names', { kind: 'add', uid: 'u1' }, `0a04 0a02${text('u1')}`],
    ['keep', { kind: 'keep', uid: 'u1' }, `2a04 0a02${text('u1')}`],
    ['delete', { kind: 'delete', uid: 'u1' }, `1204 1202${text('u1')}`],
    ['snapshot sent', { kind: 'snapshot-sent' }, '1a00'],
  ];
  for (const [name, request, spaced] of table) {
    const packet = spaced.replaceAll(' ', '');
    test(`${name} has the bytes of the protocol`, () => {
      assert.equal(hex(encodePodRequest(request)), packet);
      assert.deepEqual(decodePodRequest(bytes(packet)), request);
    });
  }

  const bad: readonly [name: string, packet: string, code: WireErrorCode, path: string][] = [
    ['no payload', '', 'invalid-field', 'request.payload'],
    ['a payload nobody defined', '3200', 'invalid-field', 'request.payload'],
    ['an add without uid', '0a00', 'invalid-field', 'request.add.uid'],
    ['a keep without uid', '2a00', 'invalid-field', 'request.keep.uid'],
    ['a delete without uid', '1200', 'invalid-field', 'request.del.uid'],
    ['a delete with its uid in another field', `1204 0a02${text('u1')}`, 'invalid-field', 'request.del.uid'],
    ['a length beyond the end', '0a7f', 'malformed', 'WorkloadRequest'],
    ['1025 bytes', '00'.repeat(1025), 'over-limit', 'WorkloadRequest'],
  ];
  for (const [name, packet, code, path] of bad) {
    test(`refuses ${name}`, () =>
      assert.throws(() => decodePodRequest(bytes(packet.replaceAll(' ', ''))), refuses(code, path)));
  }

  test('takes exactly 1024 bytes and writes no more', () => {
    const request: PodRequest = { kind: 'keep', uid: 'u'.repeat(1018) };
    const packet = encodePodRequest(request);
    assert.equal(packet.length, 1024);
    assert.deepEqual(decodePodRequest(packet), request);
    assert.throws(
      () => encodePodRequest({ kind: 'keep', uid: 'u'.repeat(1019) }),
      refuses('over-limit', 'WorkloadRequest'),
    );
  });
});

describe('pod response', () => {
  test('is an acknowledgement, with an error or without', () => {
    assert.equal(hex(encodePodResponse({ error: '' })), '0a00');
    assert.deepEqual(decodePodResponse(bytes('0a00')), { error: '' });
    assert.equal(hex(encodePodResponse({ error: 'no' })), `0a040a02${text('no')}`);
    assert.deepEqual(decodePodResponse(bytes(`0a040a02${text('no')}`)), { error: 'no' });
  });
  test('refuses anything else', () => {
    assert.throws(() => decodePodResponse(bytes('')), refuses('invalid-field', 'response.payload'));
    assert.throws(() => decodePodResponse(bytes('0a05')), refuses('malformed', 'WorkloadResponse'));
    assert.throws(() => decodePodResponse(new Uint8Array(1025)), refuses('over-limit', 'WorkloadResponse'));
  });
  test('cuts an error of any length so that it fits, between characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 3000, size: 'max' }), (error) => {
        const packet = encodePodResponse({ error });
        assert.ok(packet.length <= 1024);
        const cut = decodePodResponse(packet).error;
        assert.ok(error.startsWith(cut));
        assert.ok(cut.length === error.length || packet.length > 1000, 'cut no more than needed');
      }),
      { seed: 20261121, numRuns: 100 },
    );
  });
});
