import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HboneError } from '../hbone/errors.ts';
import { Http2Code } from '../hbone/frame-codec.ts';
import { blockOf } from '../testing/http2-peer.ts';
import { fromFramer, Http2Error, malformed } from './http2-error.ts';
import { reasonOf } from './reasons.ts';
import { grpcStatusOf, translateFailure } from './translate-failure.ts';

test('translateFailure() says what a client gets, and whether the request may be made again', () => {
  const reset = (http2Code: number): Http2Error => new Http2Error('reset', { data: { http2Code } });
  const { cancel, enhanceYourCalm, http11Required, internalError, protocolError, refusedStream } = Http2Code;
  const cases: readonly (readonly [error: Http2Error, status: number, http2Code: number, retry: string])[] = [
    [reset(refusedStream), 503, refusedStream, 'safe'],
    [new Http2Error('goaway'), 503, refusedStream, 'safe'],
    [reset(cancel), 502, cancel, 'never'],
    [reset(enhanceYourCalm), 502, enhanceYourCalm, 'never'],
    [reset(protocolError), 502, internalError, 'never'],
    [reset(http11Required), 502, internalError, 'as-http1'],
    [malformed('te'), 502, internalError, 'never'],
    [new Http2Error('protocol', { data: { http2Code: cancel } }), 502, internalError, 'never'],
    [new Http2Error('closed'), 502, internalError, 'never'],
    [fromFramer(new HboneError('keepalive')), 502, internalError, 'never'],
    [fromFramer(new HboneError('socket')), 502, internalError, 'never'],
  ];
  for (const [error, status, http2Code, retry] of cases) {
    assert.deepEqual(translateFailure(error), { status, http2Code, retry }, error.code);
  }
});

test('statuses have names, and codes of gRPC', () => {
  assert.deepEqual([200, 404, 503, 299].map(reasonOf), ['OK', 'Not Found', 'Service Unavailable', '']);
  assert.deepEqual([400, 401, 403, 404, 429, 503, 504, 500].map(grpcStatusOf), [13, 16, 7, 12, 14, 14, 4, 2]);
  assert.equal(blockOf([]).length, 0);
});
