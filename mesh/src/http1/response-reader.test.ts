import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FieldList, type Http1Event, responseEvents } from '../testing/http1-steps.ts';
import { type RequestFacts, ResponseReader } from './response-reader.ts';

const GET: RequestFacts = { method: 'GET', upgrade: false };
const HEAD: RequestFacts = { method: 'HEAD', upgrade: false };
const CONNECT: RequestFacts = { method: 'CONNECT', upgrade: false };
const UPGRADE: RequestFacts = { method: 'GET', upgrade: true };

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const head = (response: string, fields: FieldList, framing: string, facts = '1.1'): Http1Event => ({
  response,
  fields,
  framing,
  facts,
});

type Row = readonly [what: string, requests: readonly RequestFacts[], text: string, events: readonly Http1Event[]];

const LENGTH_3: FieldList = [['Content-Length', '3']];
const CHUNKED: FieldList = [['Transfer-Encoding', 'chunked']];
const OK_3 = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n';
const OK_CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

const LEGAL: readonly Row[] = [
  [
    'a body of known length',
    [GET],
    `${OK_3}abc`,
    [head('200 OK', LENGTH_3, 'length 3'), { data: 'abc' }, 'end', 'idle'],
  ],
  [
    'chunks with trailers',
    [GET],
    `${OK_CHUNKED}1\r\na\r\n0\r\ngrpc-status: 0\r\n\r\n`,
    [head('200 OK', CHUNKED, 'chunked'), { data: 'a' }, { trailers: [['grpc-status', '0']] }, 'end', 'idle'],
  ],
  [
    'a body up to the end of the connection',
    [GET],
    'HTTP/1.0 200 OK\r\n\r\nabc',
    [head('200 OK', [], 'until-close', '1.0'), { data: 'abc' }, 'end'],
  ],
  [
    'an empty body up to the end of the connection',
    [GET],
    'HTTP/1.1 200 OK\r\n\r\n',
    [head('200 OK', [], 'until-close'), 'end'],
  ],
  [
    'a body of length 0',
    [GET],
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    [head('200 OK', [['Content-Length', '0']], 'none 0'), 'end', 'idle'],
  ],
  [
    'no body in answer to HEAD, whatever the fields say',
    [HEAD, HEAD, HEAD],
    `${OK_3}${OK_CHUNKED}HTTP/1.1 200 OK\r\n\r\n`,
    [
      head('200 OK', LENGTH_3, 'none 3'),
      'end',
      head('200 OK', CHUNKED, 'none'),
      'end',
      head('200 OK', [], 'none'),
      'end',
      'idle',
    ],
  ],
  [
    'no body with 204 and 304, whatever the fields say',
    [GET, GET, GET],
    'HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nHTTP/1.1 304 \r\nContent-Length: 3\r\n\r\nHTTP/1.1 304\r\nTransfer-Encoding: chunked\r\n\r\n',
    [
      head('204 No Content', LENGTH_3, 'none 3'),
      'end',
      head('304 ', LENGTH_3, 'none 3'),
      'end',
      head('304 ', CHUNKED, 'none'),
      'end',
      'idle',
    ],
  ],
  [
    'interim responses before the final one',
    [GET],
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK_3}abc`,
    [
      head('100 Continue interim', [], 'none'),
      head('103 Early Hints interim', [['Link', '</a>']], 'none'),
      head('200 OK', LENGTH_3, 'length 3'),
      { data: 'abc' },
      'end',
      'idle',
    ],
  ],
  [
    'an upgrade, after which all is data',
    [UPGRADE],
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\n\0\r\nabcdef',
    [
      head(
        '101 Switching Protocols',
        [['Connection', 'upgrade'], ['Upgrade', 'x'], ...LENGTH_3],
        'tunnel 3',
        '1.1 upgrade',
      ),
      { data: '\0\r\nabcdef' },
      'end',
    ],
  ],
  [
    'an upgrade that was not taken',
    [UPGRADE, GET],
    `${OK_3}abc${OK_3}abc`,
    [
      head('200 OK', LENGTH_3, 'length 3'),
      { data: 'abc' },
      'end',
      head('200 OK', LENGTH_3, 'length 3'),
      { data: 'abc' },
      'end',
      'idle',
    ],
  ],
  [
    'a tunnel by CONNECT',
    [CONNECT],
    `${OK_3}abcdef`,
    [head('200 OK', LENGTH_3, 'tunnel 3'), { data: 'abcdef' }, 'end'],
  ],
  [
    'a refused CONNECT, whose answer has a body',
    [CONNECT],
    'HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nabc',
    [head('403 No', LENGTH_3, 'length 3'), { data: 'abc' }, 'end', 'idle'],
  ],
  [
    'statuses that nobody has registered, and reasons of any text',
    [GET],
    'HTTP/1.1 999 Ä\t b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    [
      head(
        '999 Ä\t b',
        [
          ['Content-Length', '0'],
          ['Connection', 'close'],
        ],
        'none 0',
        '1.1 close',
      ),
      'end',
      'idle',
    ],
  ],
  [
    'as many interim responses as there may be',
    [GET],
    `${'HTTP/1.1 102 P\r\n\r\n'.repeat(32)}HTTP/1.1 204 No\r\n\r\n`,
    [...Array<Http1Event>(32).fill(head('102 P interim', [], 'none')), head('204 No', [], 'none'), 'end', 'idle'],
  ],
  ['nothing when nothing was asked', [], '', ['idle']],
];

test('ResponseReader reads legal responses by what was asked', () => {
  for (const [what, requests, text, events] of LEGAL) {
    assert.deepEqual(responseEvents([bytes(text)], requests), events, what);
  }
});

const FAULTS: readonly (readonly [
  text: string,
  code: string,
  place: string,
  offset: number,
  requests?: readonly RequestFacts[],
])[] = [
  ['\r\nHTTP/1.1 200 OK\r\n\r\n', 'version', 'status-line', 0],
  ['HTTP/1.1  200 OK\r\n\r\n', 'status-code', 'status-line', 9],
  ['HTTP/1.1\t200 OK\r\n\r\n', 'version', 'status-line', 8],
  ['HTTP/2.0 200 OK\r\n\r\n', 'version-unsupported', 'status-line', 8],
  ['HTTP/1.1 099 OK\r\n\r\n', 'status-code', 'status-line', 9],
  ['HTTP/1.1 20 OK\r\n\r\n', 'status-code', 'status-line', 11],
  ['HTTP/1.1 2000 OK\r\n\r\n', 'status-code', 'status-line', 12],
  ['HTTP/1.1 200\tOK\r\n\r\n', 'status-code', 'status-line', 12],
  ['HTTP/1.1 200\n\r\n', 'line-end', 'status-line', 12],
  ['HTTP/1.1 200 OK\n\r\n', 'line-end', 'status-line', 15],
  ['HTTP/1.1 200 OK\r\r\n', 'line-end', 'status-line', 16],
  ['HTTP/1.1 200 O\0K\r\n', 'reason', 'status-line', 14],
  ['HTTP/1.1 200 OK\r\nX : y\r\n\r\n', 'space-before-colon', 'field', 18],
  ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n', 'content-length-duplicate', 'framing', 36],
  ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 'length-and-chunked', 'framing', 36],
  ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n', 'transfer-encoding-invalid', 'framing', 17],
  ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'transfer-encoding-version', 'framing', 17],
  ['HTTP/1.1 101 Switching\r\n\r\n', 'upgrade-unexpected', 'framing', 13],
  ['HTTP/1.1 100 C\r\n\r\n'.repeat(33), 'interim-count', 'framing', 13],
  [`${OK_3}abc!`, 'unsolicited', 'status-line', 0],
  [OK_3, 'unsolicited', 'status-line', 0, []],
  [`${OK_3}ab`, 'truncated', 'body', 2],
  ['', 'truncated', 'status-line', 0],
  ['HTTP/1.1 100 C\r\n\r\n', 'truncated', 'status-line', 0],
  ['HTTP/1.1 20', 'truncated', 'status-line', 11],
  [OK_CHUNKED, 'truncated', 'body', 0],
];

test('ResponseReader refuses what is illegal or ambiguous, and the client is told 502', () => {
  for (const [text, code, place, offset, requests] of FAULTS) {
    const last = responseEvents([bytes(text)], requests ?? [GET]).at(-1);
    assert.deepEqual(last, { fault: { code, place, offset, status: 502 } }, JSON.stringify(text.slice(0, 100)));
  }
});

test('ResponseReader knows whether anything has come', () => {
  const reader = new ResponseReader();
  const steps = (text: string): void => {
    const buffer = bytes(text);
    for (let at = 0, step = ''; step !== 'more'; at = reader.at) step = reader.read(buffer, at, buffer.length);
  };
  const now = (): readonly boolean[] => [reader.idle, reader.begun];
  assert.deepEqual(now(), [true, false]);
  reader.expectResponse(GET);
  assert.deepEqual(now(), [false, false]);
  steps('H');
  assert.deepEqual(now(), [false, true]);
  steps('TTP/1.1 100 C\r\n\r\n');
  assert.deepEqual(now(), [false, true]);
  steps(`${OK_3}ab`);
  assert.deepEqual(now(), [false, true]);
  steps('c');
  assert.deepEqual(now(), [true, false]);
});
