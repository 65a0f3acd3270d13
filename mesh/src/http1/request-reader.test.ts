import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FieldList, type Http1Event, requestEvents } from '../testing/http1-steps.ts';
import { RequestReader } from './request-reader.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const read = (text: string): Http1Event[] => requestEvents([bytes(text)]);
const head = (request: string, fields: FieldList, framing = 'none', facts = '1.1', expect = 'none'): Http1Event => ({
  request,
  fields,
  framing,
  facts: `${facts} expect=${expect}`,
});

const HOST = ['Host', 'a'] as const;

const LEGAL: readonly (readonly [what: string, text: string, events: readonly Http1Event[]])[] = [
  ['a request without body', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', [head('GET origin http a /', [HOST]), 'end', 'idle']],
  [
    'order and case of fields, also of repeated ones',
    'GET /x?y=1 HTTP/1.1\r\nhOST: shop.svc:80\r\nX-b: 2\r\nx-A: 1\r\nX-B: \r\n\r\n',
    [
      head('GET origin http shop.svc:80 /x?y=1', [
        ['hOST', 'shop.svc:80'],
        ['X-b', '2'],
        ['x-A', '1'],
        ['X-B', ''],
      ]),
      'end',
      'idle',
    ],
  ],
  [
    'white space around values, tabs and bytes beyond ASCII within them',
    'GET / HTTP/1.1\r\nHost:\t a \t\r\nX:  b\t c\xe9 \r\nY:\r\n\r\n',
    [head('GET origin http a /', [HOST, ['X', 'b\t cé'], ['Y', '']]), 'end', 'idle'],
  ],
  [
    'a body of known length, and a pipelined request after it',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n',
    [
      head('POST origin http a /', [HOST, ['Content-Length', '3']], 'length 3'),
      { data: 'abc' },
      'end',
      head('GET origin http a /', [HOST]),
      'end',
      'idle',
    ],
  ],
  [
    'a body of length 0',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
    [head('POST origin http a /', [HOST, ['Content-Length', '0']], 'none 0'), 'end', 'idle'],
  ],
  [
    'chunks, whatever the case of the coding and of digits, with extensions, and trailers',
    'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n3;a;b=c;d="e\\";\x80"\r\nabc\r\n00A\r\n0123456789\r\n0;z\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n',
    [
      head('PUT origin http a /', [HOST, ['Transfer-Encoding', 'CHUNKED']], 'chunked'),
      { data: 'abc0123456789' },
      {
        trailers: [
          ['X-Sum', '1'],
          ['x-sum', '2'],
        ],
      },
      'end',
      'idle',
    ],
  ],
  [
    'two chunked requests, the first with trailers and the second without',
    `${'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'}0\r\nX: 1\r\n\r\n${'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'}1\r\na\r\n0\r\n\r\n`,
    [
      head('PUT origin http a /', [HOST, ['Transfer-Encoding', 'chunked']], 'chunked'),
      { trailers: [['X', '1']] },
      'end',
      head('PUT origin http a /', [HOST, ['Transfer-Encoding', 'chunked']], 'chunked'),
      { data: 'a' },
      'end',
      'idle',
    ],
  ],
  [
    'one empty line before a request',
    '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
    [head('GET origin http a /', [HOST]), 'end', 'idle'],
  ],
  ['HTTP/1.0 without Host', 'GET /a HTTP/1.0\r\n\r\n', [head('GET origin http  /a', [], 'none', '1.0'), 'end', 'idle']],
  [
    'what Connection says',
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: , Close ,x-a,\r\nconnection: Keep-Alive\r\n\r\n',
    [
      head(
        'GET origin http a /',
        [HOST, ['Connection', ', Close ,x-a,'], ['connection', 'Keep-Alive']],
        'none',
        '1.1 close keepAlive namesFields',
      ),
      'end',
      'idle',
    ],
  ],
  [
    'a request to upgrade, with a body',
    'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx',
    [
      head(
        'GET origin http a /ws',
        [HOST, ['Connection', 'keep-alive, Upgrade'], ['Upgrade', 'websocket'], ['Content-Length', '1']],
        'length 1',
        '1.1 keepAlive upgrade',
      ),
      { data: 'x' },
      'end',
      'idle',
    ],
  ],
  [
    'Upgrade that Connection does not name, and one in HTTP/1.0, as none',
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\nGET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
    [
      head('GET origin http a /', [HOST, ['Upgrade', 'h2c']]),
      'end',
      head(
        'GET origin http  /',
        [
          ['Connection', 'upgrade'],
          ['Upgrade', 'h2c'],
        ],
        'none',
        '1.0',
      ),
      'end',
      'idle',
    ],
  ],
  [
    'Expect: 100-continue',
    'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\na',
    [
      head(
        'POST origin http a /',
        [HOST, ['Expect', '100-Continue'], ['Content-Length', '1']],
        'length 1',
        '1.1',
        'continue',
      ),
      { data: 'a' },
      'end',
      'idle',
    ],
  ],
  [
    'other expectations, and none in HTTP/1.0',
    'GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nExpect: 100-continue\r\n\r\nGET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n',
    [
      head('GET origin http a /', [HOST, ['Expect', '200-ok'], ['Expect', '100-continue']], 'none', '1.1', 'unknown'),
      'end',
      head('GET origin http  /', [['Expect', '100-continue']], 'none', '1.0'),
      'end',
      'idle',
    ],
  ],
  [
    'an absolute target, whose host is the one of Host',
    'GET HTTP://A.b:80/p?q HTTP/1.1\r\nHost: a.B:80\r\n\r\n',
    [head('GET absolute http A.b:80 /p?q', [['Host', 'a.B:80']]), 'end', 'idle'],
  ],
  [
    'an absolute target with https, without path, with only a query',
    'GET https://[::1]?q HTTP/1.1\r\nHost: [::1]\r\n\r\nOPTIONS http://a HTTP/1.0\r\n\r\n',
    [
      head('GET absolute https [::1] ?q', [['Host', '[::1]']]),
      'end',
      head('OPTIONS absolute http a ', [], 'none', '1.0'),
      'end',
      'idle',
    ],
  ],
  [
    'CONNECT',
    'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 0\r\n\r\n',
    [
      head(
        'CONNECT authority http a:443 ',
        [
          ['Host', 'a:443'],
          ['Content-Length', '0'],
        ],
        'none 0',
      ),
      'end',
      'idle',
    ],
  ],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', [head('OPTIONS asterisk http a *', [HOST]), 'end', 'idle']],
  [
    'methods that nobody has registered, case kept',
    'get / HTTP/1.1\r\nHost: a\r\n\r\nX-Y!1 / HTTP/1.1\r\nHost: a\r\n\r\n',
    [head('get origin http a /', [HOST]), 'end', head('X-Y!1 origin http a /', [HOST]), 'end', 'idle'],
  ],
  [
    'a target with everything that is visible but a fragment',
    'GET /!"$%&\'()*+,-./0:;<=>?@A[\\]^_`a{|}~ HTTP/1.1\r\nHost: a\r\n\r\n',
    [head('GET origin http a /!"$%&\'()*+,-./0:;<=>?@A[\\]^_`a{|}~', [HOST]), 'end', 'idle'],
  ],
  ['nothing', '', ['idle']],
];

test('RequestReader reads legal requests', () => {
  for (const [what, text, events] of LEGAL) assert.deepEqual(read(text), events, what);
});

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

/** Offset: -1 where the table does not say. */
const FAULTS: readonly (readonly [text: string, code: string, place: string, offset: number])[] = [
  [' GET / HTTP/1.1\r\n', 'method', 'request-line', 0],
  ['\r\n\r\nGET / HTTP/1.1\r\n', 'method', 'request-line', 2],
  ['\rGET / HTTP/1.1\r\n', 'line-end', 'request-line', 1],
  ['\nGET / HTTP/1.1\r\n', 'method', 'request-line', 0],
  ['G\x00T / HTTP/1.1\r\n', 'method', 'request-line', 1],
  ['GET\t/ HTTP/1.1\r\n', 'method', 'request-line', 3],
  ['GET\r\n', 'method', 'request-line', 3],
  [`${'M'.repeat(33)} / HTTP/1.1\r\n`, 'method-length', 'request-line', 32],
  ['GET  / HTTP/1.1\r\n', 'target', 'request-line', 4],
  ['GET /\x7f HTTP/1.1\r\n', 'target', 'request-line', 5],
  ['GET /\xc3\xa9 HTTP/1.1\r\n', 'target', 'request-line', 5],
  ['GET /\t HTTP/1.1\r\n', 'target', 'request-line', 5],
  ['GET /a#b HTTP/1.1\r\n', 'target', 'request-line', 6],
  [`GET /${'a'.repeat(8192)} HTTP/1.1\r\n`, 'target-length', 'request-line', 8196],
  ['GET /\r\n', 'version', 'request-line', 5],
  ['GET /\n', 'version', 'request-line', 5],
  ['GET /  HTTP/1.1\r\n', 'version', 'request-line', 6],
  ['GET / http/1.1\r\n', 'version', 'request-line', 6],
  ['GET / HTTP/1,1\r\n', 'version', 'request-line', 12],
  ['GET / HTTP/1.x\r\n', 'version', 'request-line', 13],
  ['GET / HTTP/1.1 \r\n', 'version', 'request-line', 14],
  ['GET / HTTP/1.10\r\n', 'version', 'request-line', 14],
  ['GET / HTTP/1.1\n', 'line-end', 'request-line', 14],
  ['GET / HTTP/1.1\r\r\n', 'line-end', 'request-line', 15],
  ['GET / HTTP/1.2\r\n', 'version-unsupported', 'request-line', 14],
  ['GET / HTTP/0.9\r\n', 'version-unsupported', 'request-line', 14],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'version-unsupported', 'request-line', 14],
  ['GET * HTTP/1.1\r\nHost: a\r\n\r\n', 'target-form', 'framing', 4],
  ['OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n', 'target-form', 'framing', 8],
  ['GET a HTTP/1.1\r\nHost: a\r\n\r\n', 'target-form', 'framing', 4],
  ['GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n', 'target-form', 'framing', 4],
  ['GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n', 'target-form', 'framing', 4],
  ['GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n', 'target-form', 'framing', 4],
  ['GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 'target-form', 'framing', 4],
  ['GET http://a%2f/ HTTP/1.1\r\nHost: a%2f\r\n\r\n', 'target-form', 'framing', 4],
  ['GET http://a:/ HTTP/1.1\r\nHost: a:\r\n\r\n', 'target-form', 'framing', 4],
  ['CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n', 'target-form', 'framing', 8],
  ['CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n', 'target-form', 'framing', 8],
  ['CONNECT a:0 HTTP/1.1\r\nHost: a:0\r\n\r\n', 'target-form', 'framing', 8],
  ['CONNECT http://a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 'target-form', 'framing', 8],
  ['GET / HTTP/1.1\r\n Host: a\r\n\r\n', 'obs-fold', 'field', 16],
  [`${GET}X: a\r\n b\r\n\r\n`, 'obs-fold', 'field', 31],
  [`${GET}X: a\r\n\tb\r\n\r\n`, 'obs-fold', 'field', 31],
  [`${GET}: a\r\n\r\n`, 'field-name', 'field', 25],
  [`${GET}X\r\n\r\n`, 'field-name', 'field', 26],
  [`${GET}X(: a\r\n\r\n`, 'field-name', 'field', 26],
  [`${GET}X\x00: a\r\n\r\n`, 'field-name', 'field', 26],
  [`${GET}X\xe9: a\r\n\r\n`, 'field-name', 'field', 26],
  [`${GET}X : a\r\n\r\n`, 'space-before-colon', 'field', 26],
  [`${GET}X\t: a\r\n\r\n`, 'space-before-colon', 'field', 26],
  [`${GET}X: a\x00b\r\n\r\n`, 'field-value', 'field', 29],
  [`${GET}X: a\x01b\r\n\r\n`, 'field-value', 'field', 29],
  [`${GET}X: a\x7fb\r\n\r\n`, 'field-value', 'field', 29],
  [`${GET}X: a\x0bb\r\n\r\n`, 'field-value', 'field', 29],
  [`${GET}X: a\n\r\n`, 'line-end', 'field', 29],
  [`${GET}X: a\rb\r\n\r\n`, 'line-end', 'field', 30],
  [`${GET}X: a\r\r\n\r\n`, 'line-end', 'field', 30],
  [`${GET}\n`, 'line-end', 'field', 25],
  [`${GET}\r\r\n`, 'line-end', 'field', 26],
  [`${GET}\rX: a\r\n\r\n`, 'line-end', 'field', 26],
  ['GET / HTTP/1.1\r\n\r\n', 'host-missing', 'framing', 4],
  [`${GET}Host: a\r\n\r\n`, 'host-duplicate', 'framing', 25],
  ['GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n', 'host-duplicate', 'framing', 25],
  ...[
    '',
    'a b',
    'a,b',
    'a/b',
    'u@a',
    'a:',
    'a:b',
    'a:0',
    'a:65536',
    'a:+80',
    'a:000080',
    '[::1',
    '[]',
    '[:]',
    '[g::]',
    '[::1]x',
    'a%41',
    'a:80:80',
    ':80',
    '\xe9',
    'a?',
    'a#',
    '[fe80::1%25eth0]',
    'a'.repeat(256),
  ].map((host) => [`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'host-invalid', 'framing', 16] as const),
  ['GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n', 'host-mismatch', 'framing', 24],
  ['GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n', 'host-mismatch', 'framing', 27],
  ['CONNECT a:1 HTTP/1.1\r\nHost: b:1\r\n\r\n', 'host-mismatch', 'framing', 22],
  ...[
    '',
    '+1',
    '-1',
    ' 1 1',
    '1,1',
    '1, 1',
    '0x1',
    '1e1',
    '1.0',
    'a',
    '01',
    '00',
    '1\t1',
    '9007199254740992',
    '12345678901234567',
    '\xb2',
    '1 ',
    '1\t',
    '\t1',
  ].map((length) => [`${GET}Content-Length: ${length}\r\n\r\n`, 'content-length-invalid', 'framing', 25] as const),
  [`${GET}Content-Length: 1\r\nContent-Length: 1\r\n\r\n`, 'content-length-duplicate', 'framing', 44],
  [`${GET}Content-Length: 1\r\ncontent-length: 2\r\n\r\n`, 'content-length-duplicate', 'framing', 44],
  [`${GET}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 'length-and-chunked', 'framing', 44],
  [`${GET}Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n`, 'length-and-chunked', 'framing', 25],
  [
    `${GET}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
    'transfer-encoding-duplicate',
    'framing',
    53,
  ],
  ...[
    '',
    'identity',
    'gzip',
    'chunked, chunked',
    'chunked,',
    'chunked;q=1',
    'chunked gzip',
    'chunked, gzip',
    'xchunked',
    'chunked ',
    'chunked\t',
    '\tchunked',
    'chunke\xf7',
    '"chunked"',
    'gzip,, chunked, gzip',
    ',chunked',
  ].map(
    (coding) => [`${GET}Transfer-Encoding: ${coding}\r\n\r\n`, 'transfer-encoding-invalid', 'framing', 25] as const,
  ),
  [`${GET}Transfer-Encoding: gzip, chunked\r\n\r\n`, 'transfer-encoding-unsupported', 'framing', 25],
  [`${GET}Transfer-Encoding: identity,Chunked\r\n\r\n`, 'transfer-encoding-unsupported', 'framing', 25],
  ['GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 'transfer-encoding-version', 'framing', 16],
  ['CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\n', 'connect-body', 'framing', 33],
  ['CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n', 'connect-body', 'framing', 33],
  ...['a b', 'close; x', '"close"', 'host', 'x, Content-Length', 'transfer-encoding'].map(
    (options) => [`${GET}Connection: ${options}\r\n\r\n`, 'connection-invalid', 'framing', 25] as const,
  ),
  [`${GET}Connection: ${'a,'.repeat(33)}\r\n\r\n`, 'connection-invalid', 'framing', 25],
  [`${CHUNKED}\r\n`, 'chunk-size', 'chunk', 0],
  [`${CHUNKED}g\r\n`, 'chunk-size', 'chunk', 0],
  [`${CHUNKED}-1\r\n`, 'chunk-size', 'chunk', 0],
  [`${CHUNKED}0x1\r\n`, 'chunk-size', 'chunk', 1],
  [`${CHUNKED} 1\r\n`, 'chunk-size', 'chunk', 0],
  [`${CHUNKED}1 \r\n`, 'chunk-size', 'chunk', 1],
  [`${CHUNKED}1\n`, 'line-end', 'chunk', 1],
  [`${CHUNKED}1\rx`, 'line-end', 'chunk', 2],
  [`${CHUNKED}20000000000000\r\n`, 'chunk-size-range', 'chunk', 13],
  [`${CHUNKED}00000000000000001\r\n`, 'chunk-size-range', 'chunk', 16],
  ...[';', ';=', ';a=', ';a b', '; a', ' ;a', ';a="b', ';a="b"c', ';a="\x00"', ';a="\\\x00"', ';a;;b', ';a=\x00'].map(
    (extension) =>
      [
        `${CHUNKED}1${extension}\r\n`,
        extension.startsWith(' ') ? 'chunk-size' : 'chunk-extension',
        'chunk',
        -1,
      ] as const,
  ),
  [`${CHUNKED}1;a\n`, 'line-end', 'chunk', 3],
  [`${CHUNKED}1;a="\n"\r\n`, 'line-end', 'chunk', 5],
  [`${CHUNKED}1;${'a'.repeat(600)}\r\n`, 'chunk-line-length', 'chunk', 512],
  [`${CHUNKED}${`1;${'a'.repeat(500)}\r\nx\r\n`.repeat(40)}`, 'chunk-extensions-length', 'chunk', -1],
  [`${CHUNKED}1\r\nab\r\n`, 'chunk-end', 'chunk', 4],
  [`${CHUNKED}1\r\na\n`, 'chunk-end', 'chunk', 4],
  [`${CHUNKED}1\r\na\r\r\n`, 'chunk-end', 'chunk', 5],
  [`${CHUNKED}0\r\nX : 1\r\n\r\n`, 'space-before-colon', 'trailer', 1],
  [`${CHUNKED}0\r\nX: 1\n\r\n`, 'line-end', 'trailer', 4],
  [`${CHUNKED}0\r\n X: 1\r\n\r\n`, 'obs-fold', 'trailer', 0],
  [`${CHUNKED}0\r\nA: 1\r\nContent-length: 1\r\n\r\n`, 'trailer-forbidden', 'trailer', 6],
  [`${CHUNKED}0\r\nHost: b\r\n\r\n`, 'trailer-forbidden', 'trailer', 0],
  [`${CHUNKED}0\r\nTRANSFER-ENCODING: chunked\r\n\r\n`, 'trailer-forbidden', 'trailer', 0],
  [`${CHUNKED}0\r\nAuthorization: x\r\n\r\n`, 'trailer-forbidden', 'trailer', 0],
  [`${CHUNKED}0\r\n${'a: b\r\n'.repeat(65)}\r\n`, 'field-count', 'trailer', 64 * 6],
  [`${CHUNKED}0\r\na: ${'b'.repeat(17_000)}\r\n\r\n`, 'section-length', 'trailer', 16_384],
  [`${GET}${'a: b\r\n'.repeat(128)}\r\n`, 'field-count', 'field', 25 + 127 * 6],
  [`${GET}a: ${'b'.repeat(70_000)}\r\n\r\n`, 'section-length', 'field', 65_536],
  ['GET /', 'truncated', 'request-line', 5],
  ['GET / HTTP/1.1\r\nHo', 'truncated', 'field', 18],
  [`${GET}Content-Length: 3\r\n\r\nab`, 'truncated', 'body', 2],
  [`${CHUNKED}5\r\nab`, 'truncated', 'body', 5],
  [`${CHUNKED}0\r\nX: 1\r\n`, 'truncated', 'body', 3],
];

test('RequestReader refuses what is illegal or ambiguous, with place and status', () => {
  const STATUS: Readonly<Record<string, number>> = {
    'method-length': 501,
    'target-length': 414,
    'version-unsupported': 505,
    'field-count': 431,
    'section-length': 431,
    'transfer-encoding-unsupported': 501,
  };
  for (const [text, code, place, offset] of FAULTS) {
    const last = read(text).at(-1);
    const fault = typeof last === 'object' && 'fault' in last ? last.fault : undefined;
    assert.deepEqual(
      fault,
      { code, place, offset: offset < 0 ? fault?.offset : offset, status: STATUS[code] ?? 400 },
      JSON.stringify(text.slice(0, 200)),
    );
  }
});

test('RequestReader accepts every bound itself', () => {
  const exact = `${GET}a: ${'b'.repeat(65_536 - GET.length - 7)}\r\n\r\n`;
  assert.equal(exact.length, 65_536);
  for (const text of [
    exact,
    `${'M'.repeat(32)} / HTTP/1.1\r\nHost: a\r\n\r\n`,
    `GET /${'a'.repeat(8191)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `${GET}${'a: b\r\n'.repeat(127)}\r\n`,
    `${GET}Connection: ${'a,'.repeat(32)}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${'a'.repeat(255)}:65535\r\n\r\n`,
    `${CHUNKED}1;${'a'.repeat(508)}\r\nx\r\n0\r\n${'a: b\r\n'.repeat(64)}\r\n`,
    `${CHUNKED}0000000000000001\r\nx\r\n0\r\n\r\n`,
  ]) {
    assert.equal(read(text).at(-1), 'idle', text.slice(0, 50));
  }
  const long = read(`${GET}Content-Length: 9007199254740991\r\n\r\n`)[0];
  assert.equal(typeof long === 'object' && 'framing' in long && long.framing, 'length 9007199254740991');
});

test('FieldBlock finds fields by name in any case, one after the other', () => {
  const reader = new RequestReader();
  const buffer = bytes('GET / HTTP/1.1\r\nHost: a\r\nX_y^Z: 1\r\nx_Y^z: 2\r\n\r\n');
  assert.equal(reader.read(buffer, 0, buffer.length), 'head');
  const { head: found } = reader;
  assert.deepEqual(
    [found.find('x_y^z'), found.find('x_y^z', 2), found.find('x_y^z', 3), found.find('y')],
    [1, 2, -1, -1],
  );
  assert.equal(found.value(2), '2');
});

test('RequestReader says the same fault for ever', () => {
  const reader = new RequestReader();
  const buffer = bytes('\0GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(reader.read(buffer, 0, buffer.length), 'fault');
  assert.equal(reader.read(buffer, 1, buffer.length), 'fault');
  assert.equal(reader.finish(), 'fault');
  assert.equal(reader.idle, false);
});

test('RequestReader keeps nothing of a head once it is told to let go', () => {
  const reader = new RequestReader();
  const buffer = bytes('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(reader.read(buffer, 0, 5), 'more');
  assert.equal(reader.idle, false);
  reader.release();
  assert.equal(reader.read(buffer, 5, buffer.length), 'head', 'nor forgets half of one');
  assert.equal(reader.read(buffer, buffer.length, buffer.length), 'end');
  assert.equal(reader.head.authority, 'a');
  assert.equal(reader.head.target, '/');
  reader.release();
  assert.equal(reader.head.bytes.length, 0);
  assert.equal(reader.idle, true);
});

test('RequestReader hands on everything once it is a tunnel', () => {
  const reader = new RequestReader();
  const buffer = bytes('CONNECT a:1 HTTP/1.1\r\n\r\n\0\r\n');
  const connect = bytes('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n\0\r\n');
  assert.equal(reader.read(connect, 0, connect.length), 'head');
  assert.equal(reader.read(connect, reader.at, connect.length), 'end');
  reader.enterTunnel();
  assert.equal(reader.read(connect, reader.at, connect.length), 'data');
  assert.equal(connect.toString('latin1', reader.dataStart, reader.dataEnd), '\0\r\n');
  assert.equal(reader.read(buffer, 3, 3), 'more');
  assert.equal(reader.finish(), 'end');
  assert.equal(reader.idle, true);
});
