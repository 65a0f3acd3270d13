import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEchoed } from './echoed.ts';

test('parseEchoed() reads each response, whatever of it is there', () => {
  const output = `[0] Url=http://echo/a
[0] StatusCode=200
[0] ResponseHeader=X-A:1
[0] ResponseHeader=X-A:b:2
[0 body] Host=echo
[0 body] URL=/a
[0 body] Method=POST
[0 body] Proto=HTTP/1.1
[0 body] RequestHeader=Accept-Encoding:gzip
[0 body] Hostname=echo-v1-7

[1] StatusCode=503
[2] Echo=HelloWorld
[2 body] Hostname=echo-v2-8
[2 body] HelloWorldStatusCode=200

2026-11-26T13:02:29.187963Z	info	All 2 requests succeeded
`;
  const responses = parseEchoed(output);
  assert.deepEqual(
    responses.map(({ status, hostname, method, path }) => [status, hostname, method, path]),
    [
      [200, 'echo-v1-7', 'POST', '/a'],
      [503, '', '', ''],
      [200, 'echo-v2-8', '', ''],
    ],
  );
  assert.deepEqual([...(responses[0]?.responseHeaders ?? [])], [['x-a', '1, b:2']]);
  assert.deepEqual([...(responses[0]?.requestHeaders ?? [])], [['accept-encoding', 'gzip']]);
  assert.deepEqual(parseEchoed('error: it went wrong\n'), []);
});
