import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FieldList, fieldsOf, requestEvents, responseEvents } from '../testing/http1-steps.ts';
import { requestDecoder, requestOf, responseDecoder, responseOf } from '../testing/http2-heads.ts';
import { FRAME_HEADER_BYTES } from '../hbone/frame-codec.ts';
import type { OutgoingFraming } from '../http1/decide-framing.ts';
import type { RequestHead, ResponseHead } from '../http1/head.ts';
import { HeadWriter } from '../http1/head-writer.ts';
import { RequestReader } from '../http1/request-reader.ts';
import { ResponseReader } from '../http1/response-reader.ts';
import { fieldBlockOf } from './field-text.ts';
import { HeadEncoder } from './head-encoder.ts';
import {
  endsWithHead,
  markEndingFields,
  markForbiddenTrailers,
  type NextServer,
  passesTrailers,
  translateRequest,
  translateResponse,
  type Version,
} from './translate-message.ts';
import { beginRequest1, beginRequest2, beginResponse1, beginResponse2, frame } from './translate-write.ts';

const HTTP1: NextServer = { version: 'http/1.1', takesExtendedConnect: false };
const HTTP2: NextServer = { version: 'http/2', takesExtendedConnect: true };
const HTTP2_PLAIN: NextServer = { version: 'http/2', takesExtendedConnect: false };

function fromHttp1(text: string): RequestHead {
  const reader = new RequestReader();
  const bytes = Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1');
  assert.equal(reader.read(bytes, 0, bytes.length), 'head', reader.fault?.code);
  return reader.head;
}

function fromHttp2(fields: FieldList, endsStream = true): RequestHead {
  const decoder = requestDecoder();
  assert.ok(typeof requestOf(fields, endsStream, decoder) === 'object');
  return decoder.head;
}

const GET: FieldList = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a:80'],
  [':path', '/x'],
];
const method = (name: string, ...fields: FieldList): FieldList => [[':method', name], ...GET.slice(1), ...fields];
const WEBSOCKET1 =
  'GET /chat HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: k\nSec-WebSocket-Version: 13\n\n';
const WEBSOCKET2: FieldList = [
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  [':scheme', 'http'],
  [':authority', 'a'],
  [':path', '/chat'],
  ['sec-websocket-version', '13'],
];
const OTHER2: FieldList = [[':method', 'CONNECT'], [':protocol', 'connect-udp'], ...WEBSOCKET2.slice(2)];

test('translateRequest() frames a request for its next hop', () => {
  const post = 'POST / HTTP/1.1\nHost: a\n';
  const cases: readonly (readonly [head: RequestHead, server: NextServer, expected: string])[] = [
    [fromHttp2(GET), HTTP1, 'request none'],
    [fromHttp2(method('POST')), HTTP1, 'request empty'],
    [fromHttp2(method('PUT')), HTTP2, 'request empty'],
    [fromHttp2(method('GET', ['content-length', '0'])), HTTP1, 'request empty'],
    [fromHttp2(method('POST'), false), HTTP1, 'request chunked'],
    [fromHttp2(method('POST', ['content-length', '5']), false), HTTP1, 'request length'],
    [
      fromHttp2(
        [
          [':method', 'CONNECT'],
          [':authority', 'a:1'],
        ],
        false,
      ),
      HTTP1,
      'request tunnel',
    ],
    [fromHttp2(WEBSOCKET2, false), HTTP1, 'websocket tunnel'],
    [fromHttp2(WEBSOCKET2, false), HTTP2, 'websocket tunnel'],
    [fromHttp2(WEBSOCKET2, false), HTTP2_PLAIN, 'refuse 501'],
    [fromHttp2(OTHER2, false), HTTP1, 'refuse 501'],
    [fromHttp2(OTHER2, false), HTTP2, 'request tunnel'],
    [fromHttp2(OTHER2, false), HTTP2_PLAIN, 'refuse 501'],
    [fromHttp1('GET / HTTP/1.1\nHost: a\n\n'), HTTP2, 'request none'],
    [fromHttp1(`${post}Transfer-Encoding: chunked\n\n`), HTTP2, 'request chunked'],
    [fromHttp1(`${post}Content-Length: 4\n\n`), HTTP2, 'request length'],
    [fromHttp1(`${post}Content-Length: 0\n\n`), HTTP2, 'request empty'],
    [fromHttp1('CONNECT a:1 HTTP/1.1\nHost: a:1\n\n'), HTTP2, 'request tunnel'],
    [fromHttp1(WEBSOCKET1), HTTP1, 'upgrade none'],
    [fromHttp1(WEBSOCKET1), HTTP2, 'websocket tunnel'],
    [fromHttp1(WEBSOCKET1), HTTP2_PLAIN, 'refuse 501'],
    [fromHttp1(WEBSOCKET1.replace('GET', 'HEAD')), HTTP2, 'request none'],
    [fromHttp1(WEBSOCKET1.replace('13\n', '13\nContent-Length: 1\n')), HTTP2, 'request length'],
    [fromHttp1(WEBSOCKET1.replace('websocket', 'h2c')), HTTP2, 'request none'],
    [fromHttp1(WEBSOCKET1.replace('websocket', 'h2c')), HTTP1, 'upgrade none'],
    [fromHttp1(WEBSOCKET1.replace('websocket', 'websocket, h2c')), HTTP2, 'request none'],
    [fromHttp1(WEBSOCKET1.replace('websocket\n', 'websocket\nUpgrade: h2c\n')), HTTP2, 'request none'],
  ];
  for (const [head, server, expected] of cases) {
    const found = translateRequest(head, server);
    assert.equal(`${found.kind} ${found.kind === 'refuse' ? found.status : found.framing}`, expected);
  }
});

test('translateResponse() frames a response for its client, and says what a WebSocket is granted by', () => {
  type Kind = 'request' | 'upgrade' | 'websocket';
  const cases: readonly (readonly [
    status: number,
    framing: ResponseHead['framing'],
    length: boolean,
    version: Version,
    kind: Kind,
    expected: string,
  ])[] = [
    [200, 'chunked', false, 'http/1.1', 'request', '200 chunked'],
    [200, 'chunked', false, 'http/1.0', 'request', '200 until-close'],
    [200, 'until-close', false, 'http/2', 'request', '200 chunked'],
    [200, 'length', true, 'http/2', 'request', '200 length'],
    [200, 'none', true, 'http/2', 'request', '200 empty'],
    [304, 'none', true, 'http/2', 'request', '304 declared'],
    [204, 'none', false, 'http/1.1', 'request', '204 none'],
    [200, 'tunnel', false, 'http/1.1', 'request', '200 tunnel'],
    [101, 'tunnel', false, 'http/2', 'websocket', '200 tunnel websocket'],
    [200, 'tunnel', false, 'http/1.1', 'websocket', '101 tunnel websocket'],
    [200, 'tunnel', false, 'http/2', 'websocket', '200 tunnel websocket'],
    [101, 'tunnel', false, 'http/1.1', 'upgrade', '101 tunnel upgrade'],
    [200, 'length', true, 'http/2', 'websocket', '502 empty replaced'],
    [204, 'none', false, 'http/2', 'websocket', '502 empty replaced'],
    [403, 'length', true, 'http/2', 'websocket', '403 length'],
    [200, 'length', true, 'http/1.1', 'upgrade', '200 length'],
  ];
  for (const [status, framing, hasContentLength, version, kind, expected] of cases) {
    const found = translateResponse({ status, framing, hasContentLength }, { method: 'GET', version, kind });
    const grants = found.grants === 'nothing' ? '' : ` ${found.grants}`;
    assert.equal(`${found.status} ${found.framing}${grants}${found.replaced ? ' replaced' : ''}`, expected);
  }
});

test('endsWithHead() and passesTrailers() say what follows a head', () => {
  const framings: readonly OutgoingFraming[] = [
    'none',
    'empty',
    'declared',
    'length',
    'chunked',
    'until-close',
    'tunnel',
  ];
  assert.deepEqual(framings.filter(endsWithHead), ['none', 'empty', 'declared']);
  assert.deepEqual(
    framings.filter((framing) => passesTrailers(framing, 'http/1.1')),
    ['chunked'],
  );
  assert.deepEqual(
    framings.filter((framing) => passesTrailers(framing, 'http/2')),
    ['length', 'chunked', 'until-close', 'tunnel'],
  );
});

/** The request as the next hop reads it. */
function passOn(head: RequestHead, server: NextServer): unknown {
  const translation = translateRequest(head, server);
  assert.ok(translation.kind !== 'refuse');
  const { kind, framing } = translation;
  const dropped = new Uint8Array(128);
  markEndingFields(head, dropped, kind);
  if (server.version === 'http/2') {
    const encoder = new HeadEncoder();
    encoder.begin();
    beginRequest2(encoder, head, kind === 'websocket' ? kind : 'request');
    encoder.fieldsOf(head, dropped);
    frame(encoder, framing, head.contentLength);
    assert.ok(encoder.end(), encoder.problem);
    return requestOf(Buffer.from(encoder.out.subarray(FRAME_HEADER_BYTES, encoder.blockEnd)), endsWithHead(framing));
  }
  const writer = new HeadWriter();
  const out = Buffer.alloc(4096);
  writer.begin(out, 0);
  beginRequest1(writer, head, kind, 'the-key');
  writer.fieldsOf(head, dropped);
  frame(writer, framing, head.contentLength);
  const end = writer.end();
  assert.ok(end > 0, writer.problem);
  return requestEvents([out.subarray(0, end)])[0];
}

test('a request means the same on the next hop, in all four combinations', () => {
  const text = 'POST /x HTTP/1.1\nHost: a:80\nX-A: 1\nConnection: x-b\nX-B: 2\nTE: trailers\nContent-Length: 2\n\n';
  const fields: FieldList = [
    ['x-a', '1'],
    ['te', 'trailers'],
  ];
  const block = method('POST', ...fields, ['content-length', '2'], ['host', 'a:80']);
  const asHttp2 = {
    start: 'POST origin http a:80 /x',
    framing: 'length 2',
    fields: [...fields, ['content-length', '2']],
  };
  assert.deepEqual(passOn(fromHttp1(text), HTTP2), asHttp2);
  assert.deepEqual(passOn(fromHttp2(block, false), HTTP2), asHttp2);
  const request = 'POST origin http a:80 /x';
  assert.deepEqual(passOn(fromHttp2(block, false), HTTP1), {
    request,
    framing: 'length 2',
    facts: '1.1 expect=none',
    fields: [['Host', 'a:80'], ...fields, ['content-length', '2']],
  });
  assert.deepEqual(passOn(fromHttp1(text), HTTP1), {
    request,
    framing: 'length 2',
    facts: '1.1 expect=none',
    fields: [
      ['Host', 'a:80'],
      ['X-A', '1'],
      ['TE', 'trailers'],
      ['content-length', '2'],
    ],
  });
});

test('a WebSocket is asked for in the words of the next hop', () => {
  const asHttp2 = {
    start: 'CONNECT origin http a /chat protocol=websocket',
    framing: 'none',
    fields: [['sec-websocket-version', '13']],
  };
  assert.deepEqual(passOn(fromHttp1(WEBSOCKET1), HTTP2), {
    ...asHttp2,
    fields: [['sec-websocket-version', '13']],
  });
  assert.deepEqual(passOn(fromHttp2(WEBSOCKET2, false), HTTP2), asHttp2);
  assert.deepEqual(passOn(fromHttp2(WEBSOCKET2, false), HTTP1), {
    request: 'GET origin http a /chat',
    framing: 'none',
    facts: '1.1 upgrade expect=none',
    fields: [
      ['Host', 'a'],
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Key', 'the-key'],
      ['sec-websocket-version', '13'],
    ],
  });
  assert.deepEqual(passOn(fromHttp1(WEBSOCKET1), HTTP1), {
    request: 'GET origin http a /chat',
    framing: 'none',
    facts: '1.1 upgrade expect=none',
    fields: [
      ['Connection', 'Upgrade'],
      ['Host', 'a'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Key', 'k'],
      ['Sec-WebSocket-Version', '13'],
    ],
  });
});

function responseFromHttp1(text: string, upgrade = false): ResponseHead {
  const reader = new ResponseReader();
  reader.expectResponse({ method: 'GET', upgrade });
  const bytes = Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1');
  assert.equal(reader.read(bytes, 0, bytes.length), 'head', reader.fault?.code);
  return reader.head;
}

/** The response as a client of this version reads it. */
function giveBack(head: ResponseHead, version: Version, kind: 'request' | 'upgrade' | 'websocket'): unknown {
  const translation = translateResponse(head, { method: 'GET', version, kind });
  const dropped = new Uint8Array(128);
  markEndingFields(head, dropped, translation.grants);
  if (version === 'http/2') {
    const encoder = new HeadEncoder();
    encoder.begin();
    beginResponse2(encoder, translation);
    encoder.fieldsOf(head, dropped);
    frame(encoder, translation.framing, head.contentLength);
    assert.ok(encoder.end(), encoder.problem);
    const block = Buffer.from(encoder.out.subarray(FRAME_HEADER_BYTES, encoder.blockEnd));
    return responseOf(block, endsWithHead(translation.framing), kind === 'websocket' ? 'CONNECT' : 'GET');
  }
  const writer = new HeadWriter();
  const out = Buffer.alloc(4096);
  writer.begin(out, 0);
  beginResponse1(writer, translation, 'the-accept');
  writer.fieldsOf(head, dropped);
  frame(writer, translation.framing, head.contentLength);
  const end = writer.end();
  assert.ok(end > 0, writer.problem);
  return responseEvents([out.subarray(0, end)], [{ method: 'GET', upgrade: kind !== 'request' }])[0];
}

test('a response means the same to its client, and a WebSocket is granted in its words', () => {
  const plain = responseFromHttp1('HTTP/1.1 200 Fine\nServer: s\nTransfer-Encoding: chunked\nConnection: close\n\n');
  assert.deepEqual(giveBack(plain, 'http/2', 'request'), {
    start: '200',
    framing: 'chunked',
    fields: [['server', 's']],
  });
  const decoder = responseDecoder();
  responseOf(
    [
      [':status', '418'],
      ['server', 's'],
    ],
    false,
    'GET',
    decoder,
  );
  assert.deepEqual(giveBack(decoder.head, 'http/1.1', 'request'), {
    response: '418 ',
    framing: 'chunked',
    facts: '1.1',
    fields: [
      ['server', 's'],
      ['transfer-encoding', 'chunked'],
    ],
  });
  const switching = 'HTTP/1.1 101 X\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: y\nX-A: 1\n\n';
  assert.deepEqual(giveBack(responseFromHttp1(switching, true), 'http/2', 'websocket'), {
    start: '200',
    framing: 'tunnel',
    fields: [['x-a', '1']],
  });
  assert.deepEqual(giveBack(responseFromHttp1(switching, true), 'http/1.1', 'upgrade'), {
    response: '101 Switching Protocols',
    framing: 'tunnel',
    facts: '1.1 upgrade',
    fields: [
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Accept', 'y'],
      ['X-A', '1'],
    ],
  });
  responseOf(
    [
      [':status', '200'],
      ['x-a', '1'],
    ],
    false,
    'CONNECT',
    decoder,
  );
  assert.deepEqual(giveBack(decoder.head, 'http/1.1', 'websocket'), {
    response: '101 Switching Protocols',
    framing: 'tunnel',
    facts: '1.1 upgrade',
    fields: [
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Accept', 'the-accept'],
      ['x-a', '1'],
    ],
  });
});

test('markForbiddenTrailers() leaves what a trailer may be', () => {
  const dropped = new Uint8Array(8).fill(9);
  const trailers = fieldBlockOf([
    ['grpc-status', '0'],
    ['Date', 'x'],
    ['x', 'y'],
    ['cookie', 'z'],
  ]);
  assert.equal(markForbiddenTrailers(trailers, dropped), 2);
  assert.deepEqual([...dropped.subarray(0, 4)], [0, 1, 0, 1]);
  assert.equal(fieldsOf(trailers).length, 4);
});
