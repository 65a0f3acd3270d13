import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FieldList } from '../testing/http1-steps.ts';
import { type Http2Message, requestOf, responseOf, responseDecoder } from '../testing/http2-heads.ts';
import { blockOf } from '../testing/http2-peer.ts';
import { FieldId } from '../http1/field-names.ts';
import { FieldKind } from './field-kinds.ts';
import { interpretTrailers } from './interpret-trailers.ts';

const GET: FieldList = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a:80'],
  [':path', '/x?y'],
];
const without = (name: string): FieldList => GET.filter(([each]) => each !== name);
const instead = (name: string, value: string): FieldList =>
  GET.map((field) => (field[0] === name ? [name, value] : field));
const CONNECT: FieldList = [
  [':method', 'CONNECT'],
  [':authority', 'a:80'],
];
const WEBSOCKET: FieldList = [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)];
const plus = (...fields: FieldList): FieldList => [...GET, ...fields];

const message = (start: string, framing = 'none', fields: FieldList = []): Http2Message => ({ start, fields, framing });

test('interpretRequest() accepts what RFC 9113 8.3 allows', () => {
  const start = 'GET origin http a:80 /x?y';
  const cases: readonly (readonly [fields: FieldList, endsStream: boolean, message: Http2Message])[] = [
    [GET, true, message(start)],
    [GET, false, message(start, 'chunked')],
    [GET.toReversed(), true, message(start)],
    [instead(':scheme', 'HTTPS'), true, message('GET origin https a:80 /x?y')],
    [instead(':method', 'M-SEARCH'), true, message('M-SEARCH origin http a:80 /x?y')],
    [instead(':authority', '[::1]:8080'), true, message('GET origin http [::1]:8080 /x?y')],
    [[[':method', 'OPTIONS'], ...instead(':path', '*').slice(1)], true, message('OPTIONS asterisk http a:80 *')],
    [[...without(':authority'), ['host', 'h']], true, message('GET origin http h /x?y', 'none', [['host', 'h']])],
    [plus(['host', 'A:80']), true, message(start, 'none', [['host', 'A:80']])],
    [plus(['content-length', '5']), false, message(start, 'length 5', [['content-length', '5']])],
    [plus(['content-length', '0']), false, message(start, 'length 0', [['content-length', '0']])],
    [plus(['content-length', '0']), true, message(start, 'none 0', [['content-length', '0']])],
    [
      plus(['expect', '100-Continue']),
      false,
      message(`${start} expect=continue`, 'chunked', [['expect', '100-Continue']]),
    ],
    [plus(['expect', 'x']), false, message(`${start} expect=unknown`, 'chunked', [['expect', 'x']])],
    [
      plus(['expect', '100-continue'], ['expect', '100-continue']),
      false,
      message(`${start} expect=unknown`, 'chunked', [
        ['expect', '100-continue'],
        ['expect', '100-continue'],
      ]),
    ],
    [CONNECT, false, message('CONNECT authority http a:80 ')],
    [WEBSOCKET, false, message('CONNECT origin http a:80 /x?y protocol=websocket')],
  ];
  for (const [fields, endsStream, expected] of cases) {
    assert.deepEqual(requestOf(fields, endsStream), expected, JSON.stringify(fields));
  }
});

test('interpretRequest() refuses everything else', () => {
  const cases: readonly (readonly [fields: FieldList, fault: string, endsStream?: boolean])[] = [
    [[], 'pseudo-missing'],
    [without(':method'), 'pseudo-missing'],
    [without(':scheme'), 'pseudo-missing'],
    [without(':path'), 'pseudo-missing'],
    [without(':authority'), 'authority-missing'],
    [[...GET, [':path', '/']], 'pseudo-duplicate'],
    [[...GET, [':status', '200']], 'pseudo-forbidden'],
    [[['x', ''], ...GET], 'pseudo-late'],
    [instead(':method', ''), 'method'],
    [instead(':method', 'G T'), 'method'],
    [instead(':method', 'GET\xe9'), 'method'],
    [instead(':method', 'M'.repeat(33)), 'method-length'],
    [instead(':scheme', 'ftp'), 'scheme'],
    [instead(':scheme', ''), 'scheme'],
    [instead(':path', ''), 'path'],
    [instead(':path', 'x'), 'path'],
    [instead(':path', '*'), 'path'],
    [instead(':path', '/a b'), 'path'],
    [instead(':path', '/a#b'), 'path'],
    [instead(':path', '/\xe9'), 'path'],
    [instead(':path', '/ HTTP/1.1\r\nHost: evil'), 'field-value'],
    [instead(':path', 'http://a/'), 'path'],
    [instead(':path', `/${'a'.repeat(8192)}`), 'path-length'],
    [instead(':authority', ''), 'authority'],
    [instead(':authority', 'u@a'), 'authority'],
    [instead(':authority', 'a:'), 'authority'],
    [instead(':authority', 'a:0'), 'authority'],
    [instead(':authority', 'a,b'), 'authority'],
    [instead(':authority', 'a/b'), 'authority'],
    [[...without(':authority'), ['host', '']], 'authority'],
    [[...without(':authority'), ['host', 'a b']], 'authority'],
    [plus(['host', 'b']), 'host-mismatch'],
    [plus(['host', 'a']), 'host-mismatch'],
    [plus(['host', 'a:80'], ['host', 'a:80']), 'host-duplicate'],
    [plus(['content-length', '1'], ['content-length', '1']), 'content-length-duplicate', false],
    [plus(['content-length', '']), 'content-length-invalid', false],
    [plus(['content-length', '+1']), 'content-length-invalid', false],
    [plus(['content-length', '-1']), 'content-length-invalid', false],
    [plus(['content-length', '01']), 'content-length-invalid', false],
    [plus(['content-length', '1 1']), 'content-length-invalid', false],
    [plus(['content-length', '0x1']), 'content-length-invalid', false],
    [plus(['content-length', '1, 1']), 'content-length-invalid', false],
    [plus(['content-length', '9007199254740992']), 'content-length-invalid', false],
    [plus(['content-length', '10000000000000000']), 'content-length-invalid', false],
    [plus(['content-length', '1']), 'body-length', true],
    [plus([':protocol', 'websocket']), 'protocol'],
    [plus(['transfer-encoding', 'chunked']), 'connection-field', false],
    [plus(['connection', 'te']), 'connection-field'],
    [plus(['te', 'chunked']), 'te'],
    [[...CONNECT, [':path', '/']], 'pseudo-forbidden'],
    [[...CONNECT, [':scheme', 'http']], 'pseudo-forbidden'],
    [[[':method', 'CONNECT']], 'pseudo-missing'],
    [[CONNECT[0] ?? ['', ''], [':authority', 'a']], 'authority'],
    [[...CONNECT, ['content-length', '0']], 'connect-length'],
    [[...CONNECT, ['host', 'b:80']], 'host-mismatch'],
    [WEBSOCKET.filter(([name]) => name !== ':path'), 'pseudo-missing'],
    [WEBSOCKET.map((field) => (field[0] === ':protocol' ? [':protocol', 'web socket'] : field)), 'protocol'],
    [WEBSOCKET.map((field) => (field[0] === ':protocol' ? [':protocol', ''] : field)), 'protocol'],
  ];
  for (const [fields, fault, endsStream] of cases) {
    assert.equal(requestOf(fields, endsStream), fault, JSON.stringify(fields));
  }
});

test('a request that is longer than it may is told from one that is malformed', () => {
  assert.equal(requestOf([...GET, ...Array.from({ length: 130 }, () => ['x', ''] as const)]), 'section-length');
  assert.equal(requestOf([['X', ''], ...Array.from({ length: 130 }, () => ['x', ''] as const)]), 'section-length');
});

test('interpretResponse() frames by request, status and fields', () => {
  const cases: readonly (readonly [fields: FieldList, endsStream: boolean, method: string, framing: string])[] = [
    [[[':status', '200']], true, 'GET', '200: none'],
    [[[':status', '200']], false, 'GET', '200: chunked'],
    [
      [
        [':status', '200'],
        ['content-length', '7'],
      ],
      false,
      'GET',
      '200: length 7',
    ],
    [
      [
        [':status', '200'],
        ['content-length', '0'],
      ],
      true,
      'GET',
      '200: none 0',
    ],
    [
      [
        [':status', '200'],
        ['content-length', '7'],
      ],
      true,
      'HEAD',
      '200: none 7',
    ],
    [
      [
        [':status', '200'],
        ['content-length', '7'],
      ],
      false,
      'HEAD',
      '200: none 7',
    ],
    [
      [
        [':status', '304'],
        ['content-length', '7'],
      ],
      true,
      'GET',
      '304: none 7',
    ],
    [[[':status', '204']], false, 'GET', '204: none'],
    [[[':status', '999']], true, 'GET', '999: none'],
    [[[':status', '100']], false, 'GET', '100 interim: none'],
    [
      [
        [':status', '103'],
        ['link', 'x'],
      ],
      false,
      'GET',
      '103 interim: none',
    ],
    [[[':status', '200']], false, 'CONNECT', '200: tunnel'],
    [
      [
        [':status', '200'],
        ['content-length', '7'],
      ],
      false,
      'CONNECT',
      '200: tunnel 7',
    ],
    [[[':status', '403']], false, 'CONNECT', '403: chunked'],
  ];
  for (const [fields, endsStream, method, expected] of cases) {
    const found = responseOf(fields, endsStream, method);
    assert.equal(typeof found === 'string' ? found : `${found.start}: ${found.framing}`, expected);
  }
});

test('interpretResponse() refuses what is none', () => {
  const cases: readonly (readonly [fields: FieldList, fault: string, endsStream?: boolean])[] = [
    [[], 'pseudo-missing'],
    [[['status', '200']], 'pseudo-missing'],
    [
      [
        [':status', '200'],
        [':status', '200'],
      ],
      'pseudo-duplicate',
    ],
    [
      [
        [':status', '200'],
        [':path', '/'],
      ],
      'pseudo-forbidden',
    ],
    [[[':status', '']], 'status-code'],
    [[[':status', '20']], 'status-code'],
    [[[':status', '2000']], 'status-code'],
    [[[':status', '2x0']], 'status-code'],
    [[[':status', '099']], 'status-code'],
    [[[':status', '101']], 'status-code', false],
    [[[':status', '100']], 'interim-end', true],
    [
      [
        [':status', '103'],
        ['content-length', '1'],
      ],
      'body-unexpected',
      false,
    ],
    [
      [
        [':status', '204'],
        ['content-length', '1'],
      ],
      'body-unexpected',
      true,
    ],
    [
      [
        [':status', '200'],
        ['content-length', '7'],
      ],
      'body-length',
      true,
    ],
    [
      [
        [':status', '200'],
        ['content-length', 'x'],
      ],
      'content-length-invalid',
    ],
    [
      [
        [':status', '200'],
        ['content-length', '1'],
        ['content-length', '1'],
      ],
      'content-length-duplicate',
    ],
    [
      [
        [':status', '200'],
        ['connection', 'close'],
      ],
      'connection-field',
    ],
    [
      [
        ['x', '1'],
        [':status', '200'],
      ],
      'pseudo-late',
    ],
  ];
  for (const [fields, fault, endsStream] of cases) {
    assert.equal(responseOf(fields, endsStream), fault, JSON.stringify(fields));
  }
});

test('interpretTrailers() lets fields through that neither frame nor route', () => {
  const cases: readonly (readonly [fields: FieldList, fault: string | undefined, endsStream?: boolean])[] = [
    [[['grpc-status', '0']], undefined],
    [[], undefined],
    [[['date', 'x']], undefined],
    [[['grpc-status', '0']], 'trailers-open', false],
    [[[':status', '200']], 'pseudo-forbidden'],
    [[['content-length', '0']], 'trailer-forbidden'],
    [[['host', 'a']], 'trailer-forbidden'],
    [[['te', 'trailers']], 'trailer-forbidden'],
    [[['transfer-encoding', 'chunked']], 'connection-field'],
    [[['X', '']], 'field-name'],
  ];
  for (const [fields, fault, endsStream = true] of cases) {
    const decoder = responseDecoder();
    decoder.decode(blockOf(fields));
    assert.equal(interpretTrailers(decoder, endsStream), fault, JSON.stringify(fields));
  }
});

test('kinds of fields that HTTP/1.1 knows too have the same numbers', () => {
  for (const [name, id] of Object.entries(FieldId)) assert.equal(new Map(Object.entries(FieldKind)).get(name), id);
});
