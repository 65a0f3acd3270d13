import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_EXCLUSIONS } from '@ambit/mesh/kinds';
import { parseCidr, parsePort } from '@ambit/mesh/model';
import { exceptExcluded } from './excluded-conditions.ts';
import { buildRemoval, buildRuleset, DEFAULT_REDIRECT_OPTIONS, type RedirectOptions, replyRouting } from './ruleset.ts';

const plain = `add table inet ambit
delete table inet ambit
table inet ambit {
  chain mark_inbound {
    type filter hook prerouting priority mangle; policy accept;
    ct state != new accept
    ct direction original meta mark & 0xfff == 0x539 ct mark set (ct mark & 0xfffff000) | 0x111
    iifname != "lo" tcp dport != 15008 meta l4proto tcp tcp flags & (syn | ack) != syn meta mark & 0xfff != 0x539 ct mark set (ct mark & 0xfffff000) | 0x112
  }
  chain mark_replies {
    type route hook output priority mangle; policy accept;
    ct direction reply ct mark & 0xfff == 0x111 meta mark set ct mark
    ct state new oifname != "lo" meta l4proto tcp tcp flags & (syn | ack) != syn meta mark & 0xfff != 0x539 ct mark set (ct mark & 0xfffff000) | 0x112
  }
  chain borrowed_zone {
    type filter hook output priority raw; policy accept;
    oifname "lo" tcp sport != 15001 meta mark & 0xfff == 0x539 ct original zone set 2
  }
  chain inbound {
    type nat hook prerouting priority dstnat; policy accept;
    ct mark & 0xffe == 0x112 accept
    ip daddr != 127.0.0.0/8 socket transparent { 0, 1 } tcp dport != 15008 meta mark & 0xfff != 0x539 redirect to :15006
    ip6 daddr != ::1 socket transparent { 0, 1 } tcp dport != 15008 meta mark & 0xfff != 0x539 redirect to :15006
    ip daddr != 127.0.0.0/8 fib daddr type != local tcp dport != 15008 meta mark & 0xfff != 0x539 redirect to :15006
    ip6 daddr != ::1 fib daddr type != local tcp dport != 15008 meta mark & 0xfff != 0x539 redirect to :15006
  }
  chain outbound {
    type nat hook output priority -100; policy accept;
    ct mark & 0xffe == 0x112 accept
    meta l4proto tcp meta mark & 0xfff == 0x111 accept
    oifname "lo" ip daddr != 127.0.0.0/8 accept
    oifname "lo" ip6 daddr != ::1 accept
    ip daddr != 127.0.0.0/8 meta l4proto tcp meta mark & 0xfff != 0x539 redirect to :15001
    ip6 daddr != ::1 meta l4proto tcp meta mark & 0xfff != 0x539 redirect to :15001
  }
  chain inbound_filter {
    type filter hook input priority filter; policy accept;
    ct mark & 0xffe == 0x112 tcp flags & rst == 0 counter reject with tcp reset
    tcp flags & (syn | ack) != syn accept
    iifname != "lo" tcp dport != { 15006, 15008 } meta mark & 0xfff != 0x539 reject with tcp reset
  }
  chain outbound_filter {
    type filter hook output priority filter; policy accept;
    ct mark & 0xffe == 0x112 tcp flags & rst == 0 counter reject with tcp reset
    tcp flags & (syn | ack) != syn accept
    ct state new accept
    ip daddr 127.0.0.0/8 accept
    ip6 daddr ::1 accept
    oifname != "lo" meta l4proto tcp meta mark & 0xfff != 0x539 reject with tcp reset
  }
}
`;

const everything = `add table inet ambit
delete table inet ambit
table inet ambit {
  chain mark_inbound {
    type filter hook prerouting priority mangle; policy accept;
    ct state != new accept
    ct direction original meta mark & 0xfff == 0x2a ct mark set (ct mark & 0xfffff000) | 0x111
    iifname != "lo" tcp dport != 15008 meta l4proto tcp tcp flags & (syn | ack) != syn meta mark & 0xfff != 0x2a ct mark set (ct mark & 0xfffff000) | 0x112
  }
  chain mark_replies {
    type route hook output priority mangle; policy accept;
    ct direction reply ct mark & 0xfff == 0x111 meta mark set ct mark
    ct state new oifname != "lo" meta l4proto tcp tcp flags & (syn | ack) != syn meta mark & 0xfff != 0x2a ct mark set (ct mark & 0xfffff000) | 0x112
  }
  chain borrowed_zone {
    type filter hook output priority raw; policy accept;
    oifname "lo" tcp sport != 15001 meta mark & 0xfff == 0x2a ct original zone set 2
  }
  chain dns_zone_output {
    type filter hook output priority raw; policy accept;
    meta l4proto { tcp, udp } th dport 53 meta mark & 0xfff == 0x2a ct zone set 1
    oifname != "lo" udp dport 53 meta mark & 0xfff != 0x2a ct zone set 3
    udp sport 15053 meta mark & 0xfff == 0x2a ct zone set 3
  }
  chain dns_zone_inbound {
    type filter hook prerouting priority raw; policy accept;
    meta l4proto { tcp, udp } th sport 53 meta mark & 0xfff != 0x2a ct zone set 1
  }
  chain inbound {
    type nat hook prerouting priority dstnat; policy accept;
    ct mark & 0xffe == 0x112 accept
    ip saddr 169.254.7.127 meta l4proto tcp accept
    ip6 saddr fd16::7 meta l4proto tcp accept
    ip daddr != 127.0.0.0/8 socket transparent { 0, 1 } tcp dport != 15008 meta mark & 0xfff != 0x2a redirect to :15006
    ip6 daddr != ::1 socket transparent { 0, 1 } tcp dport != 15008 meta mark & 0xfff != 0x2a redirect to :15006
    ip daddr != 127.0.0.0/8 fib daddr type != local tcp dport != 15008 meta mark & 0xfff != 0x2a redirect to :15006
    ip6 daddr != ::1 fib daddr type != local tcp dport != 15008 meta mark & 0xfff != 0x2a redirect to :15006
  }
  chain outbound {
    type nat hook output priority -100; policy accept;
    ct mark & 0xffe == 0x112 accept
    ip daddr 169.254.7.127 meta l4proto tcp accept
    ip6 daddr fd16::7 meta l4proto tcp accept
    oifname != "lo" udp dport 53 meta mark & 0xfff != 0x2a redirect to :15053
    ip daddr != 127.0.0.0/8 tcp dport 53 meta mark & 0xfff != 0x2a redirect to :15053
    ip6 daddr != ::1 tcp dport 53 meta mark & 0xfff != 0x2a redirect to :15053
    meta l4proto tcp meta mark & 0xfff == 0x111 accept
    oifname "lo" ip daddr != 127.0.0.0/8 accept
    oifname "lo" ip6 daddr != ::1 accept
    ip daddr != 127.0.0.0/8 meta l4proto tcp meta mark & 0xfff != 0x2a redirect to :15001
    ip6 daddr != ::1 meta l4proto tcp meta mark & 0xfff != 0x2a redirect to :15001
  }
  chain inbound_filter {
    type filter hook input priority filter; policy accept;
    ct mark & 0xfff == 0x113 tcp flags & rst == 0 counter reject with tcp reset
    tcp flags & (syn | ack) != syn accept
    ip saddr 169.254.7.127 accept
    ip6 saddr fd16::7 accept
    iifname != "lo" tcp dport != { 15006, 15008 } meta mark & 0xfff != 0x2a reject with tcp reset
  }
  chain outbound_filter {
    type filter hook output priority filter; policy accept;
    ct mark & 0xfff == 0x113 tcp flags & rst == 0 counter reject with tcp reset
    tcp flags & (syn | ack) != syn accept
    ct state new accept
    ip daddr 127.0.0.0/8 accept
    ip6 daddr ::1 accept
    ip daddr 169.254.7.127 accept
    ip6 daddr fd16::7 accept
    oifname != "lo" meta l4proto tcp meta mark & 0xfff != 0x2a reject with tcp reset
  }
}
`;

const cases: readonly (readonly [string, RedirectOptions, string])[] = [
  ['captures TCP both ways and nothing else by default', DEFAULT_REDIRECT_OPTIONS, plain],
  [
    'adds DNS capture, a probe exemption and another mark, and spares open connections, when asked',
    {
      packetMark: 42,
      dnsCapture: true,
      probeSource: { ipv4: '169.254.7.127', ipv6: 'fd16::7' },
      predating: 'spare',
      exclusions: NO_EXCLUSIONS,
      egress: null,
    },
    everything,
  ],
];

for (const [behaviour, options, expected] of cases) {
  test(`buildRuleset() ${behaviour}`, () =>
    assert.equal(buildRuleset(options, { closedPorts: 'refuse', zones: true }), expected));
}

const excluding: RedirectOptions = {
  ...DEFAULT_REDIRECT_OPTIONS,
  exclusions: {
    outboundPorts: [
      { first: parsePort(3306), last: parsePort(3306) },
      { first: parsePort(6000), last: parsePort(6010) },
    ],
    outboundCidrs: ['192.0.2.0/24', '198.51.100.7', '2001:db8::/32'].map(parseCidr),
    inboundPorts: [{ first: parsePort(9100), last: parsePort(9100) }],
  },
};

/** Lines of these chains that are not in the rules without exclusions. */
const exclusionLines = {
  mark_inbound: [
    'iifname != "lo" tcp dport { 9100 } MARK',
    'iifname != "lo" tcp flags & (syn | ack) != syn tcp sport { 3306, 6000-6010 } MARK',
    'iifname != "lo" tcp flags & (syn | ack) != syn ip saddr { 192.0.2.0/24, 198.51.100.7/32 } meta l4proto tcp MARK',
    'iifname != "lo" tcp flags & (syn | ack) != syn ip6 saddr { 2001:db8::/32 } meta l4proto tcp MARK',
  ],
  mark_replies: [
    'ct state new oifname != "lo" tcp dport { 3306, 6000-6010 } MARK',
    'ct state new oifname != "lo" ip daddr { 192.0.2.0/24, 198.51.100.7/32 } meta l4proto tcp MARK',
    'ct state new oifname != "lo" ip6 daddr { 2001:db8::/32 } meta l4proto tcp MARK',
    'ct state new oifname != "lo" tcp flags & (syn | ack) != syn tcp sport { 9100 } MARK',
  ],
  inbound_filter: [
    'ct mark & 0xfff == 0x113 tcp dport { 9100 } accept',
    'ct mark & 0xfff == 0x113 tcp sport { 3306, 6000-6010 } accept',
    'ct mark & 0xfff == 0x113 ip saddr { 192.0.2.0/24, 198.51.100.7/32 } meta l4proto tcp accept',
    'ct mark & 0xfff == 0x113 ip6 saddr { 2001:db8::/32 } meta l4proto tcp accept',
  ],
  outbound_filter: [
    'ct mark & 0xfff == 0x113 tcp dport { 3306, 6000-6010 } accept',
    'ct mark & 0xfff == 0x113 ip daddr { 192.0.2.0/24, 198.51.100.7/32 } meta l4proto tcp accept',
    'ct mark & 0xfff == 0x113 ip6 daddr { 2001:db8::/32 } meta l4proto tcp accept',
    'ct mark & 0xfff == 0x113 tcp sport { 9100 } accept',
  ],
};

test('buildRuleset() marks what is excluded, lets it be, and resets what was excluded before', () => {
  const mark = 'meta mark & 0xfff != 0x539 ct mark set (ct mark & 0xfffff000) | 0x113 accept';
  const before = new Set(plain.split('\n'));
  const added: Record<string, string[]> = {};
  let name = '';
  for (const line of buildRuleset(excluding, { closedPorts: 'refuse', zones: true }).split('\n')) {
    name = /^  chain (\w+)/.exec(line)?.[1] ?? name;
    if (!before.has(line)) (added[name] ??= []).push(line.trim().replace(mark, 'MARK'));
  }
  assert.deepEqual(added, exclusionLines);
});

test('buildRuleset() leaves captured DNS captured whatever is excluded', () => {
  const rules = buildRuleset({ ...excluding, dnsCapture: true }, { closedPorts: 'refuse', zones: true });
  const marking = rules.split('\n').filter((line) => line.includes('0x113 accept') && !line.includes('tcp flags'));
  assert.deepEqual(
    marking.map((line) => line.includes('tcp dport != 53 ')),
    marking.map(() => true),
  );
});

test('exceptExcluded() tells ss what to leave out', () => {
  assert.equal(
    exceptExcluded(excluding.exclusions).join(' '),
    'and not ( dport = :3306 ) and not ( dport ge :6000 and dport le :6010 ) and not ( sport = :9100 )' +
      ' and not dst 192.0.2.0/24 and not dst 198.51.100.7/32 and not dst [2001:db8::/32]',
  );
});

test('buildRuleset() captures closed ports too where the kernel cannot tell them', () => {
  const conditional = /^.* fib daddr type .*\n/gm;
  const expected = plain.replace(conditional, '').replaceAll('socket transparent { 0, 1 } ', '');
  assert.equal(buildRuleset(DEFAULT_REDIRECT_OPTIONS, { closedPorts: 'capture', zones: true }), expected);
});

test('buildRuleset() does without zones where the kernel has none', () => {
  const expected = plain.replace(/  chain borrowed_zone \{[^}]*\}\n/, '');
  assert.equal(buildRuleset(DEFAULT_REDIRECT_OPTIONS, { closedPorts: 'refuse', zones: false }), expected);
});

test('buildRemoval() names our table only', () => {
  assert.equal(buildRemoval(), 'add table inet ambit\ndelete table inet ambit\n');
});

test('replyRouting() sends marked replies of either family to loopback', () => {
  const shownRule = { priority: 32764, fwmark: '0x111', fwmask: '0xfff', table: '100' };
  const rule = ['fwmark', '0x111/0xfff', 'pref', '32764', 'lookup', '100'];
  assert.deepEqual(
    [replyRouting('-4'), replyRouting('-6')],
    [
      { family: '-4', rule, route: ['local', '0.0.0.0/0', 'dev', 'lo', 'table', '100'], shownRule },
      { family: '-6', rule, route: ['local', '::/0', 'dev', 'lo', 'table', '100'], shownRule },
    ],
  );
});
