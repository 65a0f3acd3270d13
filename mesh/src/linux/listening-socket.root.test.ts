import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { parseIpAddress, parsePort } from '../model/address.ts';
import { rootTestOptions, TestNetns } from '../testing/test-netns.ts';
import { duplicateDescriptor, isListenedOn, listeningPortOf } from './listening-socket.ts';
import { NetnsHandle } from './netns.ts';
import { dialInNetns, listenInNetns } from './netns-socket.ts';

const options = rootTestOptions();

test('isListenedOn() and listeningPortOf() know a listener, and only while somebody holds it', options, async () => {
  await using pod = await TestNetns.create();
  using netns = NetnsHandle.open(pod.path);
  for (const address of ['wildcard', parseIpAddress('127.0.0.1')] as const) {
    assert.equal(isListenedOn(netns, 15001), false);
    const fd = listenInNetns(netns, { address, port: 15001 });
    assert.equal(isListenedOn(netns, 15001), true);
    assert.equal(isListenedOn(netns, 15006), false);
    assert.equal(listeningPortOf(fd), 15001);
    {
      using second = duplicateDescriptor(fd);
      closeSync(fd);
      assert.equal(isListenedOn(netns, 15001), true);
      assert.equal(listeningPortOf(second.fd), 15001);
    }
  }
  assert.equal(isListenedOn(netns, 15001), false);
});

test('listeningPortOf() takes neither a connecting socket nor a file for a listener', options, async () => {
  await using pod = await TestNetns.create();
  using netns = NetnsHandle.open(pod.path);
  const socket = dialInNetns(netns, { destination: { ip: parseIpAddress('127.0.0.1'), port: parsePort(9) } });
  socket.on('error', () => {});
  const handle: unknown = Reflect.get(socket, '_handle');
  assert.equal(listeningPortOf(Number(Reflect.get(Object(handle), 'fd'))), null);
  socket.destroy();
  const file = openSync('/dev/null', 'r');
  assert.equal(listeningPortOf(file), null);
  closeSync(file);
});
