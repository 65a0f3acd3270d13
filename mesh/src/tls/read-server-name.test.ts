import assert from 'node:assert/strict';
import type tls from 'node:tls';
import { test } from 'node:test';
import { clientHello } from '../testing/client-hello.ts';
import { randomOf } from '../testing/random.ts';
import { CLIENT_HELLO_MAX_BYTES, readServerName } from './read-server-name.ts';

/** The same hello in records of so many bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(records);
}

const known = (serverName: string | null) => ({ kind: 'known', serverName });

test('readServerName() reads what clients say, in one piece, byte for byte and in small records', async () => {
  const table: readonly (readonly [options: tls.ConnectionOptions, expected: string | null])[] = [
    [{ servername: 'db.shop.svc' }, 'db.shop.svc'],
    [{ servername: 'DB.Example' }, 'db.example'],
    [{ servername: 'a_b.example', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }, 'a_b.example'],
    [{ servername: '' }, null],
  ];
  for (const [options, expected] of table) {
    const hello = await clientHello(options);
    assert.deepEqual(readServerName(hello), known(expected));
    for (let length = 0; length < hello.length; length += 1) {
      assert.deepEqual(readServerName(hello.subarray(0, length)), { kind: 'more' }, `${length} bytes`);
    }
    for (const size of [1, 3, 64, 500]) assert.deepEqual(readServerName(inRecords(hello, size)), known(expected));
    assert.deepEqual(readServerName(Buffer.concat([hello, Buffer.from('more of it')])), known(expected));
  }
});

test('readServerName() takes what is no hello for one without a name, as soon as it can be seen', async () => {
  const hello = await clientHello({ servername: 'db.example' });
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(hello);
    copy[at] = value;
    return copy;
  };
  const table: readonly (readonly [what: string, bytes: Buffer])[] = [
    ['HTTP', Buffer.from('G')],
    ['another version', changed(1, 2).subarray(0, 2)],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['a record too large', Buffer.from([22, 3, 1, 0x40, 1])],
    ['another message', changed(5, 2)],
    ['a message too large', changed(6, 1)],
    ['another record in its middle', Buffer.concat([inRecords(hello, 9).subarray(0, 14), Buffer.from([21])])],
  ];
  for (const [what, bytes] of table) assert.deepEqual(readServerName(bytes), known(null), what);
});

test('readServerName() waits for a hello of bounded size only', () => {
  const bytes = Buffer.alloc(CLIENT_HELLO_MAX_BYTES);
  bytes.set([22, 3, 1, 0x40, 0, 1, 0, 0x40, 0]);
  assert.deepEqual(readServerName(bytes.subarray(0, -1)), { kind: 'more' });
  assert.deepEqual(readServerName(bytes), known(null));
});

test('readServerName() answers whatever it is given, and gives only names that could be one', async () => {
  const hello = await clientHello({ servername: 'db.example' });
  const random = randomOf(7);
  for (let round = 0; round < 5000; round += 1) {
    const copy = Buffer.from(hello.subarray(0, 1 + Math.floor(random() * hello.length)));
    for (let edits = 1 + Math.floor(random() * 4); edits > 0; edits -= 1) {
      copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256);
    }
    const result = readServerName(copy);
    assert.ok(result.kind === 'more' || result.serverName === null || /^[a-z0-9._-]{1,253}$/.test(result.serverName));
  }
});
