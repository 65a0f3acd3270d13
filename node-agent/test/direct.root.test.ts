import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rootTestOptions } from '@ambit/mesh/testing';
import { PodWorld, readAll, until } from './pod-world.ts';

const options = { ...rootTestOptions(), timeout: 30_000 };

test('two enrolled pods talk through mutual TLS and the application sees its true peer', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
  const peers: (string | undefined)[] = [];
  await world.pod('server').serve(8080, (socket) => {
    peers.push(socket.remoteAddress);
    void readAll(socket).then((text) => socket.end(`echo ${text}`));
  });
  assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'hello'), 'echo hello');
  assert.deepEqual(peers, ['::ffff:10.77.0.1']);
  await until(() => world.nodeOf('server').lines.length === 1 && world.nodeOf('client').lines.length === 1);
  const [outbound] = world.nodeOf('client').records('outbound');
  const [inbound] = world.nodeOf('server').records('inbound');
  for (const record of [outbound, inbound]) {
    assert.equal(record?.get('message'), 'connection complete');
    assert.equal(record?.get('src.identity'), 'spiffe://cluster.local/ns/shop/sa/client');
    assert.equal(record?.get('dst.identity'), 'spiffe://cluster.local/ns/shop/sa/server');
    assert.equal(record?.get('dst.addr'), '10.77.0.2:15008');
    assert.equal(record?.get('dst.hbone_addr'), '10.77.0.2:8080');
    assert.equal(record?.get('bytes_recv'), '5');
    assert.equal(record?.get('bytes_sent'), '10');
    assert.equal(record?.get('error'), undefined);
  }
});
