import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideUpstream } from './decide-upstream.ts';

for (const [declared, clientIsHttp2, expected] of [
  ['http1', false, 'http/1.1'],
  ['http1', true, 'http/1.1'],
  ['http2', false, 'http/2'],
  ['grpc', false, 'http/2'],
  ['grpc', true, 'http/2'],
  ['unknown', false, 'http/1.1'],
  ['unknown', true, 'http/2'],
] as const) {
  test(`decideUpstream() sends to a port of ${declared} what came in HTTP/${clientIsHttp2 ? 2 : 1} in ${expected}`, () => {
    assert.equal(decideUpstream(declared, clientIsHttp2), expected);
  });
}
