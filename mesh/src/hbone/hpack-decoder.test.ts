import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FieldForm, integer, ReferenceEncoder, text } from '../testing/hpack-reference.ts';
import { until } from '../testing/until.ts';
import { Http2Code, Http2Violation } from './frame-codec.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { CONNECT_BYTES_MAX, encodeConnect, encodedBytesMax, encodeFields, encodeStatus } from './hpack-encoder.ts';
import { type HeaderField, HpackTable } from './hpack-table.ts';
import { DEFAULT_LIMITS } from './limits.ts';

const seed = 20261121;
const statics: HeaderField[] = Array.from({ length: 61 }, (_, i) => new HpackTable(0).lookup(i + 1) ?? ['', '']);
const decoder = (limits = {}): HpackDecoder => new HpackDecoder({ ...DEFAULT_LIMITS, ...limits });
const hex = (bytes: string): Buffer => Buffer.from(bytes.replaceAll(' ', ''), 'hex');

function breach(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Http2Violation);
    assert.equal(error.http2Code, Http2Code.compressionError);
    return error.rule;
  }
  return assert.fail('no breach');
}

test('the decoder follows the request examples of RFC 7541 C.4', () => {
  const under = decoder();
  const blocks = [
    '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    '8286 84be 5886 a8eb 1064 9cbf',
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
  ];
  const lists = blocks.map((block) => under.decode(hex(block)).fields);
  const common: HeaderField[] = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ];
  assert.deepEqual(lists[0], common);
  assert.deepEqual(lists[1], [...common, ['cache-control', 'no-cache']]);
  assert.deepEqual(lists[2], [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ]);
  assert.equal(under.tableBytes, 164);
});

test('the decoder evicts as the response examples of RFC 7541 C.6 do', () => {
  const under = decoder();
  under.decode(hex('3fe1 01'));
  const blocks = [
    '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    '4883 640e ffc1 c0bf',
  ];
  const lists = blocks.map((block) => under.decode(hex(block)).fields);
  const rest: HeaderField[] = [
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ];
  assert.deepEqual(lists, [
    [[':status', '302'], ...rest],
    [[':status', '307'], ...rest],
  ]);
  assert.equal(under.tableBytes, 222);
});

const name = fc.oneof(fc.constantFrom(...statics.map(([known]) => known)), fc.stringMatching(/^[a-z0-9-]{1,40}$/));
const value = fc.oneof(
  fc.constantFrom('', 'GET', '/', '200'),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);
const form: fc.Arbitrary<FieldForm> = fc.oneof(
  fc.constant<FieldForm>({ kind: 'indexed' }),
  fc.record({
    kind: fc.constant('literal' as const),
    store: fc.constantFrom('index' as const, 'plain' as const, 'never' as const),
    nameIndexed: fc.boolean(),
    huffman: fc.boolean(),
  }),
);
const header = fc.record({ field: fc.tuple(name, value), form });
const block = fc.record({
  update: fc.option(fc.integer({ min: 0, max: 4096 }), { freq: 3 }),
  headers: fc.array(header, { maxLength: 12 }),
});

test('the decoder reads back whatever a complete encoder writes, block after block', () => {
  fc.assert(
    fc.property(fc.array(block, { maxLength: 20 }), (blocks) => {
      const encoder = new ReferenceEncoder(statics);
      const under = decoder();
      for (const { update, headers } of blocks) {
        const parts = update === null ? [] : [encoder.sizeUpdate(update)];
        for (const { field, form: written } of headers) parts.push(encoder.field(field, written));
        const decoded = under.decode(Buffer.concat(parts));
        assert.deepEqual(decoded, { fields: headers.map(({ field }) => field), oversized: false });
        assert.ok(under.tableBytes <= 4096);
      }
    }),
    { seed, numRuns: 300 },
  );
});

test('the decoder answers any octets with headers or a compression error, and stays within its limits', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 120 }), { maxLength: 6 }), (blocks) => {
      const under = decoder({ headerListMaxBytes: 500, headerCountMax: 5 });
      try {
        for (const bytes of blocks) {
          const { fields } = under.decode(Buffer.from(bytes));
          assert.ok(fields.length <= 5 && under.tableBytes <= 4096);
        }
      } catch (error) {
        assert.ok(error instanceof Http2Violation && error.http2Code === Http2Code.compressionError);
      }
    }),
    { seed, numRuns: 2000 },
  );
});

test('the decoder names what is wrong with a block', () => {
  const cases: readonly [Buffer, string][] = [
    [hex('80'), 'index beyond the tables'],
    [hex('be'), 'index beyond the tables'],
    [hex('7e 01 61'), 'index beyond the tables'],
    [hex('ff ff ff ff ff 0f'), 'integer too long'],
    [hex('ff'), 'block ends within a field'],
    [hex('40'), 'block ends within a field'],
    [hex('40 05 61'), 'string beyond the block'],
    [hex('40 81 ff 00'), 'Huffman code'],
    [hex('82 20'), 'table size update'],
    [hex('20 20 20'), 'table size update'],
    [hex('3f e2 1f'), 'table size update'],
  ];
  for (const [bytes, rule] of cases)
    assert.equal(
      breach(() => decoder().decode(bytes)),
      rule,
      bytes.toString('hex'),
    );
});

test('the decoder keeps its table in step through a header list that is too large', () => {
  const encoder = new ReferenceEncoder(statics);
  const under = decoder({ headerCountMax: 2 });
  const stored: FieldForm = { kind: 'literal', store: 'index', nameIndexed: false, huffman: false };
  const first = ['a', 'b', 'c', 'd'].map((letter) => encoder.field([letter, letter], stored));
  assert.deepEqual(under.decode(Buffer.concat(first)), {
    fields: [
      ['a', 'a'],
      ['b', 'b'],
    ],
    oversized: true,
  });
  const again = under.decode(encoder.field(['d', 'd'], { kind: 'indexed' }));
  assert.deepEqual(again, { fields: [['d', 'd']], oversized: false });
});

test('the decoder counts 32 bytes beside each field of a list', () => {
  const bytes = Buffer.concat([integer(0, 0x0f, 0), text('ab', false), text('cd', false)]);
  assert.equal(decoder({ headerListMaxBytes: 36 }).decode(bytes).oversized, false);
  assert.equal(decoder({ headerListMaxBytes: 35 }).decode(bytes).oversized, true);
});

test('an entry larger than the table empties it', () => {
  const table = new HpackTable(100);
  table.add(['a', 'b']);
  assert.equal(table.sizeBytes, 34);
  table.add(['a', 'x'.repeat(70)]);
  assert.equal(table.sizeBytes, 0);
  assert.equal(table.lookup(62), undefined);
  assert.equal(table.resize(101), false);
});

test('the table forgets long evicted entries for good', () => {
  const table = new HpackTable(100);
  for (let i = 0; i < 1000; i += 1) table.add(['n', String(i)]);
  assert.deepEqual([table.lookup(62), table.lookup(63), table.lookup(64)], [['n', '999'], ['n', '998'], undefined]);
  assert.deepEqual(table.lookup(0), undefined);
});

test('the encoder writes what the decoder reads', () => {
  const fields = fc.array(fc.tuple(fc.stringMatching(/^[a-z-]{1,20}$/), value), { maxLength: 8 });
  fc.assert(
    fc.property(
      fields,
      fc.stringMatching(/^[a-z0-9.:]{1,300}$/),
      fc.integer({ min: 100, max: 599 }),
      (list, authority, status) => {
        const target = Buffer.alloc(CONNECT_BYTES_MAX + authority.length + encodedBytesMax(list));
        const end = encodeFields(target, encodeConnect(target, 0, authority), list);
        assert.deepEqual(decoder().decode(target.subarray(0, end)).fields, [
          [':method', 'CONNECT'],
          [':authority', authority],
          ...list,
        ]);
        const statusEnd = encodeStatus(target, 0, status);
        assert.deepEqual(decoder().decode(target.subarray(0, statusEnd)).fields, [[':status', String(status)]]);
      },
    ),
    { seed, numRuns: 200 },
  );
});

test('the decoder agrees with the encoder of node:http2 over many requests of one connection', async () => {
  const blocks: Buffer[] = [];
  const sink: FrameSink = {
    onFrameHeader: () => {},
    onDataBegin: () => {},
    onDataBytes: () => {},
    onDataEnd: () => {},
    onFrame: () => {},
    onHeaderBlock: (_id, bytes) => void blocks.push(Buffer.from(bytes)),
  };
  const reader = new FrameReader('server', sink, DEFAULT_LIMITS);
  const wire = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      reader.push(chunk, 0, chunk.length);
      done();
    },
  });
  const client = http2.connect('http://mesh.test', { createConnection: () => wire });
  client.on('error', () => {});
  const sent: HeaderField[][] = [];
  for (let i = 0; i < 100; i += 1) {
    const authority = `10.0.${i % 7}.1:${8000 + (i % 5)}`;
    const baggage = `k8s.namespace.name=shop-${i % 3},unicode=\u00e9\u00ff~!@#$%^&*()${'x'.repeat(i * 3)}`;
    const request = client.request({
      ':method': 'CONNECT',
      ':authority': authority,
      baggage,
      [`x-${i % 11}`]: String(i),
    });
    request.on('error', () => {});
    sent.push([
      [':method', 'CONNECT'],
      [':authority', authority],
      ['baggage', baggage],
      [`x-${i % 11}`, String(i)],
    ]);
  }
  await until('all requests', () => blocks.length === sent.length);
  const under = decoder();
  for (const [i, bytes] of blocks.entries()) assert.deepEqual(under.decode(bytes).fields, sent[i]);
  assert.ok(under.tableBytes > 0);
  client.destroy();
});
