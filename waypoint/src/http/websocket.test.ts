import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWebsocketKey, websocketAccept } from './websocket.ts';

test('websocketAccept() is that of the example in RFC 6455', () => {
  assert.equal(websocketAccept('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test('createWebsocketKey() gives 16 bytes, others each time', () => {
  const [one, other] = [createWebsocketKey(), createWebsocketKey()];
  assert.equal(Buffer.from(one, 'base64').length, 16);
  assert.notEqual(one, other);
});
