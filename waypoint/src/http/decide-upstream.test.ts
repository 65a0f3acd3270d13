import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideUpstream } from './decide-upstream.ts';

const [HTTP1, HTTP2, GRPC] = [
  { isHttp2: false, isGrpc: false, name: 'HTTP/1' },
  { isHttp2: true, isGrpc: false, name: 'HTTP/2' },
  { isHttp2: true, isGrpc: true, name: 'gRPC' },
];

for (const [declared, client, expected] of [
  ['http1', HTTP1, 'http/1.1'],
  ['http1', HTTP2, 'http/1.1'],
  ['http2', HTTP1, 'http/2'],
  ['grpc', HTTP1, 'http/2'],
  ['grpc', HTTP2, 'http/2'],
  ['unknown', HTTP1, 'http/1.1'],
  ['unknown', HTTP2, 'http/2'],
  ['tls', HTTP1, 'http/1.1'],
  ['tls', HTTP2, 'http/1.1'],
  ['tls', GRPC, 'http/2'],
] as const) {
  test(`decideUpstream() sends to a port of ${declared} what came in ${client.name} in ${expected}`, () => {
    assert.equal(decideUpstream(declared, client), expected);
  });
}
