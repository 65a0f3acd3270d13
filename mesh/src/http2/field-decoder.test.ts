import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FieldForm, integer, ReferenceEncoder, text } from '../testing/hpack-reference.ts';
import { fieldsOf, type FieldList } from '../testing/http1-steps.ts';
import { linesOf, requestDecoder } from '../testing/http2-heads.ts';
import { blockOf } from '../testing/http2-peer.ts';
import { Http2Code, Http2Violation } from '../hbone/frame-codec.ts';
import { HpackDecoder } from '../hbone/hpack-decoder.ts';
import { STATIC_FIELDS } from '../hbone/hpack-table.ts';
import type { FieldDecoder } from './field-decoder.ts';
import { FieldKind } from './field-kinds.ts';
import type { Http2RequestHead } from './head.ts';
import { DEFAULT_LIMITS } from './limits.ts';

const seed = 20261127;
const hex = (bytes: string): Buffer => Buffer.from(bytes.replaceAll(' ', ''), 'hex');

const PSEUDO: readonly (readonly [string, number])[] = [
  [':authority', FieldKind.authority],
  [':method', FieldKind.method],
  [':path', FieldKind.path],
  [':protocol', FieldKind.protocol],
  [':scheme', FieldKind.scheme],
  [':status', FieldKind.status],
];

/** All that was decoded, pseudo-headers first. */
function decodedOf(decoder: FieldDecoder<Http2RequestHead>): FieldList {
  const { head } = decoder;
  const pseudo = PSEUDO.filter(([, kind]) => decoder.has(kind)).map(
    ([name, kind]) => [name, head.bytes.toString('latin1', decoder.valueStart(kind), decoder.valueEnd(kind))] as const,
  );
  return [...pseudo, ...fieldsOf(head)];
}

function breach(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Http2Violation);
    return `${error.http2Code} ${error.rule}`;
  }
  return 'none';
}

test('FieldDecoder follows the request examples of RFC 7541 C.4, and lays out lines as HTTP/1.1 has them', () => {
  const decoder = requestDecoder();
  const common: FieldList = [
    [':authority', 'www.example.com'],
    [':method', 'GET'],
    [':path', '/'],
    [':scheme', 'http'],
  ];
  decoder.decode(hex('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'));
  assert.deepEqual(decodedOf(decoder), common);
  decoder.decode(hex('8286 84be 5886 a8eb 1064 9cbf'));
  assert.deepEqual(decodedOf(decoder), [...common, ['cache-control', 'no-cache']]);
  assert.equal(linesOf(decoder.head), 'cache-control: no-cache\r\n');
  decoder.decode(hex('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'));
  assert.equal(linesOf(decoder.head), 'custom-key: custom-value\r\n');
  assert.equal(decoder.tableBytes, 164);
  assert.equal(decoder.fault, undefined);
});

test('FieldDecoder reads back what a complete encoder writes, and keeps its table as HpackDecoder does', () => {
  const form: fc.Arbitrary<FieldForm> = fc.oneof(
    fc.constant<FieldForm>({ kind: 'indexed' }),
    fc.record({
      kind: fc.constant('literal' as const),
      store: fc.constantFrom('index' as const, 'plain' as const, 'never' as const),
      nameIndexed: fc.boolean(),
      huffman: fc.boolean(),
    }),
  );
  const name = fc.constantFrom(
    'x-a',
    'accept',
    'via',
    'cache-control',
    'x-a-much-longer-name-that-fills-the-table',
    'date',
  );
  const value = fc.oneof(
    fc.constantFrom('', 'a', 'no-cache', 'gzip, deflate', 'é'),
    fc.integer({ min: 1, max: 3000 }).map((length) => 'v'.repeat(length)),
  );
  const field = fc.tuple(name, value, form);
  const step = fc.tuple(fc.array(field, { maxLength: 12 }), fc.option(fc.integer({ min: 0, max: 4096 })));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (blocks) => {
      const encoder = new ReferenceEncoder(STATIC_FIELDS);
      const decoder = requestDecoder();
      const reference = new HpackDecoder({ ...DEFAULT_LIMITS });
      for (const [fields, size] of blocks) {
        const parts = size === null ? [] : [encoder.sizeUpdate(size)];
        const block = Buffer.concat([...parts, ...fields.map(([n, v, how]) => encoder.field([n, v], how))]);
        decoder.decode(block);
        assert.deepEqual(fieldsOf(decoder.head), reference.decode(block).fields);
        assert.deepEqual(
          [...decoder.sensitive.subarray(0, fields.length)],
          fields.map(([, , how]) => (how.kind === 'literal' && how.store === 'never' ? 1 : 0)),
        );
        assert.equal(decoder.tableBytes, reference.tableBytes);
        assert.equal(decoder.fault, undefined);
      }
    }),
    { seed, numRuns: 300 },
  );
});

test('FieldDecoder answers any octets as HpackDecoder does, but for what it finds wrong with the fields', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 1, maxLength: 8 }), (blocks) => {
      const decoder = requestDecoder();
      const reference = new HpackDecoder({ ...DEFAULT_LIMITS });
      for (const octets of blocks) {
        const block = Buffer.from(octets);
        const expected = breach(() => reference.decode(block));
        assert.equal(
          breach(() => decoder.decode(block)),
          expected,
        );
        if (expected !== 'none') return;
        assert.equal(decoder.tableBytes, reference.tableBytes);
      }
    }),
    { seed, numRuns: 3000 },
  );
});

test('FieldDecoder names what is wrong with a block', () => {
  const rules: readonly (readonly [string, string])[] = [
    ['80', 'index beyond the tables'],
    ['be', 'index beyond the tables'],
    ['7e 01 61', 'index beyond the tables'],
    ['40 05 61', 'string beyond the block'],
    ['40', 'block ends within a field'],
    ['00 01 61', 'block ends within a field'],
    ['ff ff ff ff ff ff 01', 'integer too long'],
    ['00 81 00 00', 'Huffman code'],
    ['82 20', 'table size update'],
    ['20 20 20', 'table size update'],
    ['3f e2 1f', 'table size update'],
  ];
  for (const [block, rule] of rules) {
    assert.equal(
      breach(() => requestDecoder().decode(hex(block))),
      `${Http2Code.compressionError} ${rule}`,
      block,
    );
  }
});

test('FieldDecoder remembers that a kept field is illegal', () => {
  const decoder = requestDecoder();
  const bad = Buffer.concat([Buffer.from([0x40]), text('x-A', false), text('1', false)]);
  decoder.decode(bad);
  assert.equal(decoder.fault, 'field-name');
  decoder.decode(blockOf([['x-b', '1']]));
  assert.equal(decoder.fault, undefined);
  decoder.decode(Buffer.from([0xbe]));
  assert.equal(decoder.fault, 'field-name');
  // Its name with another value, and a good name with a bad value.
  decoder.decode(Buffer.concat([integer(0x40, 0x3f, 62), text('2', true)]));
  assert.equal(decoder.fault, 'field-name');
  decoder.decode(Buffer.concat([Buffer.from([0x40]), text('x-c', false), text('a\nb', false)]));
  assert.equal(decoder.fault, 'field-value');
  decoder.decode(Buffer.concat([integer(0x40, 0x3f, 62), text('fine', false)]));
  assert.equal(decoder.fault, undefined);
  decoder.decode(Buffer.from([0xbf]));
  assert.equal(decoder.fault, 'field-value');
});

test('FieldDecoder refuses names and values by their octets', () => {
  const cases: readonly (readonly [name: string, value: string, fault: string | undefined])[] = [
    ['x-a', 'a\tb c\x80\xff~', undefined],
    ["!#$%&'*+-.^_`|~09az", '', undefined],
    ['', 'a', 'field-name'],
    [':', 'a', 'field-name'],
    ['x a', 'a', 'field-name'],
    ['x-a:', 'a', 'field-name'],
    ['X-a', 'a', 'field-name'],
    ['x\x00', 'a', 'field-name'],
    ['x\xe9', 'a', 'field-name'],
    [':a:b', 'a', 'field-name'],
    [':x', 'a', 'pseudo-unknown'],
    [':methods', 'a', 'pseudo-unknown'],
    [':Method', 'a', 'field-name'],
    ['x', 'a\r\nb: c', 'field-value'],
    ['x', 'a\rb', 'field-value'],
    ['x', 'a\nb', 'field-value'],
    ['x', 'a\x00b', 'field-value'],
    ['x', '\x7f', 'field-value'],
    ['x', '\x01', 'field-value'],
    ['x', ' a', 'field-value'],
    ['x', 'a ', 'field-value'],
    ['x', '\ta', 'field-value'],
    ['x', 'a\t', 'field-value'],
    ['x', ' ', 'field-value'],
    ['connection', 'close', 'connection-field'],
    ['keep-alive', '', 'connection-field'],
    ['proxy-connection', 'close', 'connection-field'],
    ['transfer-encoding', 'chunked', 'connection-field'],
    ['upgrade', 'h2c', 'connection-field'],
    ['te', 'trailers', undefined],
    ['te', 'Trailers', undefined],
    ['te', 'gzip', 'te'],
    ['te', 'trailers, deflate', 'te'],
    ['te', '', 'te'],
  ];
  for (const [name, value, fault] of cases) {
    const decoder = requestDecoder();
    decoder.decode(blockOf([[name, value]]));
    assert.equal(decoder.fault, fault, JSON.stringify([name, value]));
  }
});

test('FieldDecoder joins the crumbs of Cookie, behind the other fields', () => {
  const decoder = requestDecoder();
  const fields: FieldList = [
    ['cookie', 'a=1'],
    ['x', '1'],
    ['cookie', 'b=2'],
    ['cookie', ''],
    ['y', '2'],
  ];
  decoder.decode(blockOf(fields));
  assert.equal(linesOf(decoder.head), 'x: 1\r\ny: 2\r\ncookie: a=1; b=2; \r\n');
  decoder.decode(blockOf([['cookie', 'c=3']]));
  assert.equal(linesOf(decoder.head), 'cookie: c=3\r\n');
  assert.equal(decoder.sensitive[0], 0);
  decoder.decode(
    Buffer.concat([blockOf([['cookie', 'c=3']]), Buffer.from([0x10]), text('cookie', true), text('d', true)]),
  );
  assert.equal(linesOf(decoder.head), 'cookie: c=3; d\r\n');
  assert.equal(decoder.sensitive[0], 1);
});

test('FieldDecoder knows pseudo-headers, their order and that there is one of each', () => {
  const faultOf = (fields: FieldList): string | undefined => {
    const decoder = requestDecoder();
    decoder.decode(blockOf(fields));
    return decoder.fault;
  };
  assert.equal(faultOf(PSEUDO.map(([name]) => [name, 'x'])), undefined);
  assert.equal(
    faultOf([
      ['x', ''],
      [':path', '/'],
    ]),
    'pseudo-late',
  );
  assert.equal(
    faultOf([
      ['cookie', ''],
      [':path', '/'],
    ]),
    'pseudo-late',
  );
  for (const [name] of PSEUDO)
    assert.equal(
      faultOf([
        [name, 'a'],
        [name, 'a'],
      ]),
      'pseudo-duplicate',
    );
});

test('FieldDecoder finds a list too long by one byte or one field, and keeps its table in step all the same', () => {
  const list = 3 * (32 + 'x-name'.length + 4);
  const fields: FieldList = ['aaaa', 'bbbb', 'cccc'].map((value) => ['x-name', value]);
  const faultWith = (limits: object): string | undefined => {
    const decoder = requestDecoder(limits);
    decoder.decode(blockOf(fields));
    return decoder.fault;
  };
  assert.equal(faultWith({ headerListMaxBytes: list }), undefined);
  assert.equal(faultWith({ headerListMaxBytes: list - 1 }), 'section-length');
  assert.equal(faultWith({ headerCountMax: 3 }), undefined);
  assert.equal(faultWith({ headerCountMax: 2 }), 'section-length');
  const decoder = requestDecoder({ headerListMaxBytes: 100 });
  const kept = (name: string): Buffer =>
    Buffer.concat([Buffer.from([0x40]), text(name, false), text('v'.repeat(50), false)]);
  decoder.decode(Buffer.concat([kept('x-1'), kept('x-2'), kept('x-3')]));
  assert.equal(decoder.fault, 'section-length');
  decoder.decode(Buffer.from([0xbe]));
  assert.equal(linesOf(decoder.head), `x-3: ${'v'.repeat(50)}\r\n`);
});

test('FieldDecoder keeps little memory whatever it is given, and ends a connection whose lists expand without measure', () => {
  const decoder = requestDecoder();
  const long = 'n'.repeat(4000);
  decoder.decode(Buffer.concat([Buffer.from([0x40]), text(long, false), text('', false)]));
  // Two bytes each: the long name again, to be kept, with an empty value.
  const bomb = Buffer.alloc(2 * 60, Buffer.from([0x7e, 0x00]));
  for (let round = 0; round < 50; round += 1) {
    decoder.decode(bomb);
    assert.equal(decoder.fault, 'section-length');
    assert.ok(decoder.memoryBytes <= 256 * 1024, `${decoder.memoryBytes}`);
  }
  decoder.decode(Buffer.from([0xbe]));
  assert.equal(decoder.head.name(0), long);
  decoder.decode(Buffer.from([0x82]));
  assert.ok(decoder.memoryBytes <= 32 * 1024, `${decoder.memoryBytes}`);
  const rule = `${Http2Code.enhanceYourCalm} header list expands beyond all measure`;
  assert.equal(
    breach(() => decoder.decode(Buffer.alloc(2 * 70, Buffer.from([0x7e, 0x00])))),
    rule,
  );
});
