import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fieldBytesMax, LineWriter, textField } from './line-writer.ts';

function written(write: (writer: LineWriter) => void): string {
  const memory = Buffer.alloc(256);
  const writer = new LineWriter();
  writer.begin(memory, 3);
  write(writer);
  return memory.toString('utf8', 3, writer.end);
}

test('textField() quotes what could be taken for anything else', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', ''],
    ['plain/1.0', ' a=plain/1.0'],
    ['two words', ' a="two words"'],
    ['/?b=c', ' a="/?b=c"'],
    ['say "x"', ' a="say \\"x\\""'],
    ['back\\slash', ' a="back\\\\slash"'],
    ['line\nend\u0001', ' a="line\\nend\\u0001"'],
    ['café', ' a="café"'],
    ['雪', ' a="雪"'],
  ];
  for (const [text, expected] of table) assert.equal(textField('a', text), expected);
});

test('a field of any text takes no more than fieldBytesMax() beside its name, and reads as it was', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('\0', '"', 'é', '\ud800') }));
  fc.assert(
    fc.property(text, (one) => {
      fc.pre(one !== '');
      const value = textField('a', one).slice(' a='.length);
      assert.ok(Buffer.byteLength(value) <= fieldBytesMax(one));
      assert.equal(value.startsWith('"') ? JSON.parse(value) : value, one);
    }),
    { seed: 20_261_126, numRuns: 1000 },
  );
});

test('LineWriter writes numbers as they are read, and times to the microsecond', () => {
  for (const value of [0, 9, 10, 1024, 4_294_967_296, Number.MAX_SAFE_INTEGER]) {
    assert.equal(
      written((writer) => writer.whole(value)),
      String(value),
    );
  }
  const times: readonly (readonly [number, string])[] = [
    [0, '0'],
    [0.0004, '0'],
    [1.2345, '1.235'],
    [0.05, '0.05'],
    [12.3, '12.3'],
    [86_400_000.001, '86400000.001'],
  ];
  for (const [durationMs, expected] of times) {
    assert.equal(
      written((writer) => writer.milliseconds(durationMs)),
      expected,
    );
  }
});

test('LineWriter copies short and long pieces', () => {
  for (const length of [0, 1, 8, 9, 200]) {
    const text = 'x'.repeat(length);
    assert.equal(
      written((writer) => writer.bytes(Buffer.from(text))),
      text,
    );
  }
});
