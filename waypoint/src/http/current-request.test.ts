import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestReader } from '@ambit/mesh/http1';
import { CurrentRequest } from './current-request.ts';

/** Reads one request after the other on one connection. */
function reading(): (text: string) => CurrentRequest & { readonly isReadable: boolean } {
  const reader = new RequestReader();
  let ids = 0;
  const request = new CurrentRequest(
    reader.head,
    { identity: null, address: '10.0.0.1' },
    (memory, at) => at + memory.write(`id-${(ids += 1)}`, at),
  );
  return (text) => {
    const bytes = Buffer.from(text, 'latin1');
    assert.equal(reader.read(bytes, 0, bytes.length), 'head');
    const isReadable = request.read();
    assert.equal(reader.read(bytes, reader.at, bytes.length), 'end');
    return Object.assign(request, { isReadable });
  };
}

test('CurrentRequest reads a target that comes again as it did at first', () => {
  const read = reading();
  const seen = (line: string): readonly unknown[] => {
    const { isReadable, path, query, target, rewritten } = read(`${line} HTTP/1.1\r\nHost: a\r\n\r\n`);
    return isReadable ? [path, query, target, rewritten] : ['refused', target];
  };
  const table: readonly (readonly [string, readonly unknown[]])[] = [
    ['GET /a?b=1', ['/a', 'b=1', '/a?b=1', false]],
    ['POST /a?b=1', ['/a', 'b=1', '/a?b=1', false]],
    ['GET http://a/a?b=1', ['/a', 'b=1', '/a?b=1', true]],
    ['GET //a/../b', ['/b', '', '//a/../b', true]],
    ['GET //a/../b', ['/b', '', '//a/../b', true]],
    ['GET /a%2Fb', ['refused', '/a%2Fb']],
    ['GET /a%2Fb', ['refused', '/a%2Fb']],
    ['GET /b', ['/b', '', '/b', false]],
    ['OPTIONS http://a', ['*', '', '', true]],
    ['GET http://a', ['/', '', '', true]],
    ['OPTIONS http://a', ['*', '', '', true]],
    ['OPTIONS *', ['*', '', '*', false]],
  ];
  for (const [line, expected] of table) assert.deepEqual(seen(line), expected, line);
});

test('CurrentRequest gives an id to each request that has none', () => {
  const read = reading();
  const seen = (fields: string): readonly unknown[] => {
    const { requestId, ownRequestId } = read(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    return [requestId, ownRequestId === null ? null : Buffer.from(ownRequestId).toString()];
  };
  assert.deepEqual(seen(''), ['id-1', 'id-1']);
  assert.deepEqual(seen('X-Request-Id: theirs\r\n'), ['theirs', null]);
  assert.deepEqual(seen(''), ['id-2', 'id-2']);
});

test('CurrentRequest.headerIs() says what header() says', () => {
  const read = reading();
  const request = read('GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-B: 1\r\nx-b: 2\r\n\r\n');
  for (const name of ['host', 'x-a', 'x-b', 'x-c']) {
    for (const text of ['a', '1', '2', '1, 2', '']) {
      assert.equal(request.headerIs(name, text), request.header(name) === text, `${name} ${text}`);
    }
  }
});
