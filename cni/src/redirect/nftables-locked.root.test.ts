import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_EXCLUSIONS } from '@ambit/mesh/kinds';
import { type LockedEgress, NO_EGRESS, parseCidr, parsePort, parseSocketAddress } from '@ambit/mesh/model';
import { rootTestOptions, TestDatagram, until } from '@ambit/mesh/testing';
import { Link } from '../../test/netns-link.ts';
import { nftables } from './nftables.ts';
import { DEFAULT_REDIRECT_OPTIONS, type RedirectOptions } from './ruleset.ts';

const options = rootTestOptions();

const locked = (egress: LockedEgress = NO_EGRESS, meshRanges: readonly string[] = []): RedirectOptions => ({
  ...DEFAULT_REDIRECT_OPTIONS,
  egress: { locked: egress, meshRanges: meshRanges.map(parseCidr) },
});

type Fate = 'arrived' | 'refused';

/** What becomes of a datagram from the pod to the neighbour. */
async function datagram(link: Link, to: string): Promise<Fate> {
  const address = parseSocketAddress(to);
  using server = TestDatagram.open(link.neighbourHandle, 'udp', { from: address });
  using client = TestDatagram.open(link.podHandle, 'udp', { to: address });
  if (client.send(Buffer.from('x')) === 'refused') return 'refused';
  await until('the datagram arrives', () => server.hasArrived());
  return 'arrived';
}

/** What becomes of an echo request from the pod to the neighbour: `arrived` when it is answered. */
async function ping(link: Link, to: string): Promise<Fate> {
  using client = TestDatagram.open(link.podHandle, 'icmp', { to: parseSocketAddress(to) });
  const type = to.startsWith('[') ? 128 : 8;
  const before = rejected(link);
  if (client.send(Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 1)) === 'refused') return 'refused';
  // The kernel tells nobody whose echo request of IPv6 it refused.
  let hasArrived = false;
  await until('the answer arrives, or the request is rejected', () => {
    hasArrived ||= client.hasArrived();
    return hasArrived || rejected(link) > before;
  });
  return hasArrived ? 'arrived' : 'refused';
}

/** Packets other than TCP that the rules rejected. */
function rejected(link: Link): number {
  const rules = link.pod.run('nft', 'list', 'table', 'inet', 'ambit');
  return Number(/counter packets (\d+) bytes \d+ reject$/m.exec(rules)?.[1] ?? 0);
}

test(
  'locked egress rejects UDP but for DNS, and ICMP, to what is outside the mesh, in both families',
  options,
  async () => {
    await using link = await Link.open();
    link.pod.run('sysctl', '-qw', 'net.ipv4.ping_group_range=0 0');
    const all = async (): Promise<readonly Fate[]> => [
      await datagram(link, '10.9.0.2:4000'),
      await datagram(link, '[fd00:9::2]:4000'),
      await datagram(link, '10.9.0.2:53'),
      await datagram(link, '[fd00:9::2]:53'),
      await ping(link, '10.9.0.2:1'),
      await ping(link, '[fd00:9::2]:1'),
    ];
    const everything = Array.from({ length: 6 }, () => 'arrived');
    await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
    assert.deepEqual(await all(), everything);
    // Neighbours are found anew: ICMPv6 for that must live.
    for (const netns of [link.pod, link.neighbour]) netns.run('ip', 'neigh', 'flush', 'all');
    await nftables.apply(link.podHandle, locked());
    assert.deepEqual(await all(), ['refused', 'refused', 'arrived', 'arrived', 'refused', 'refused']);
    await nftables.apply(link.podHandle, locked(NO_EGRESS, ['10.9.0.0/24', 'fd00:9::/64', '10.9.0.0/30']));
    assert.deepEqual(await all(), everything);
  },
);

test('locked egress ends a conversation that the pod began, and lets it answer an echo request', options, async () => {
  await using link = await Link.open();
  link.neighbour.run('sysctl', '-qw', 'net.ipv4.ping_group_range=0 0');
  const [ofPod, ofNeighbour] = [parseSocketAddress('10.9.0.1:5000'), parseSocketAddress('10.9.0.2:5001')];
  using pod = TestDatagram.open(link.podHandle, 'udp', { from: ofPod, to: ofNeighbour });
  using neighbour = TestDatagram.open(link.neighbourHandle, 'udp', { from: ofNeighbour, to: ofPod });
  const say = (): string => pod.send(Buffer.from('x'));
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  assert.equal(say(), 'sent');
  await until('it arrives', () => neighbour.hasArrived());
  await nftables.apply(link.podHandle, locked());
  assert.equal(say(), 'refused');
  using asked = TestDatagram.open(link.neighbourHandle, 'icmp', { to: ofPod });
  asked.send(Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 1));
  await until('the pod answers the echo request', () => asked.hasArrived());
});

test('locked egress lets a server of UDP answer', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, locked());
  const [ofPod, ofNeighbour] = [parseSocketAddress('[fd00:9::1]:5000'), parseSocketAddress('[fd00:9::2]:5001')];
  using pod = TestDatagram.open(link.podHandle, 'udp', { from: ofPod, to: ofNeighbour });
  using neighbour = TestDatagram.open(link.neighbourHandle, 'udp', { from: ofNeighbour, to: ofPod });
  assert.equal(neighbour.send(Buffer.from('x')), 'sent');
  await until('it arrives', () => pod.hasArrived());
  assert.equal(pod.send(Buffer.from('y')), 'sent');
  await until('the answer arrives', () => neighbour.hasArrived());
});

test(
  'locked egress leaves TCP to the agent, and rejects what is excluded unless the policy allows it',
  options,
  async () => {
    await using link = await Link.open();
    await link.serve('pod', 'outbound', 15001);
    for (const port of [80, 3306]) await link.serve('neighbour', 'neighbour', port);
    const port = { first: parsePort(3306), last: parsePort(3306) };
    const exclusions = { ...NO_EXCLUSIONS, outboundPorts: [port] };
    const answers = async (): Promise<readonly string[]> => {
      const targets = ['10.9.0.2:80', '[fd00:9::2]:80', '10.9.0.2:3306', '[fd00:9::2]:3306'];
      return Promise.all(targets.map(async (to) => (await link.call('pod', to)).replace(/\|.*/, '')));
    };
    await nftables.apply(link.podHandle, { ...locked(), exclusions });
    assert.deepEqual(await answers(), ['outbound', 'outbound', '', '']);
    assert.match(await link.call('pod', '10.9.0.2:80', { mark: 0x539 }), /^neighbour/);
    const allowed = [
      { block: parseCidr('10.9.0.2'), ports: [parsePort(3306), parsePort(5432)] },
      { block: parseCidr('fd00:9::2'), ports: [parsePort(80)] },
    ];
    await nftables.apply(link.podHandle, { ...locked({ allowed }), exclusions });
    assert.deepEqual(await answers(), ['outbound', 'outbound', 'neighbour', '']);
  },
);

test('what is open past the agent ends when egress is locked', options, async () => {
  await using link = await Link.open();
  const port = { first: parsePort(3306), last: parsePort(3306) };
  const exclusions = { ...NO_EXCLUSIONS, outboundPorts: [port] };
  await nftables.apply(link.podHandle, { ...DEFAULT_REDIRECT_OPTIONS, exclusions });
  await using pair = await link.connect('pod', '10.9.0.2:3306');
  assert.equal(await pair.say('client'), 'heard');
  await nftables.apply(link.podHandle, { ...locked(), exclusions });
  assert.equal(await pair.say('client'), 'reset');
});
