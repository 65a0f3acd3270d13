import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFields, HeadWriter, type WriteProblem } from './head-writer.ts';
import { RequestReader } from './request-reader.ts';
import { ResponseReader } from './response-reader.ts';

const writer = new HeadWriter();
const memory = Buffer.alloc(1000);

/** What is written into the middle of memory, or the problem. */
function written(write: (to: HeadWriter) => void, room = 500): string {
  memory.fill('.');
  writer.begin(memory, 7, 7 + room);
  write(writer);
  return result(room);
}

function result(room = 500): string {
  const end = writer.end();
  assert.equal(end === -1, writer.problem !== undefined);
  assert.equal(memory.toString('latin1', 0, 7), '.......');
  assert.equal(memory.toString('latin1', 7 + room), '.'.repeat(memory.length - 7 - room), 'nothing beyond the limit');
  return writer.problem ?? memory.toString('latin1', 7, end);
}

function requestHead(text: string): RequestReader['head'] {
  const reader = new RequestReader();
  const bytes = Buffer.from(text, 'latin1');
  assert.equal(reader.read(bytes, 0, bytes.length), 'head', reader.fault?.code);
  return reader.head;
}

test('HeadWriter writes start lines, fields and one framing', () => {
  const added = encodeFields([
    ['via', '1.1 ambit'],
    ['x-b', ''],
  ]);
  assert.ok(typeof added === 'object');
  const table: readonly (readonly [write: (to: HeadWriter) => void, text: string])[] = [
    [(to) => to.requestLine('GET', '/a?b'), 'GET /a?b HTTP/1.1\r\n\r\n'],
    [(to) => to.statusLine(404, 'Not Found'), 'HTTP/1.1 404 Not Found\r\n\r\n'],
    [(to) => to.statusLine(200, ''), 'HTTP/1.1 200 \r\n\r\n'],
    [
      (to) => {
        to.requestLine('X', '*');
        to.field('Host', 'a');
        to.field('x-e', '\t\xe9');
        to.encoded(added);
        to.contentLength(9007199254740991);
      },
      'X * HTTP/1.1\r\nHost: a\r\nx-e: \t\xe9\r\nvia: 1.1 ambit\r\nx-b: \r\ncontent-length: 9007199254740991\r\n\r\n',
    ],
    [
      (to) => {
        to.statusLine(200, 'OK');
        to.chunked();
      },
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
    ],
  ];
  for (const [write, text] of table) assert.equal(written(write), text);
});

test('HeadWriter refuses what would not be one head', () => {
  const table: readonly (readonly [problem: WriteProblem, write: (to: HeadWriter) => void])[] = [
    ['method', (to) => to.requestLine('', '/')],
    ['method', (to) => to.requestLine('GET /x', '/')],
    ['method', (to) => to.requestLine('G\r\nT', '/')],
    ['target', (to) => to.requestLine('GET', '')],
    ['target', (to) => to.requestLine('GET', '/ HTTP/1.1\r\nX: y')],
    ['target', (to) => to.requestLine('GET', '/\u0120')],
    ['target', (to) => to.requestLine('GET', '/\xe9')],
    ['status', (to) => to.statusLine(99, '')],
    ['status', (to) => to.statusLine(1000, '')],
    ['status', (to) => to.statusLine(200.5, '')],
    ['status', (to) => to.statusLine(Number.NaN, '')],
    ['reason', (to) => to.statusLine(200, 'a\nb')],
    ['field-name', (to) => to.field('', 'a')],
    ['field-name', (to) => to.field('a b', 'a')],
    ['field-name', (to) => to.field('a:', 'a')],
    ['field-name', (to) => to.field(':path', 'a')],
    ['field-name', (to) => to.field('a\r\nb', 'a')],
    ['field-name', (to) => to.field('\u0141', 'a')],
    ['field-value', (to) => to.field('a', 'b\r\nc: d')],
    ['field-value', (to) => to.field('a', 'b\nc')],
    ['field-value', (to) => to.field('a', 'b\0c')],
    // Its low byte is CR.
    ['field-value', (to) => to.field('a', '\u010d')],
    ['host', (to) => to.field('hosT', 'a, b')],
    ['host', (to) => to.field('host', '')],
    ['framing-field', (to) => to.field('Content-Length', '1')],
    ['framing-field', (to) => to.field('transfer-ENCODING', 'chunked')],
    ['framing-field', (to) => to.contentLength(-1)],
    ['framing-field', (to) => to.contentLength(1.5)],
    ['framing-field', (to) => to.contentLength(2 ** 53)],
  ];
  for (const [problem, write] of table) {
    const after = (to: HeadWriter): void => {
      write(to);
      to.field('x', 'y');
      to.statusLine(200, 'OK');
    };
    assert.equal(written(after), problem);
  }
  const twice = (to: HeadWriter): void => {
    to.contentLength(1);
    to.chunked();
  };
  assert.equal(written(twice), 'framing-twice');
  assert.equal(
    encodeFields([
      ['a', 'b'],
      ['c', '\n'],
    ]),
    'field-value',
  );
});

test('HeadWriter fits a head into just enough room, and says when there is less', () => {
  const head = requestHead('GET /abc HTTP/1.1\r\nHost: a\r\nX:  b\r\n\r\n');
  const write = (to: HeadWriter): void => {
    to.requestLineOf(head);
    to.fieldsOf(head);
    to.field('y', 'z');
    to.contentLength(10);
  };
  const text = 'GET /abc HTTP/1.1\r\nHost: a\r\nX: b\r\ny: z\r\ncontent-length: 10\r\n\r\n';
  assert.equal(written(write, text.length), text);
  for (let room = 0; room < text.length; room += 1) assert.equal(written(write, room), 'no-room');
});

test('HeadWriter copies received fields as they are, but for framing, what is dropped, and odd white space', () => {
  const head = requestHead(
    'GET http://a/b HTTP/1.0\r\nhOsT: a\r\nX-A:1\r\nX-B: 2 \r\nCONTENT-length: 3\r\nX-C:\t3\r\nX-D:\r\nX-D: \r\nx-e:  5\r\nX-F: 6\r\n\r\n',
  );
  const all = 'hOsT: a\r\nX-A:1\r\nX-B: 2\r\nX-C: 3\r\nX-D:\r\nX-D: \r\nx-e: 5\r\nX-F: 6\r\n\r\n';
  assert.equal(
    written((to) => to.fieldsOf(head)),
    all,
  );
  assert.equal(
    written((to) => to.requestLineOf(head)),
    'GET http://a/b HTTP/1.1\r\n\r\n',
  );
  const dropped = new Uint8Array(head.count);
  for (let mask = 0; mask < 2 ** head.count; mask += 1) {
    for (let index = 0; index < head.count; index += 1) dropped[index] = (mask >> index) & 1;
    const lines = all.slice(0, -4).split('\r\n');
    lines.splice(3, 0, '');
    const kept = lines.filter((line, index) => line !== '' && dropped[index] === 0);
    const expected = `${kept.map((line) => `${line}\r\n`).join('')}\r\n`;
    assert.equal(
      written((to) => to.fieldsOf(head, dropped)),
      expected,
    );
  }
});

test('HeadWriter passes on a status with its reason, and its own version', () => {
  for (const [line, expected] of [
    ['HTTP/1.0 200 Fine \xe9', 'HTTP/1.1 200 Fine \xe9\r\n\r\n'],
    ['HTTP/1.1 204', 'HTTP/1.1 204 \r\n\r\n'],
  ] as const) {
    const reader = new ResponseReader();
    reader.expectResponse({ method: 'GET', upgrade: false });
    const bytes = Buffer.from(`${line}\r\n\r\n`, 'latin1');
    assert.equal(reader.read(bytes, 0, bytes.length), 'head');
    assert.equal(
      written((to) => to.statusLineOf(reader.head)),
      expected,
    );
    assert.equal(
      written((to) => to.statusLineOf(reader.head), 5),
      'no-room',
    );
  }
});

test('HeadWriter writes trailers, and refuses what may not be one', () => {
  const trailers = (write: (to: HeadWriter) => void): string => {
    memory.fill('.');
    writer.beginTrailers(memory, 7, 507);
    write(writer);
    return result();
  };
  assert.equal(
    trailers(() => {}),
    '0\r\n\r\n',
  );
  assert.equal(
    trailers((to) => to.field('grpc-status', '0')),
    '0\r\ngrpc-status: 0\r\n\r\n',
  );
  assert.equal(
    trailers((to) => to.field('Content-Type', 'x')),
    'trailer-forbidden',
  );
  assert.equal(
    trailers((to) => to.field('Content-Length', '1')),
    'framing-field',
  );
  assert.equal(
    trailers((to) => to.chunked()),
    'framing-twice',
  );
});
