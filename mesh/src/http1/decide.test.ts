import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideExpect, passesInterim } from './decide-expect.ts';
import { decideRequestFraming, decideResponseFraming } from './decide-framing.ts';
import {
  type ClientExchange,
  connectionOption,
  decideClientPersistence,
  decideServerPersistence,
  type Persistence,
  type ServerExchange,
} from './decide-persistence.ts';

const CLIENT: ClientExchange = {
  versionMinor: 1,
  close: false,
  keepAlive: false,
  method: 'GET',
  requestComplete: true,
  framing: 'length',
  draining: false,
};

test('decideClientPersistence() keeps a connection only when its next byte must be a request', () => {
  const table: readonly (readonly [Partial<ClientExchange>, Persistence])[] = [
    [{}, 'keep'],
    [{ keepAlive: true }, 'keep'],
    [{ framing: 'chunked' }, 'keep'],
    [{ framing: 'none' }, 'keep'],
    [{ close: true }, 'peer-asked'],
    [{ close: true, keepAlive: true }, 'peer-asked'],
    [{ versionMinor: 0 }, 'http-1.0'],
    [{ versionMinor: 0, keepAlive: true }, 'keep'],
    [{ versionMinor: 0, keepAlive: true, framing: 'until-close' }, 'body-ends-with-connection'],
    [{ versionMinor: 0, close: true }, 'peer-asked'],
    [{ requestComplete: false }, 'request-incomplete'],
    [{ requestComplete: false, draining: true }, 'request-incomplete'],
    [{ draining: true }, 'draining'],
    [{ framing: 'tunnel', draining: true }, 'tunnel'],
    [{ framing: 'tunnel', method: 'CONNECT' }, 'tunnel'],
    [{ method: 'CONNECT' }, 'connect-refused'],
  ];
  for (const [change, expected] of table) {
    assert.equal(decideClientPersistence({ ...CLIENT, ...change }), expected, JSON.stringify(change));
  }
});

const SERVER: ServerExchange = {
  versionMinor: 1,
  close: false,
  keepAlive: false,
  requestComplete: true,
  responseComplete: true,
  framing: 'length',
  retired: false,
};

test('decideServerPersistence() keeps a connection only when both messages have ended', () => {
  const table: readonly (readonly [Partial<ServerExchange>, Persistence])[] = [
    [{}, 'keep'],
    [{ framing: 'none' }, 'keep'],
    [{ framing: 'chunked', keepAlive: true }, 'keep'],
    [{ close: true }, 'peer-asked'],
    [{ versionMinor: 0 }, 'http-1.0'],
    [{ versionMinor: 0, keepAlive: true }, 'keep'],
    [{ framing: 'until-close' }, 'body-ends-with-connection'],
    [{ framing: 'tunnel' }, 'tunnel'],
    [{ requestComplete: false }, 'request-incomplete'],
    [{ responseComplete: false, requestComplete: false }, 'response-incomplete'],
    [{ retired: true }, 'retired'],
  ];
  for (const [change, expected] of table) {
    assert.equal(decideServerPersistence({ ...SERVER, ...change }), expected, JSON.stringify(change));
  }
});

test('connectionOption() says what a version does not assume', () => {
  const table: readonly (readonly [Persistence, 0 | 1, string | undefined])[] = [
    ['keep', 1, undefined],
    ['keep', 0, 'keep-alive'],
    ['draining', 1, 'close'],
    ['http-1.0', 0, 'close'],
    ['tunnel', 1, undefined],
  ];
  for (const [persistence, minor, option] of table) assert.equal(connectionOption(persistence, minor), option);
});

test('decideRequestFraming() passes on the framing, and a length of 0 too', () => {
  const of = (framing: 'none' | 'length' | 'chunked', hasContentLength: boolean): string =>
    decideRequestFraming({ framing, hasContentLength });
  assert.deepEqual(
    [of('none', false), of('none', true), of('length', true), of('chunked', false)],
    ['none', 'empty', 'length', 'chunked'],
  );
});

test('decideResponseFraming() frames by request, status and what the client speaks', () => {
  type Input = Parameters<typeof decideResponseFraming>[0];
  const base: Input = { framing: 'none', hasContentLength: false, status: 200, method: 'GET', clientVersionMinor: 1 };
  const table: readonly (readonly [Partial<Input>, string])[] = [
    [{ framing: 'length', hasContentLength: true }, 'length'],
    [{ framing: 'length', hasContentLength: true, clientVersionMinor: 0 }, 'length'],
    [{ framing: 'chunked' }, 'chunked'],
    [{ framing: 'until-close' }, 'chunked'],
    [{ framing: 'chunked', clientVersionMinor: 0 }, 'until-close'],
    [{ framing: 'until-close', clientVersionMinor: 0 }, 'until-close'],
    [{ framing: 'tunnel', status: 101, hasContentLength: true }, 'tunnel'],
    [{ hasContentLength: true }, 'empty'],
    [{}, 'empty'],
    [{ hasContentLength: true, method: 'HEAD' }, 'declared'],
    [{ method: 'HEAD' }, 'none'],
    [{ hasContentLength: true, status: 304 }, 'declared'],
    [{ status: 304 }, 'none'],
    [{ hasContentLength: true, status: 204 }, 'none'],
    [{ hasContentLength: true, status: 204, method: 'HEAD' }, 'none'],
    [{ hasContentLength: true, status: 103 }, 'none'],
  ];
  for (const [change, expected] of table) {
    assert.equal(decideResponseFraming({ ...base, ...change }), expected, JSON.stringify(change));
  }
});

test('decideExpect() passes an expectation on to servers that know it', () => {
  assert.equal(decideExpect({ expect: 'none', framing: 'length' }, 0), 'none');
  assert.equal(decideExpect({ expect: 'continue', framing: 'none' }, 1), 'none');
  assert.equal(decideExpect({ expect: 'continue', framing: 'length' }, 1), 'pass-on');
  assert.equal(decideExpect({ expect: 'continue', framing: 'chunked' }, undefined), 'pass-on');
  assert.equal(decideExpect({ expect: 'continue', framing: 'length' }, 0), 'refuse');
  assert.equal(decideExpect({ expect: 'unknown', framing: 'none' }, 1), 'pass-on');
  assert.equal(decideExpect({ expect: 'unknown', framing: 'none' }, 0), 'refuse');
});

test('passesInterim() is for HTTP/1.1', () => {
  assert.deepEqual([passesInterim(0), passesInterim(1)], [false, true]);
});
