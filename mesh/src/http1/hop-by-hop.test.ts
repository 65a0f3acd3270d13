import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markHopByHop } from './hop-by-hop.ts';
import { RequestReader } from './request-reader.ts';

/** The names that stay. */
function kept(fields: readonly string[], upgrade: 'pass-on' | 'drop' = 'drop'): readonly string[] {
  const reader = new RequestReader();
  const bytes = Buffer.from(`GET / HTTP/1.1\r\n${['Host: a', ...fields].map((line) => `${line}\r\n`).join('')}\r\n`);
  assert.equal(reader.read(bytes, 0, bytes.length), 'head', reader.fault?.code);
  const { head } = reader;
  const dropped = new Uint8Array(head.count).fill(7);
  markHopByHop(head, dropped, upgrade);
  return Array.from({ length: head.count }, (_, index) => head.name(index)).filter((_, index) => dropped[index] === 0);
}

test('markHopByHop() drops what ends at this hop, and what Connection names', () => {
  const table: readonly (readonly [fields: readonly string[], kept: readonly string[]])[] = [
    [['X: 1'], ['Host', 'X']],
    [
      ['connection: close', 'X: 1'],
      ['Host', 'X'],
    ],
    [['Keep-Alive: 5', 'PROXY-connection: close', 'HTTP2-Settings: x', 'Transfer-Encoding: chunked'], ['Host']],
    [
      ['TE: gzip', 'te: TRAILERS', 'te: trailers;q=1'],
      ['Host', 'te'],
    ],
    [
      ['TE: trailers', 'Connection: TE'],
      ['Host', 'TE'],
    ],
    [['Upgrade: h2c', 'Connection: upgrade'], ['Host']],
    [
      ['X-A: 1', 'Connection: x-a, Y', 'y: 2', 'X-a: 3', 'X-AB: 4', 'X: 5'],
      ['Host', 'X-AB', 'X'],
    ],
    [['Connection: close', 'Connection: X-A', 'X-A: 1'], ['Host']],
    [
      ['Connection: X-A', 'Content-Length: 0', 'Authorization: x'],
      ['Host', 'Content-Length', 'Authorization'],
    ],
  ];
  for (const [fields, expected] of table) assert.deepEqual(kept(fields), expected, fields.join());
});

test('markHopByHop() keeps Upgrade when it is passed on, and never Connection', () => {
  const fields = ['Upgrade: websocket', 'Connection: Upgrade, X-A', 'X-A: 1', 'HTTP2-Settings: x'];
  assert.deepEqual(kept(fields, 'pass-on'), ['Host', 'Upgrade']);
});
