import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DetectedProtocol, detectProtocol } from './detect-protocol.ts';

for (const [text, expected] of [
  ['', 'more'],
  ['G', 'more'],
  ['GET ', 'more'],
  ['GET / HTTP/1.1', 'more'],
  ['GET / HTTP/1.1\r', 'http1'],
  ['GET / HTTP/1.0\n', 'http1'],
  ['\r\nGET / HTTP/1.1\r\n', 'http1'],
  ['M-SEARCH * HTTP/1.1\r\n', 'http1'],
  [`GET /${'a'.repeat(5000)}`, 'more'],
  [`GET /${'a'.repeat(10_000)}`, 'tcp'],
  ['GET / HTTP/3.0\r\n', 'tcp'],
  ['GET key\r\n', 'tcp'],
  ['get / HTTP/1.1\r\n', 'tcp'],
  ['EHLO example.com\r\n', 'tcp'],
  ['A'.repeat(33), 'tcp'],
  ['P', 'more'],
  ['PRI * HTTP/2.0', 'more'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
  ['PRI * HTTP/1.1\r\n', 'http1'],
  ['*1\r\n$4\r\nPING\r\n', 'tcp'],
  ['\u0016\u0003\u0001', 'tcp'],
  ['SSH-2.0-OpenSSH\r\n', 'tcp'],
  [' GET / HTTP/1.1\r\n', 'tcp'],
] as const satisfies readonly (readonly [string, DetectedProtocol])[]) {
  test(`detectProtocol() reads ${JSON.stringify(text.slice(0, 24))} as ${expected}`, () => {
    const bytes = Buffer.from(`xx${text}yy`, 'latin1');
    assert.equal(detectProtocol(bytes, 2, 2 + text.length), expected);
  });
}
