import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Exclusions, NO_EXCLUSIONS } from '@ambit/mesh/kinds';
import { parseCidr, parsePort } from '@ambit/mesh/model';
import { rootTestOptions } from '@ambit/mesh/testing';
import { Link } from '../../test/netns-link.ts';
import { nftables } from './nftables.ts';
import { DEFAULT_REDIRECT_OPTIONS, type RedirectOptions } from './ruleset.ts';

const options = rootTestOptions();

const port = (number: number): Exclusions['inboundPorts'] => [{ first: parsePort(number), last: parsePort(number) }];
const excluding = (exclusions: Partial<Exclusions>): RedirectOptions => ({
  ...DEFAULT_REDIRECT_OPTIONS,
  exclusions: { ...NO_EXCLUSIONS, ...exclusions },
});

/** The agent's ports of the pod, an application at 8080 and 9100 of it, and three ports of the neighbour. */
async function openWorld(): Promise<Link> {
  const link = await Link.open();
  for (const [name, at] of [
    ['outbound', 15001],
    ['inbound', 15006],
    ['app', 8080],
    ['metrics', 9100],
  ] as const) {
    await link.serve('pod', name, at);
  }
  for (const at of [80, 3306]) await link.serve('neighbour', 'neighbour', at);
  return link;
}

/** Who answers a call: the name before the first `|`. */
async function answers(link: Link, from: 'pod' | 'neighbour', ...to: readonly string[]): Promise<readonly string[]> {
  const whole = await Promise.all(to.map((address) => link.call(from, address)));
  return whole.map((answer) => answer.replace(/\|.*/, ''));
}

test(
  'excluded ports and blocks pass the agent by, in both families, and everything else is captured',
  options,
  async () => {
    await using link = await openWorld();
    const exclusions = { outboundPorts: port(3306), inboundPorts: port(9100) };
    await nftables.apply(link.podHandle, excluding(exclusions));
    const out = ['10.9.0.2:3306', '[fd00:9::2]:3306', '10.9.0.2:80', '[fd00:9::2]:80'];
    assert.deepEqual(await answers(link, 'pod', ...out), ['neighbour', 'neighbour', 'outbound', 'outbound']);
    const into = ['10.9.0.1:9100', '[fd00:9::1]:9100', '10.9.0.1:8080', '[fd00:9::1]:8080'];
    assert.deepEqual(await answers(link, 'neighbour', ...into), ['metrics', 'metrics', 'inbound', 'inbound']);
    await nftables.apply(link.podHandle, excluding({ outboundCidrs: [parseCidr('10.9.0.2/31')] }));
    assert.deepEqual(await answers(link, 'pod', ...out), ['neighbour', 'outbound', 'neighbour', 'outbound']);
    assert.deepEqual(await answers(link, 'neighbour', ...into), ['inbound', 'inbound', 'inbound', 'inbound']);
  },
);

test('an agent reaches an excluded port of the application under the address of a client', options, async () => {
  await using link = await openWorld();
  await nftables.apply(link.podHandle, excluding({ inboundPorts: port(9100) }));
  const agent = { mark: 0x539, source: '10.9.0.2' };
  assert.equal(await link.call('pod', '10.9.0.1:9100', agent), 'metrics|10.9.0.1:9100|10.9.0.2');
});

test('what is open goes on while it is excluded, and is reset when it is not any more', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, excluding({ outboundPorts: port(3306), inboundPorts: port(9100) }));
  await using out = await link.connect('pod', '10.9.0.2:3306');
  await using outToo = await link.connect('pod', '[fd00:9::2]:3306');
  await using into = await link.connect('neighbour', '10.9.0.1:9100');
  await using intoToo = await link.connect('neighbour', '[fd00:9::1]:9100');
  const all = [out, outToo, into, intoToo];
  await nftables.apply(link.podHandle, excluding({ outboundPorts: port(3306), inboundPorts: port(9100) }));
  for (const pair of all) assert.deepEqual([await pair.say('client'), await pair.say('server')], ['heard', 'heard']);
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  const said = [
    await out.say('client'),
    await outToo.say('server'),
    await into.say('client'),
    await intoToo.say('server'),
  ];
  assert.deepEqual(said, ['reset', 'reset', 'reset', 'reset']);
});

for (const first of ['client', 'server'] as const) {
  test(`excluded connections from before the rules go on, when the ${first} speaks first`, options, async () => {
    await using link = await Link.open();
    await using out = await link.connect('pod', '10.9.0.2:3306');
    await using into = await link.connect('neighbour', '[fd00:9::1]:9100');
    const exclusions = { ...NO_EXCLUSIONS, outboundPorts: port(3306), inboundPorts: port(9100) };
    await nftables.apply(link.podHandle, excluding(exclusions));
    assert.deepEqual(await nftables.openConnections(link.podHandle, exclusions), []);
    assert.equal((await nftables.openConnections(link.podHandle, NO_EXCLUSIONS))?.length, 2);
    await nftables.cutConnections(link.podHandle, exclusions);
    const second = first === 'client' ? 'server' : 'client';
    for (const pair of [out, into])
      assert.deepEqual([await pair.say(first), await pair.say(second)], ['heard', 'heard'], `${first} first`);
  });
}
