import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MESSAGE_BYTES_MAX } from '@ambit/mesh/linux';
import fc from 'fast-check';
import {
  decodeHandoverAnswer,
  decodeHandoverRequest,
  encodeHandover,
  type HandoverAnswer,
  HandoverError,
  type HandoverRequest,
} from './handover-message.ts';

const pod = { uid: 'a2f1c1d0-0000', device: 4n, inode: 4_026_532_008n };
const requests: readonly HandoverRequest[] = [
  { kind: 'hello', version: 1 },
  { kind: 'has', ...pod },
  { kind: 'take', ...pod, inode: 2n ** 64n - 1n },
  { kind: 'taken' },
  { kind: 'not-taken' },
  { kind: 'release-servers' },
];
const answers: readonly HandoverAnswer[] = [
  { kind: 'hello', version: 7 },
  { kind: 'has', held: true },
  { kind: 'listener', port: 15_008 },
  { kind: 'listeners', count: 12 },
  { kind: 'done' },
];

describe('messages of the hand-over', () => {
  test('are read as they were written, and the longest fits into a packet', () => {
    for (const request of requests) assert.deepEqual(decodeHandoverRequest(encodeHandover(request)), request);
    for (const answer of answers) assert.deepEqual(decodeHandoverAnswer(encodeHandover(answer)), answer);
    const longest = encodeHandover({ kind: 'take', uid: '\u0001'.repeat(100), device: 2n ** 64n, inode: 2n ** 64n });
    assert.ok(longest.length <= MESSAGE_BYTES_MAX, `${longest.length}`);
  });

  const malformed = [
    '',
    'null',
    '[]',
    '{}',
    '{"kind":"hello"}',
    '{"kind":"hello","version":"1"}',
    '{"kind":"done","more":1}',
    '{"kind":"take","uid":"","device":"1","inode":"1"}',
    `{"kind":"take","uid":"${'x'.repeat(300)}","device":"1","inode":"1"}`,
    '{"kind":"take","uid":"u","device":1,"inode":"1"}',
    '{"kind":"take","uid":"u","device":"1","inode":"-1"}',
    '{"kind":"take","uid":"u","device":"1","inode":"999999999999999999999"}',
    '{"kind":"listener","port":70000}',
    '{"kind":"listener","port":1.5}',
    '{"kind":"listeners","count":100000}',
    '{"kind":"has","held":1}',
    '{"kind":"__proto__"}',
    '{"__proto__":{"kind":"done"}}',
  ];
  for (const text of malformed) {
    test(`refuse ${text.slice(0, 60)}`, () => {
      for (const decode of [decodeHandoverRequest, decodeHandoverAnswer]) {
        assert.throws(() => decode(Buffer.from(text)), { code: 'malformed' });
      }
    });
  }

  test('survive whatever comes instead', () => {
    const valid = fc.constantFrom(...[...requests, ...answers].map((message) => encodeHandover(message)));
    const edit = fc.record({ at: fc.nat(), drop: fc.nat(3), insert: fc.uint8Array({ maxLength: 4 }) });
    const mutated = fc.tuple(valid, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([bytes, edits]) => {
      let result = [...bytes];
      for (const { at, drop, insert } of edits) {
        const position = at % Math.max(1, result.length);
        result = [...result.slice(0, position), ...insert, ...result.slice(position + drop)];
      }
      return Uint8Array.from(result);
    });
    const any = fc.oneof(mutated, fc.uint8Array({ maxLength: MESSAGE_BYTES_MAX }));
    fc.assert(
      fc.property(any, (packet) => {
        for (const decode of [decodeHandoverRequest, decodeHandoverAnswer]) {
          try {
            decode(packet);
          } catch (error) {
            assert.ok(error instanceof HandoverError, String(error));
          }
        }
      }),
      { seed: 20261126, numRuns: 5000 },
    );
  });
});
