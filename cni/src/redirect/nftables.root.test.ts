import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { NO_EXCLUSIONS } from '@ambit/mesh/kinds';
import { dialInNetns } from '@ambit/mesh/linux';
import { parseIpAddress, parseSocketAddress } from '@ambit/mesh/model';
import { rootTestOptions } from '@ambit/mesh/testing';
import { Link, portOf, refuseRules } from '../../test/netns-link.ts';
import { CniError } from '../errors.ts';
import { nftables } from './nftables.ts';
import { DEFAULT_REDIRECT_OPTIONS } from './ruleset.ts';

const options = rootTestOptions();

test('applied rules capture what the rules say, in both families, and leave the rest alone', options, async () => {
  await using link = await Link.open();
  assert.deepEqual(await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS), { change: 'added', lacks: [] });
  for (const [name, port] of [
    ['outbound', 15001],
    ['inbound', 15006],
    ['hbone', 15008],
    ['app', 8080],
  ] as const) {
    await link.serve('pod', name, port);
  }
  await link.serve('neighbour', 'neighbour', 80);
  const agent = { mark: 0x539 };
  const rows: readonly (readonly [string, string, string])[] = [
    ['the app calls out', await link.call('pod', '10.9.0.2:80'), 'outbound|10.9.0.2:80|10.9.0.1'],
    ['the app calls out', await link.call('pod', '[fd00:9::2]:80'), 'outbound|[fd00:9::2]:80|fd00:9::1'],
    ['the agent calls out', await link.call('pod', '10.9.0.2:80', agent), 'neighbour|10.9.0.2:80|10.9.0.1'],
    ['the agent calls out', await link.call('pod', '[fd00:9::2]:80', agent), 'neighbour|[fd00:9::2]:80|fd00:9::1'],
    ['the app calls loopback', await link.call('pod', '127.0.0.1:8080'), 'app|127.0.0.1:8080|127.0.0.1'],
    ['the app calls loopback', await link.call('pod', '[::1]:8080'), 'app|[::1]:8080|::1'],
    ['the app calls itself', await link.call('pod', '10.9.0.1:8080'), 'app|10.9.0.1:8080|10.9.0.1'],
    ['the app calls itself', await link.call('pod', '[fd00:9::1]:8080'), 'app|[fd00:9::1]:8080|fd00:9::1'],
    ['plaintext comes in', await link.call('neighbour', '10.9.0.1:8080'), 'inbound|10.9.0.1:8080|10.9.0.2'],
    ['plaintext comes in', await link.call('neighbour', '[fd00:9::1]:8080'), 'inbound|[fd00:9::1]:8080|fd00:9::2'],
    ['plaintext to 15001', await link.call('neighbour', '10.9.0.1:15001'), 'inbound|10.9.0.1:15001|10.9.0.2'],
    ['HBONE comes in', await link.call('neighbour', '10.9.0.1:15008'), 'hbone|10.9.0.1:15008|10.9.0.2'],
    ['HBONE comes in', await link.call('neighbour', '[fd00:9::1]:15008'), 'hbone|[fd00:9::1]:15008|fd00:9::2'],
  ];
  assert.deepEqual(
    rows.map(([what, answer]) => [what, answer]),
    rows.map(([what, , expected]) => [what, expected]),
  );
});

test(
  'a port where nobody listens is refused, by whatever is left of its connections too, and never past the agent',
  options,
  async () => {
    await using link = await Link.open();
    await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
    for (const to of ['10.9.0.1:8080', '[fd00:9::1]:8080'])
      assert.equal(await connectCode(link, to), 'ECONNREFUSED', to);
    await link.serve('pod', 'inbound', 15006);
    for (const to of ['10.9.0.1:8080', '[fd00:9::1]:8080'])
      assert.equal(await connectCode(link, to), 'ECONNREFUSED', to);
    await link.serve('pod', 'app', 8080);
    assert.equal(await link.call('neighbour', '10.9.0.1:8080'), 'inbound|10.9.0.1:8080|10.9.0.2');
    // The application ends first: what is left of its connection has the caller's address and port.
    const caller = { mark: 0x539, source: '10.9.0.2' };
    assert.equal(await link.call('pod', '10.9.0.1:8080', caller), 'app|10.9.0.1:8080|10.9.0.2');
    for (const line of link.pod.run('ss', '-tnHO', 'state', 'time-wait').split('\n')) {
      const port = /10\.9\.0\.1\]?:8080 +\S*10\.9\.0\.2\]?:(\d+)/.exec(line)?.[1];
      if (port === undefined) continue;
      const same = dialInNetns(link.neighbourHandle, {
        destination: parseSocketAddress('10.9.0.1:8080'),
        source: { ip: parseIpAddress('10.9.0.2'), port: Number(port) },
      });
      same.on('error', assert.fail);
      await once(same, 'connect');
      same.destroy();
      return;
    }
    assert.fail('nothing was left of the connection');
  },
);

test('an application past the agent is not reached by what is not captured', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  await link.serve('pod', 'app', 8080);
  // As if it had begun to listen between capture and delivery.
  link.pod.run('nft', 'flush chain inet ambit inbound');
  assert.equal(await connectCode(link, '10.9.0.1:8080'), 'ECONNREFUSED');
  assert.equal(await link.call('pod', '127.0.0.1:8080'), 'app|127.0.0.1:8080|127.0.0.1');
});

test('an agent that borrows the client address reaches the app, and the replies come back to it', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  await link.serve('pod', 'app', 8080);
  const borrowed = (source: string): { mark: number; source: string } => ({ mark: 0x539, source });
  // One of the neighbour's addresses, and one from beyond: neither is the pod's.
  for (const [to, source] of [
    ['10.9.0.1:8080', '10.9.0.2'],
    ['10.9.0.1:8080', '192.0.2.77'],
    ['[fd00:9::1]:8080', 'fd00:9::2'],
    ['[fd00:9::1]:8080', '2001:db8::77'],
  ] as const) {
    assert.equal(await link.call('pod', to, borrowed(source)), `app|${to}|${source}`);
  }
});

test('the client and the agent that borrows its address may use the same port, whoever is first', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  await link.serveEcho('app', 8080);
  await link.serveEcho('inbound', 15006, 0x539);
  for (const [to, client] of [
    ['10.9.0.1:8080', '10.9.0.2'],
    ['[fd00:9::1]:8080', 'fd00:9::2'],
  ] as const) {
    const ip = parseIpAddress(client);
    const agent = { mark: 0x539 };
    const called = await link.open('neighbour', to);
    const passedOn = await link.open('pod', to, { ...agent, source: { ip } });
    const sockets = {
      called,
      passedOn,
      'called from the port that the agent has': await link.open('neighbour', to, {
        source: { ip, port: portOf(passedOn) },
      }),
      'passed on from the port that the client has': await link.open('pod', to, {
        ...agent,
        source: { ip, port: portOf(called) },
      }),
    };
    const answers: Record<string, string> = {};
    for (const [name, socket] of Object.entries(sockets)) {
      socket.write('x');
      const [answer]: Buffer[] = await once(socket, 'data', { signal: AbortSignal.timeout(3000) });
      answers[name] = String(answer);
    }
    assert.deepEqual(answers, {
      called: 'inbound:x',
      passedOn: 'app:x',
      'called from the port that the agent has': 'inbound:x',
      'passed on from the port that the client has': 'app:x',
    });
  }
});

test('without the agent captured traffic is refused, not passed on', options, async () => {
  await using link = await Link.open();
  await link.serve('neighbour', 'neighbour', 80);
  assert.equal(await link.call('pod', '10.9.0.2:80'), 'neighbour|10.9.0.2:80|10.9.0.1');
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  assert.deepEqual([await link.call('pod', '10.9.0.2:80'), await link.call('pod', '[fd00:9::2]:80')], ['', '']);
});

test('removal restores the namespace exactly, however often rules were applied or removed', options, async () => {
  await using link = await Link.open();
  link.pod.run('nft', 'table inet other { chain c { type filter hook input priority 0; }; }');
  link.pod.run('ip', 'rule', 'add', 'fwmark', '0x7', 'lookup', '77');
  link.pod.run('ip', 'route', 'add', '198.51.100.0/24', 'dev', 'eth0', 'table', '77');
  const before = link.state();
  await nftables.remove(link.podHandle);
  assert.deepEqual(link.state(), before);
  assert.deepEqual(await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS), { change: 'added', lacks: [] });
  const applied = link.state();
  assert.ok(applied.every((text, i) => text !== before[i]));
  assert.deepEqual(await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS), { change: 'replaced', lacks: [] });
  assert.deepEqual(link.state(), applied);
  await nftables.remove(link.podHandle);
  await nftables.remove(link.podHandle);
  assert.deepEqual(link.state(), before);
});

test('what the kernel refuses is left out, and told', options, async () => {
  await using link = await Link.open();
  const zones = 'connections of the node agent are told from those of callers';
  const closedPorts = 'closed ports refuse connections';
  for (const [words, lacks] of [
    [
      ['zone set', 'socket transparent'],
      [closedPorts, zones],
    ],
    [['zone set'], [zones]],
    [['socket transparent'], [closedPorts]],
  ] as const) {
    using _kernel = refuseRules(...words);
    assert.deepEqual((await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS)).lacks, lacks);
  }
  await link.serve('pod', 'outbound', 15001);
  assert.equal(await link.call('pod', '10.9.0.2:80'), 'outbound|10.9.0.2:80|10.9.0.1');
});

test('a pod without IPv6 is captured over IPv4 and restored', options, async () => {
  await using link = await Link.open();
  link.pod.run('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.lo.disable_ipv6=1');
  const before = link.state();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  await link.serve('pod', 'outbound', 15001);
  assert.equal(await link.call('pod', '10.9.0.2:80'), 'outbound|10.9.0.2:80|10.9.0.1');
  await nftables.remove(link.podHandle);
  assert.deepEqual(link.state(), before);
});

test('rules with every option on are accepted by the kernel and removed', options, async () => {
  await using link = await Link.open();
  const before = link.state();
  const probeSource = { ipv4: '169.254.7.127', ipv6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' };
  await nftables.apply(link.podHandle, {
    packetMark: 42,
    dnsCapture: true,
    probeSource,
    predating: 'reset',
    exclusions: NO_EXCLUSIONS,
    egress: null,
  });
  await nftables.remove(link.podHandle);
  assert.deepEqual(link.state(), before);
});

test('rules that cannot be applied are reported and leave nothing behind', options, async () => {
  await using link = await Link.open();
  const before = link.state();
  const probeSource = { ipv4: 'not an address', ipv6: '::7' };
  await assert.rejects(
    nftables.apply(link.podHandle, {
      packetMark: 42,
      dnsCapture: false,
      probeSource,
      predating: 'reset',
      exclusions: NO_EXCLUSIONS,
      egress: null,
    }),
    (error: unknown) => error instanceof CniError && error.code === 'redirection-failed',
  );
  assert.deepEqual(link.state(), before);
});

test('generation() changes when anybody changes rules, and only then', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  const applied = nftables.generation(link.podHandle);
  link.pod.run('nft', 'list', 'ruleset');
  assert.equal(nftables.generation(link.podHandle), applied);
  link.pod.run('nft', 'delete', 'table', 'inet', 'ambit');
  assert.notEqual(nftables.generation(link.podHandle), applied);
});

/** How the neighbour's attempt to connect fails; `connected` when it does not. */
async function connectCode(link: Link, to: string): Promise<string> {
  const socket = dialInNetns(link.neighbourHandle, { destination: parseSocketAddress(to) });
  const failed = once(socket, 'error').then(([error]: { code?: string }[]) => error?.code ?? 'unknown');
  const connected = once(socket, 'connect').then(() => 'connected');
  connected.catch(() => {});
  failed.catch(() => {});
  const outcome = await Promise.race([failed, connected]);
  socket.destroy();
  return outcome;
}
