import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observe, type Observed, recut, type Said } from '../testing/observed.ts';
import { randomOf } from '../testing/random.ts';

const SEED = 20261126;
const CUTS = 60;

function said(...lines: readonly (readonly ['client' | 'server', string])[]): Said[] {
  return lines.map(([by, text]) => ({ by, bytes: Buffer.from(text, 'latin1') }));
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** What is observed of a conversation, however it is cut. */
const CASES: readonly (readonly [string, readonly Said[], Partial<Observed>])[] = [
  ['one request', said(['client', GET], ['server', OK]), { exchanges: ['200'] }],
  ['keep-alive', said(['client', GET], ['server', OK], ['client', GET], ['server', OK]), { exchanges: ['200', '200'] }],
  [
    'pipelined requests',
    said(['client', GET.repeat(40)], ['server', OK.repeat(40)]),
    { exchanges: Array.from({ length: 40 }, () => '200') },
  ],
  [
    'lengths in any case and with white space',
    said(
      ['client', 'POST /x HTTP/1.1\r\ncOnTeNt-LeNgTh:\t 5  \r\nhost: a\r\n\r\nGET /'],
      ['server', 'HTTP/1.1 201 \r\nCONTENT-LENGTH:3\r\n\r\nHTT'],
      ['client', GET],
      ['server', OK],
    ),
    { exchanges: ['201', '200'] },
  ],
  [
    'chunks with extensions and trailers',
    said(
      [
        'client',
        'PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n5;a=b\r\nGET /\r\n00A\r\n0123456789\r\n0\r\nT: 1\r\n\r\n',
      ],
      ['server', 'HTTP/1.1 503 x\r\ntransfer-encoding:chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'],
      ['client', GET],
      ['server', OK],
    ),
    { exchanges: ['503', '200'] },
  ],
  [
    'answers without a body though they tell its length',
    said(
      ['client', `HEAD / HTTP/1.1\r\n\r\n${GET}${GET}HEAD / HTTP/1.1\r\n\r\n`],
      ['server', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'],
      ['server', 'HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 x\r\n\r\n'],
      ['server', 'HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ),
    { exchanges: ['200', '304', '204', '404'] },
  ],
  [
    'interim answers',
    said(
      ['client', 'POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n'],
      ['server', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: a\r\n\r\n'],
      ['client', 'x'],
      ['server', OK],
    ),
    { exchanges: ['200'] },
  ],
  [
    'an answer before the body of its request',
    said(
      ['client', 'POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n'],
      ['server', 'HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n'],
      ['client', `body${GET}`],
      ['server', OK],
    ),
    { exchanges: ['413', '200'] },
  ],
  [
    'an answer before the head of its request is complete',
    said(['client', 'GET / HTTP/1.1\r\nX: '], ['server', 'HTTP/1.1 431 x\r\ncontent-length: 0\r\n\r\n']),
    { exchanges: ['431'] },
  ],
  [
    'an answer that ends with the connection',
    said(['client', GET], ['server', 'HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 500 never\r\n\r\n']),
    { exchanges: ['200'] },
  ],
  ['a request without an answer', said(['client', `${GET}GET / HT`]), { exchanges: ['0'] }],
  ['a request that is not whole', said(['client', 'GET / HTTP/1.1\r\nHost: a\r\n']), { exchanges: [] }],
  ['empty lines between requests', said(['client', `\r\n\r\n${GET}`], ['server', OK]), { exchanges: ['200'] }],
  [
    'methods that begin like HTTP/2',
    said(['client', GET.replace('GET', 'PRI')], ['server', OK]),
    { exchanges: ['200'] },
  ],
  [
    'a WebSocket',
    said(
      ['client', 'GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
      ['server', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05Hello'],
      ['client', '\x81\x85aaaa'],
    ),
    { exchanges: ['101'], stopped: 'upgraded' },
  ],
  [
    'an upgrade that is not made',
    said(['client', 'GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n'], ['server', OK], ['client', GET], ['server', OK]),
    { exchanges: ['200', '200'] },
  ],
  ['CONNECT', said(['client', 'CONNECT a:1 HTTP/1.1\r\n\r\n'], ['server', OK]), { stopped: 'upgraded' }],
  ['TLS', said(['client', '\x16\x03\x01\x02\x00']), { stopped: 'tls' }],
  [
    'a server that speaks first',
    said(['server', '220 mail ESMTP\r\n'], ['client', 'EHLO a\r\n']),
    { stopped: 'unknown-protocol' },
  ],
  ['a line that is none of HTTP', said(['client', 'SSH-2.0-OpenSSH_9.9\r\n']), { stopped: 'unknown-protocol' }],
  ['HTTP/0.9', said(['client', 'GET /\r\n']), { stopped: 'unknown-protocol' }],
  ['a request line of another version', said(['client', 'GET / HTTP/2.0\r\n\r\n']), { stopped: 'unknown-protocol' }],
  [
    'a request line without the last digit of its version',
    said(['client', 'GET / HTTP/1. \r\n\r\n']),
    { stopped: 'unknown-protocol' },
  ],
  [
    'an answer without the last digit of its version',
    said(['client', GET], ['server', OK.replace('1.1', '1.x')]),
    { stopped: 'unreadable' },
  ],
  ['bytes', said(['client', '\x00\x00\x00\x08\x04\xd2\x16\x2f']), { stopped: 'unknown-protocol' }],
  ['a command of Redis', said(['client', '*1\r\n$4\r\nPING\r\n']), { stopped: 'unknown-protocol' }],
  [
    'a request that makes no sense after one that did',
    said(['client', GET], ['server', OK], ['client', '\x00\x01']),
    { exchanges: ['200'], stopped: 'unreadable' },
  ],
  ['an answer that makes no sense', said(['client', GET], ['server', 'OK\r\n']), { stopped: 'unreadable' }],
  [
    'an answer to nothing',
    said(['client', GET], ['server', `${OK}${OK}`]),
    { exchanges: ['200'], stopped: 'unreadable' },
  ],
  [
    'two lengths',
    said(['client', 'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n']),
    { stopped: 'unreadable' },
  ],
  ['no length', said(['client', 'POST / HTTP/1.1\r\nContent-Length: a\r\n\r\n']), { stopped: 'unreadable' }],
  [
    'a length beyond all measure',
    said(['client', `POST / HTTP/1.1\r\nContent-Length: ${'9'.repeat(17)}\r\n\r\n`]),
    { stopped: 'unreadable' },
  ],
  [
    'a chunk size beyond all measure',
    said(['client', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n']),
    { stopped: 'unreadable' },
  ],
  [
    'a chunk without its end',
    said(['client', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n']),
    { stopped: 'unreadable' },
  ],
  ['too many requests at a time', said(['client', GET.repeat(129)]), { stopped: 'too-many-requests' }],
];

for (const [name, conversation, expected] of CASES) {
  test(`ConnectionObserver reads HTTP/1: ${name}`, () => {
    const random = randomOf(SEED);
    for (let cut = 0; cut <= CUTS; cut += 1) {
      const { exchanges, stopped } = observe(cut === 0 ? conversation : recut(conversation, random));
      assert.deepEqual({ exchanges, stopped }, { exchanges: [], stopped: null, ...expected });
    }
  });
}

test('a duration is from the first byte of a request to the last of its answer', () => {
  const { durations } = observe(
    said(
      ['client', 'GE'],
      ['client', 'T / HTTP/1.1\r\n\r\n'],
      ['server', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no'],
      ['server', 'k'],
      ['client', GET],
      ['server', OK],
    ),
  );
  assert.deepEqual(durations, [3, 1]);
});

test('so it is where the first bytes might have begun HTTP/2', () => {
  const pieces = ['P', 'RI', ' / HTTP/1.1\r\n\r\n'].map((piece) => ['client', piece] as const);
  assert.deepEqual(observe(said(...pieces, ['server', OK])).durations, [3]);
});

test('a head beyond all measure ends the reading, and none of it is kept', () => {
  const line: Said = { by: 'client', bytes: Buffer.from(`X-Long: ${'x'.repeat(60_000)}\r\n`) };
  const { stopped } = observe([...said(['client', 'GET / HTTP/1.1\r\n']), line, line, line, line, line]);
  assert.equal(stopped, 'unreadable');
});

test('how long a head may be does not depend on how it is cut', () => {
  const long = (kib: number): string => `X-Long: ${'x'.repeat(kib * 1024)}\r\n`;
  const chunked = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n';
  const cases = [
    [`GET / HTTP/1.1\r\n${long(257)}\r\n`, 'unreadable'],
    [`${chunked}\r\n0\r\n${long(257)}\r\n`, 'unreadable'],
    [`${chunked}${long(200)}\r\n1;${'x'.repeat(100 * 1024)}\r\na\r\n0\r\n${long(100)}\r\n`, null],
    [`GET / HTTP/1.1\r\n${long(200)}\r\n`.repeat(2), null],
  ] as const;
  for (const [request, expected] of cases) {
    for (const kib of [1, 16, 64, 1024]) {
      const pieces = request.match(new RegExp(`[^]{1,${kib * 1024}}`, 'g')) ?? [];
      const { stopped } = observe(said(...pieces.map((piece) => ['client', piece] as const)));
      assert.equal(stopped, expected, `${request.slice(0, 60)} in pieces of ${kib} KiB`);
    }
  }
});

test('a large body is passed over', () => {
  const piece: Said = { by: 'server', bytes: Buffer.alloc(1024 * 1024) };
  const length = 16 * piece.bytes.length;
  const { exchanges, durations } = observe([
    ...said(['client', GET], ['server', `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`]),
    ...Array.from({ length: 16 }, () => piece),
    ...said(['client', GET], ['server', OK]),
  ]);
  assert.deepEqual([exchanges, durations[0]], [['200', '200'], 17]);
});
