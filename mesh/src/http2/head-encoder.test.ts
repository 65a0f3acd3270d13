import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fieldsOf, type FieldList } from '../testing/http1-steps.ts';
import { requestDecoder, requestOf, responseDecoder, responseOf } from '../testing/http2-heads.ts';
import { FRAME_HEADER_BYTES } from '../hbone/frame-codec.ts';
import { HpackDecoder } from '../hbone/hpack-decoder.ts';
import { STATIC_FIELDS } from '../hbone/hpack-table.ts';
import { RequestHead, ResponseHead } from '../http1/head.ts';
import { RequestReader } from '../http1/request-reader.ts';
import { ResponseReader } from '../http1/response-reader.ts';
import { staticNameOf } from './field-encoder.ts';
import { HeadEncoder, type RequestTarget } from './head-encoder.ts';
import { DEFAULT_LIMITS } from './limits.ts';

const seed = 20261127;

/** The block that `write` makes, as its connection would send it. */
function blockOf(encoder: HeadEncoder, write: (encoder: HeadEncoder) => void): Buffer {
  encoder.begin();
  write(encoder);
  assert.equal(encoder.end(), true, encoder.problem);
  assert.equal(encoder.take(), true);
  return Buffer.from(encoder.out.subarray(FRAME_HEADER_BYTES, encoder.blockEnd));
}

const HOME: RequestTarget = { method: 'GET', scheme: 'http', authority: 'a', path: '/' };
const fieldsWritten = (encoder: HeadEncoder, fields: FieldList): Buffer =>
  blockOf(encoder, (head) => {
    head.request(HOME);
    for (const [name, value] of fields) head.field(name, value);
  });

/** A request head as HTTP/1.1 brings it. */
function http1Request(text: string): RequestHead {
  const reader = new RequestReader();
  const bytes = Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1');
  assert.equal(reader.read(bytes, 0, bytes.length), 'head', reader.fault?.code);
  return reader.head;
}

test('HeadEncoder writes requests that are read as what was meant', () => {
  const cases: readonly (readonly [target: RequestTarget, start: string])[] = [
    [HOME, 'GET origin http a /'],
    [{ ...HOME, method: 'POST', scheme: 'https', path: '/b?c' }, 'POST origin https a /b?c'],
    [{ ...HOME, method: 'PURGE', authority: '[::1]:80' }, 'PURGE origin http [::1]:80 /'],
    [{ ...HOME, method: 'OPTIONS', path: '*' }, 'OPTIONS asterisk http a *'],
    [{ ...HOME, method: 'CONNECT', authority: 'a:1', path: '' }, 'CONNECT authority http a:1 '],
    [{ ...HOME, method: 'CONNECT', protocol: 'websocket' }, 'CONNECT origin http a / protocol=websocket'],
  ];
  for (const [target, start] of cases) {
    const read = requestOf(blockOf(new HeadEncoder(), (head) => head.request(target)));
    assert.equal(typeof read === 'string' ? read : read.start, start);
  }
});

test('HeadEncoder passes requests of HTTP/1.1 on: names small, Host and what ends at the hop left out', () => {
  const cases: readonly (readonly [text: string, start: string, fields: FieldList])[] = [
    [
      'GET /x HTTP/1.1\nHost: a\nX-A:  b \nConnection: keep-alive, x-b\nKeep-Alive: 5\nTE: trailers\nContent-Length: 3\n\n',
      'GET origin http a /x',
      [
        ['x-a', 'b'],
        ['te', 'trailers'],
      ],
    ],
    ['GET / HTTP/1.1\nHost: a\nTE: gzip\nUpgrade: x\nHTTP2-Settings: y\n\n', 'GET origin http a /', []],
    ['POST /?q HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n', 'POST origin http a /?q', []],
    ['GET https://b:1 HTTP/1.1\nHost: b:1\n\n', 'GET origin https b:1 /', []],
    ['GET http://b:1?q HTTP/1.1\nHost: b:1\n\n', 'GET origin http b:1 /?q', []],
    ['OPTIONS http://b HTTP/1.1\nHost: b\n\n', 'OPTIONS asterisk http b *', []],
    ['OPTIONS * HTTP/1.1\nHost: b\n\n', 'OPTIONS asterisk http b *', []],
    ['CONNECT b:1 HTTP/1.1\nHost: b:1\n\n', 'CONNECT authority http b:1 ', []],
  ];
  for (const [text, start, fields] of cases) {
    const head = http1Request(text);
    const read = requestOf(
      blockOf(new HeadEncoder(), (encoder) => {
        encoder.requestOf(head);
        encoder.fieldsOf(head);
      }),
    );
    assert.ok(typeof read !== 'string', JSON.stringify(read));
    assert.deepEqual([read.start, read.fields], [start, fields]);
  }
});

test('HeadEncoder passes responses of HTTP/1.1 on, and writes statuses', () => {
  const reader = new ResponseReader();
  reader.expectResponse({ method: 'GET', upgrade: false });
  const bytes = Buffer.from('HTTP/1.1 201 Created\r\nServer: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n');
  assert.equal(reader.read(bytes, 0, bytes.length), 'head');
  const block = blockOf(new HeadEncoder(), (encoder) => {
    encoder.status(reader.head.status);
    encoder.fieldsOf(reader.head);
    encoder.contentLength(reader.head.contentLength);
  });
  assert.deepEqual(responseOf(block, false), {
    start: '201',
    fields: [
      ['server', 'x'],
      ['content-length', '2'],
    ],
    framing: 'length 2',
  });
  for (const status of [100, 103, 200, 204, 206, 304, 400, 404, 418, 500, 503, 999]) {
    const read = responseOf(
      blockOf(new HeadEncoder(), (encoder) => encoder.status(status)),
      status >= 200,
    );
    assert.equal(typeof read === 'string' ? read : Number.parseInt(read.start, 10), status);
  }
});

test('HeadEncoder leaves out what is marked, and says again what the peer wanted in no table', () => {
  const decoder = requestDecoder();
  const plain: FieldList = [
    ['x-1', 'a'],
    ['x-2', 'b'],
    ['x-3', 'c'],
  ];
  decoder.decode(fieldsWritten(new HeadEncoder(), plain));
  const dropped = Uint8Array.of(0, 1, 0);
  decoder.head.sensitive = Uint8Array.of(0, 0, 1);
  const encoder = new HeadEncoder();
  const next = requestDecoder();
  for (let time = 0; time < 3; time += 1) {
    next.decode(
      blockOf(encoder, (head) => {
        head.request(HOME);
        head.fieldsOf(decoder.head, dropped);
      }),
    );
    assert.deepEqual(fieldsOf(next.head), [plain[0], plain[2]]);
    assert.deepEqual([...next.sensitive.subarray(0, 2)], [0, 1]);
  }
});

test('HeadEncoder puts a field into the table when it comes again, and secrets never', () => {
  const encoder = new HeadEncoder();
  const decoder = requestDecoder();
  const fields: FieldList = [
    ['user-agent', 'curl/8.1'],
    ['x-tenant', 'shop'],
    ['authorization', 'Bearer abc'],
    ['Proxy-Authorization', 'Basic abc'],
    ['cookie', 'a=b'],
  ];
  const sizes = [0, 1, 2, 3].map(() => {
    const block = fieldsWritten(encoder, fields);
    decoder.decode(block);
    assert.deepEqual(
      fieldsOf(decoder.head),
      fields.map(([name, value]) => [name.toLowerCase(), value]),
    );
    assert.deepEqual([...decoder.sensitive.subarray(0, fields.length)], [0, 0, 1, 1, 1]);
    assert.equal(decoder.tableBytes, encoder.tableBytes);
    return block.length;
  });
  assert.equal(encoder.tableBytes, 32 * 3 + 'user-agentcurl/8.1x-tenantshop:authoritya'.length);
  // The opcode that keeps has room for one bit of the index more; then three fields are one octet each.
  assert.deepEqual(sizes, [63, 62, 37, 37]);
});

test('HeadEncoder does not fill the table with what never comes again', () => {
  const encoder = new HeadEncoder();
  for (let i = 0; i < 1000; i += 1) {
    const id = `${(i * 2654435761) % 2 ** 32}`.padStart(10, '0');
    fieldsWritten(encoder, [['x-request-id', `7f4f6a0a-3f3e-4d07-9c3f-${id}`]]);
  }
  assert.ok(encoder.tableBytes < 32 + 12 + 34 + 200, `${encoder.tableBytes}`);
});

test('what HeadEncoder writes is what FieldDecoder and HpackDecoder read, whatever the peer makes of the table', () => {
  const name = fc.constantFrom('accept', 'x-a', 'X-B', 'date', 'via', 'x-very-much-longer-name');
  const value = fc.oneof(
    fc.constantFrom('', 'a', 'text/html', 'b'.repeat(200)),
    fc.integer({ min: 0, max: 40 }).map((n) => `value-${n}`),
    fc.integer({ min: 900, max: 5000 }).map((n) => 'l'.repeat(n)),
  );
  const step = fc.record({
    fields: fc.array(fc.tuple(name, value), { maxLength: 12 }),
    limit: fc.option(fc.constantFrom(0, 31, 64, 200, 1000, 4096, 65536)),
    abandoned: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const encoder = new HeadEncoder();
      const decoder = requestDecoder();
      const reference = new HpackDecoder({ ...DEFAULT_LIMITS });
      for (const { fields, limit, abandoned } of steps) {
        if (limit !== null) encoder.limitTable(limit);
        if (abandoned) {
          encoder.begin();
          for (const [n, v] of fields) encoder.field(n, v);
        }
        const block = fieldsWritten(encoder, fields);
        decoder.decode(block);
        const lower = fields.map(([n, v]) => [n.toLowerCase(), v]);
        assert.deepEqual(fieldsOf(decoder.head), lower);
        assert.deepEqual(reference.decode(block).fields.slice(4), lower);
        assert.equal(decoder.tableBytes, encoder.tableBytes);
      }
    }),
    { seed, numRuns: 300 },
  );
});

test('HeadEncoder keeps the table within what the peer allows', () => {
  const encoder = new HeadEncoder();
  encoder.limitTable(100);
  for (let i = 0; i < 50; i += 1) {
    fieldsWritten(encoder, [[`x-${i % 7}`, `${i % 3}`]]);
    assert.ok(encoder.tableBytes <= 100);
  }
});

test('HeadEncoder refuses what would be no message', () => {
  const cases: readonly (readonly [write: (head: HeadEncoder) => void, problem: string])[] = [
    [(head) => head.request({ ...HOME, method: '' }), 'method'],
    [(head) => head.request({ ...HOME, method: 'G T' }), 'method'],
    [(head) => head.request({ ...HOME, method: 'Ā' }), 'method'],
    [(head) => head.request({ ...HOME, path: '' }), 'path'],
    [(head) => head.request({ ...HOME, path: 'x' }), 'path'],
    [(head) => head.request({ ...HOME, path: '*' }), 'path'],
    [(head) => head.request({ ...HOME, path: '/a b' }), 'path'],
    [(head) => head.request({ ...HOME, path: '/\r\n' }), 'path'],
    [(head) => head.request({ ...HOME, path: '/Ċ' }), 'path'],
    [(head) => head.request({ ...HOME, authority: '' }), 'authority'],
    [(head) => head.request({ ...HOME, authority: 'u@a' }), 'authority'],
    [(head) => head.request({ ...HOME, method: 'CONNECT', path: '' }), 'authority'],
    [(head) => head.request({ ...HOME, method: 'CONNECT', authority: 'a:1' }), 'path'],
    [(head) => head.request({ ...HOME, protocol: 'websocket' }), 'protocol'],
    [(head) => head.request({ ...HOME, method: 'CONNECT', protocol: '' }), 'protocol'],
    [(head) => head.request({ ...HOME, method: 'CONNECT', protocol: 'a b' }), 'protocol'],
    [(head) => head.requestOf(http1Request('GET / HTTP/1.0\n\n')), 'authority'],
    [(head) => head.status(101), 'status'],
    [(head) => head.status(99), 'status'],
    [(head) => head.status(1000), 'status'],
    [(head) => head.status(200.5), 'status'],
    [(head) => head.field('', 'a'), 'field-name'],
    [(head) => head.field(':path', '/'), 'field-name'],
    [(head) => head.field('x y', 'a'), 'field-name'],
    [(head) => head.field('x\n', 'a'), 'field-name'],
    [(head) => head.field('xŁ', 'a'), 'field-name'],
    [(head) => head.field('x', 'a\nb'), 'field-value'],
    [(head) => head.field('x', 'a\0'), 'field-value'],
    [(head) => head.field('x', ' a'), 'field-value'],
    [(head) => head.field('x', 'a\t'), 'field-value'],
    [(head) => head.field('x', 'Ċ'), 'field-value'],
    [(head) => head.field('Content-Length', '1'), 'framing-field'],
    [(head) => head.field('transfer-encoding', 'chunked'), 'framing-field'],
    [(head) => head.field('Connection', 'close'), 'connection-field'],
    [(head) => head.field('Keep-Alive', ''), 'connection-field'],
    [(head) => head.field('proxy-connection', ''), 'connection-field'],
    [(head) => head.field('upgrade', 'x'), 'connection-field'],
    [(head) => head.field('http2-settings', 'x'), 'connection-field'],
    [(head) => head.field('host', 'a'), 'connection-field'],
    [(head) => head.field('te', 'gzip'), 'connection-field'],
    [(head) => head.contentLength(-1), 'framing-field'],
    [(head) => head.contentLength(2 ** 60), 'framing-field'],
    [(head) => [1, 1].forEach((length) => head.contentLength(length)), 'framing-twice'],
  ];
  for (const [write, problem] of cases) {
    const encoder = new HeadEncoder();
    encoder.begin();
    write(encoder);
    encoder.field('x-after', '1');
    assert.equal(encoder.end(), false, problem);
    assert.equal(encoder.problem, problem);
    assert.equal(encoder.take(), false);
  }
});

test('HeadEncoder writes trailers, and nothing that would frame or route', () => {
  const encoder = new HeadEncoder();
  encoder.beginTrailers();
  encoder.field('grpc-status', '0');
  assert.equal(encoder.end(), true);
  for (const name of ['date', 'Authorization', 'Cookie']) {
    encoder.beginTrailers();
    encoder.field(name, 'x');
    assert.equal(encoder.end(), false);
    assert.equal(encoder.problem, 'trailer-forbidden');
  }
  encoder.beginTrailers();
  encoder.contentLength(0);
  assert.equal(encoder.problem, 'framing-twice');
});

test('HeadEncoder sends no list that the peer would not take', () => {
  const encoder = new HeadEncoder();
  const size = 4 * 32 + ':methodGET:schemehttp:authoritya:path/'.length;
  encoder.peerListMaxBytes = size;
  blockOf(encoder, (head) => head.request(HOME));
  encoder.peerListMaxBytes = size - 1;
  encoder.begin();
  encoder.request(HOME);
  assert.equal(encoder.end(), false);
  assert.equal(encoder.problem, 'section-length');
});

test('HeadEncoder writes long heads and gives their memory back', () => {
  const encoder = new HeadEncoder();
  const fields: FieldList = Array.from({ length: 30 }, (_, i) => [`x-${i}`, 'v'.repeat(1500)]);
  const decoder = responseDecoder();
  decoder.decode(
    blockOf(encoder, (head) => {
      head.status(200);
      for (const [name, value] of fields) head.field(name, value);
    }),
  );
  assert.deepEqual(fieldsOf(decoder.head), fields);
  blockOf(encoder, (head) => head.status(200));
  assert.ok(encoder.out.length <= 16 * 1024);
  assert.ok(new ResponseHead().count === 0 && new RequestHead().count === 0);
});

test('staticNameOf() finds every name of the static table, in any case, and no other', () => {
  for (const [at, [name]] of STATIC_FIELDS.entries()) {
    const first = STATIC_FIELDS.findIndex((field) => field[0] === name);
    for (const text of [name, name.toUpperCase()]) {
      assert.equal(staticNameOf(Buffer.from(`.${text}.`), 1, 1 + text.length), first + 1, `${at} ${text}`);
    }
    assert.equal(staticNameOf(Buffer.from(`${name}x`), 0, name.length + 1), 0);
  }
});
