import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WireError } from './errors.ts';
import { createTraceContext, formatTraceparent, parseTraceparent, TRACE_RANDOM_BYTES } from './trace-context.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('parseTraceparent()', () => {
  test('reads a context', () => {
    assert.deepEqual(parseTraceparent(`00-${TRACE}-${SPAN}-01`), { traceId: TRACE, spanId: SPAN, flags: 1 });
    assert.deepEqual(parseTraceparent(`cc-${TRACE}-${SPAN}-ff`), { traceId: TRACE, spanId: SPAN, flags: 255 });
  });
  const bad = [
    '',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-0`,
    `00-${TRACE}-${SPAN}-001`,
    `00-${TRACE}-${SPAN}-00-x`,
    `ff-${TRACE}-${SPAN}-00`,
    `00-${TRACE.toUpperCase()}-${SPAN}-00`,
    `00-${'0'.repeat(32)}-${SPAN}-00`,
    `00-${TRACE}-${'0'.repeat(16)}-00`,
    `00-${TRACE}_${SPAN}-00`,
    ` 00-${TRACE}-${SPAN}-00`,
    `00-${TRACE}-${SPAN}-0g`,
  ];
  for (const header of bad) {
    test(`reads nothing from ${JSON.stringify(header)}`, () => assert.equal(parseTraceparent(header), undefined));
  }
});

describe('formatTraceparent()', () => {
  test('writes 55 characters that parse reads again', () => {
    const context = { traceId: TRACE, spanId: SPAN, flags: 1 };
    const text = formatTraceparent(context);
    assert.equal(text, `00-${TRACE}-${SPAN}-01`);
    assert.equal(text.length, 55);
    assert.deepEqual(parseTraceparent(text), context);
  });
});

describe('createTraceContext()', () => {
  test('is made of the given bytes and not sampled', () => {
    const random = Uint8Array.from({ length: TRACE_RANDOM_BYTES }, (_, i) => i + 1);
    assert.equal(
      formatTraceparent(createTraceContext(random)),
      '00-0102030405060708090a0b0c0d0e0f10-1112131415161718-00',
    );
  });
  test('is valid even for zeros', () => {
    const text = formatTraceparent(createTraceContext(new Uint8Array(TRACE_RANDOM_BYTES)));
    assert.equal(text, `00-${'0'.repeat(31)}1-${'0'.repeat(15)}1-00`);
    assert.notEqual(parseTraceparent(text), undefined);
  });
  for (const length of [0, 23, 25]) {
    test(`refuses ${length} bytes`, () =>
      assert.throws(
        () => createTraceContext(new Uint8Array(length)),
        (error) => error instanceof WireError && error.code === 'invalid-field',
      ));
  }
});
