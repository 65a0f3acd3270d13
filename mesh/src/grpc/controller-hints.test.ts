import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PushTransport } from '../push/transport.ts';
import { type AccessKind, hintedTransport, hintFor, withHint } from './controller-hints.ts';
import { GrpcError, type GrpcErrorCode } from './errors.ts';

describe('hintFor()', () => {
  const rows: readonly [code: GrpcErrorCode, access: AccessKind, hint: RegExp | undefined][] = [
    ['unauthenticated', 'token', /audience \(ambit-ca\)/],
    ['unauthenticated', 'certificate', /join token/],
    ['permission-denied', 'token', /no live pod/],
    ['unavailable', 'token', /AMBIT_CONTROLLER_ADDRESS/],
    ['unimplemented', 'token', /no controller/],
    ['cancelled', 'token', undefined],
    ['malformed-response', 'token', undefined],
  ];
  for (const [code, access, hint] of rows) {
    test(`${code} by ${access}`, () => {
      const found = hintFor(new GrpcError(code), access);
      if (hint === undefined) assert.equal(found, undefined);
      else assert.match(found ?? '', hint);
    });
  }

  test('leaves a hint that is there, and what is no answer of a controller', () => {
    assert.equal(hintFor(new GrpcError('unauthenticated', { data: { hint: 'x' } }), 'token'), undefined);
    assert.equal(hintFor(new Error('x'), 'token'), undefined);
  });
});

const refusal = (): GrpcError => new GrpcError('unauthenticated', { data: { status: 16 } });

test('withHint() keeps code and data of what it explains', async () => {
  await assert.rejects(
    withHint('token', () => Promise.reject(refusal())),
    (error) => {
      assert.ok(error instanceof GrpcError);
      assert.deepEqual(
        [error.code, error.data['status'], typeof error.data['hint']],
        ['unauthenticated', 16, 'string'],
      );
      return true;
    },
  );
  assert.equal(await withHint('token', async () => 5), 5);
});

test('hintedTransport() explains streams that do not open and streams that break, and tells of each once', async () => {
  const failures: unknown[] = [];
  const open = (transport: PushTransport): ReturnType<PushTransport['open']> =>
    hintedTransport(transport, 'token', (error) => void failures.push(error)).open(new AbortController().signal);
  await assert.rejects(open({ open: () => Promise.reject(refusal()) }), (error) => hasHint(error));
  const breaking: AsyncIterable<never> = {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(refusal()) }),
  };
  const stream = await open({ open: async () => ({ send: async () => {}, close: () => {}, responses: breaking }) });
  await assert.rejects(
    async () => {
      for await (const { nonce } of stream.responses) assert.fail(nonce);
    },
    (error) => hasHint(error),
  );
  assert.equal(failures.length, 2);
});

function hasHint(error: unknown): boolean {
  return error instanceof GrpcError && typeof error.data['hint'] === 'string';
}
