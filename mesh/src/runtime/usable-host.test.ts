import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usableHost } from './usable-host.ts';

test('usableHost leaves every host but :: as it is, and makes of :: one that a server can listen at', async () => {
  assert.equal(await usableHost('127.0.0.1'), '127.0.0.1');
  assert.equal(await usableHost('0.0.0.0'), '0.0.0.0');
  assert.equal(await usableHost('::1'), '::1');
  assert.match(await usableHost('::'), /^(?:::|0\.0\.0\.0)$/);
});
