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
