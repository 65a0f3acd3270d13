import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SecureContext } from 'node:tls';
import { HboneError } from '@ambit/mesh/hbone';
import { dialInNetns } from '@ambit/mesh/linux';
import { parseSocketAddress, workloadIdentity } from '@ambit/mesh/model';
import { rootTestOptions } from '@ambit/mesh/testing';
import { handshakes, secureContextOf } from '@ambit/mesh/tls';
import { PodWorld, until } from './pod-world.ts';
import { nft, SERVER, serveEcho, shortcuts, twoPods } from './same-node-world.ts';
import { openSession } from './tunnel-session.ts';

const options = { ...rootTestOptions(), timeout: 60_000 };

describe('a hostile pod', () => {
  test('that dials the tunnel port itself is served as by a stranger, whatever it says', options, async () => {
    await using world = await twoPods();
    await serveEcho(world.pod('server'));
    const node = world.nodeOf('client');
    assert.equal(await world.pod('client').exchange(SERVER, 'x'), 'x');
    const identity = workloadIdentity(world.pod('client').workload);
    // It escapes capture and has stolen a certificate.
    const session = await openSession(world, 'client', world.ca.issue(identity));
    assert.equal(await session.askPeer(20_000), true);
    const { stream } = await session.openTunnel({ authority: SERVER, headers: [] });
    stream.reset();
    await until(() => node.records('inbound').length === 2);
    assert.equal(node.records('inbound')[1]?.get('via'), undefined);
    session.destroy(new HboneError('closed'));
    assert.equal(shortcuts(node), 1);
  });

  test(
    'that stands between both with certificates of both gains nothing: the session is not one',
    options,
    async () => {
      await using world = await PodWorld.create([
        { name: 'client', onNode: 'one' },
        { name: 'server', onNode: 'one' },
        { name: 'middle', captured: false },
      ]);
      await serveEcho(world.pod('server'));
      const sessions = await standBetween(world);
      nft(world.pod('client'), 'add table ip divert');
      nft(world.pod('client'), 'add chain ip divert out { type nat hook output priority -150; }');
      nft(world.pod('client'), 'add rule ip divert out ip daddr 10.77.0.2 tcp dport 15008 dnat to 10.77.0.3:15008');
      assert.equal(await world.pod('client').exchange(SERVER, 'x'), 'x');
      assert.equal(await world.pod('client').exchange(SERVER, 'y'), 'y');
      assert.equal(sessions.count, 1);
      assert.equal(shortcuts(world.nodeOf('client')), 0);
    },
  );
});

/** Pod `middle` ends and begins TLS with the certificates of the pods it stands between. */
async function standBetween(world: PodWorld): Promise<{ readonly count: number }> {
  const middle = world.pod('middle');
  const contextOf = (name: string): SecureContext =>
    secureContextOf(world.ca.issue(workloadIdentity(world.pod(name).workload)));
  const seen = { count: 0 };
  await middle.serve(15008, (socket) => {
    handshakes.serve(socket, contextOf('server'), (towardsClient) => {
      const raw = dialInNetns(middle.handle, { destination: parseSocketAddress('10.77.0.2:15008') });
      handshakes.start(raw, contextOf('client'), (towardsServer) => {
        if (towardsClient.kind === 'failed' || towardsServer.kind === 'failed') return;
        seen.count++;
        const [a, b] = [towardsClient.socket.on('error', () => {}), towardsServer.socket.on('error', () => {})];
        a.pipe(b).pipe(a);
      });
    });
  });
  return seen;
}
