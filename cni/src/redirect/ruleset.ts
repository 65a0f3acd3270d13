import { type Exclusions, NO_EXCLUSIONS } from '@ambit/mesh/kinds';
import { type ExcludedConditions, excludedConditions } from './excluded-conditions.ts';
import { type EgressRules, lockedEgressRules } from './locked-egress.ts';

/** The node agent's ports inside a pod. */
export const OUTBOUND_PORT = 15001;
export const INBOUND_PLAINTEXT_PORT = 15006;
export const HBONE_PORT = 15008;
export const DNS_PORT = 15053;

/** Connection mark of what the node agent opened with a borrowed source address; the app's replies carry it back. */
export const RETURN_MARK = 0x111;
/** Connection mark of what was open before the rules were there. */
const PREDATING_MARK = 0x112;
/** Connection mark of what an exclusion let past the agent. */
const EXCLUDED_MARK = 0x113;
/** Bits of a mark that are ours. */
export const MARK_MASK = 0xfff;
export const DEFAULT_PACKET_MARK = 0x539;

/** Connection tracking zones: of the node agent's own DNS, of its connections to the app, of captured DNS over UDP. */
const AGENT_DNS_ZONE = 1;
const BORROWED_ZONE = 2;
const CAPTURED_DNS_ZONE = 3;

const TABLE = 'inet ambit';
const LOCKED_EGRESS = 'locked_egress';
const ROUTE_TABLE = 100;
const RULE_PRIORITY = 32_764;

export interface RedirectOptions {
  /** Mark of the node agent's own sockets, within `MARK_MASK`: never captured. */
  readonly packetMark: number;
  /** Captures DNS over UDP and TCP to `DNS_PORT`: for as long as somebody serves it there. Needs zones. */
  readonly dnsCapture: boolean;
  /** Addresses that probes of the host arrive from; they reach the app uncaptured. Null: no exemption. */
  readonly probeSource: { readonly ipv4: string; readonly ipv6: string } | null;
  /** TCP connections that were open before the rules, past the node agent: `reset` them with their next packet, or `spare` them. */
  readonly predating: 'reset' | 'spare';
  /** Not captured. What is open when they are taken away is reset with its next packet. */
  readonly exclusions: Exclusions;
  /** Null: the pod may send what it likes past the agent. What is open when that changes is refused with its next packet. */
  readonly egress: EgressRules | null;
}

export const DEFAULT_REDIRECT_OPTIONS: RedirectOptions = {
  packetMark: DEFAULT_PACKET_MARK,
  dnsCapture: false,
  probeSource: null,
  predating: 'reset',
  exclusions: NO_EXCLUSIONS,
  egress: null,
};

/**
 * What becomes of a connection to a port of the pod where nobody listens. `refuse`: reset, as without a mesh, which the kernel needs
 * `socket` and `fib` expressions for. `capture`: accepted by the node agent, which then finds nobody: a probe that only
 * connects learns nothing from it.
 */
export type ClosedPorts = 'refuse' | 'capture';

/** What of the rules the kernel can do. */
export interface KernelSupport {
  readonly closedPorts: ClosedPorts;
  /** Connection tracking zones. Without them a client that comes from a port that the agent has borrowed for it waits in vain. */
  readonly zones: boolean;
}

/**
 * Input of `nft -f -` that puts a pod's redirection in place or replaces the one there, in one transaction. What each chain
 * has to achieve, and why, is said beside it. Within a nat chain the first match wins.
 */
export function buildRuleset(wanted: RedirectOptions, { closedPorts, zones }: KernelSupport): string {
  const options = { ...wanted, dnsCapture: wanted.dnsCapture && zones };
  return [
    // Adding first makes the deletion succeed whether or not the table was there.
    `add table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    ...markChains(options),
    ...(zones ? borrowedZoneChain(options) : []),
    ...(options.dnsCapture ? dnsZoneChains(options) : []),
    ...inboundChain(options, closedPorts),
    ...outboundChain(options),
    ...(options.egress === null
      ? []
      : [`  chain ${LOCKED_EGRESS} {`, ...indented(lockedEgressRules(options.egress)), '  }']),
    ...filterChains(options),
    '}',
    '',
  ].join('\n');
}

/** Input of `nft -f -` that takes a pod's redirection away, whether or not it is there. */
export function buildRemoval(): string {
  return [`add table ${TABLE}`, `delete table ${TABLE}`, ''].join('\n');
}

/** Arguments of `ip` for the routing of replies: packets with the return mark go to loopback, to the agent's socket. */
export interface ReplyRouting {
  readonly family: '-4' | '-6';
  readonly rule: readonly string[];
  readonly route: readonly string[];
  /** How `ip -json rule show` names the rule. */
  readonly shownRule: {
    readonly priority: number;
    readonly fwmark: string;
    readonly fwmask: string;
    readonly table: string;
  };
}

export function replyRouting(family: '-4' | '-6'): ReplyRouting {
  const mark = hex(RETURN_MARK);
  const mask = hex(MARK_MASK);
  const table = String(ROUTE_TABLE);
  return {
    family,
    rule: ['fwmark', `${mark}/${mask}`, 'pref', String(RULE_PRIORITY), 'lookup', table],
    route: ['local', family === '-4' ? '0.0.0.0/0' : '::/0', 'dev', 'lo', 'table', table],
    shownRule: { priority: RULE_PRIORITY, fwmark: mark, fwmask: mask, table },
  };
}

// The rules of the chains that every packet passes begin with what most packets are not, so that they cost little.

function markChains(options: RedirectOptions): readonly string[] {
  // What begins with anything but SYN began earlier. Loopback is not captured, so nothing there is past the agent.
  const predating = `meta l4proto tcp tcp flags & (syn | ack) != syn ${notFromAgent(options)} ct mark set ${withMark(PREDATING_MARK)}`;
  const excluded = excludedConditions(options.exclusions);
  return [
    ...chain('mark_inbound', 'type filter hook prerouting priority mangle; policy accept;', [
      'ct state != new accept',
      // A packet that arrives with our mark opens the agent's connection into the app, under the client's address. Only one
      // that opens a connection: answers on connections that the app opened carry the mark too, and need no detour.
      `ct direction original ${fromAgent(options)} ct mark set ${withMark(RETURN_MARK)}`,
      ...markExcluded(options, 'iifname != "lo"', excluded.called, excluded.answers),
      `iifname != "lo" tcp dport != ${HBONE_PORT} ${predating}`,
    ]),
    // Of type route, since the new mark must choose the route again: the app's replies return to the agent's socket. What the
    // agent sends on these connections goes there already, and a second look for its route is a tenth of what a write costs.
    ...chain('mark_replies', 'type route hook output priority mangle; policy accept;', [
      `ct direction reply ${hasMark(RETURN_MARK)} meta mark set ct mark`,
      ...markExcluded(options, 'ct state new oifname != "lo"', excluded.calls, excluded.answered),
      `ct state new oifname != "lo" ${predating}`,
    ]),
  ];
}

// By its mark a connection is known for excluded in all other chains, and for one of former exclusions when these have changed. What
// was open before the rules may show itself by a packet of the other side first, which opens nothing.
function markExcluded(
  options: RedirectOptions,
  where: string,
  begins: readonly string[],
  goesOn: readonly string[],
): readonly string[] {
  // Captured DNS stays so: that is for an annotation of its own.
  const notDns = options.dnsCapture ? 'tcp dport != 53 ' : '';
  const mark = `${notFromAgent(options)} ct mark set ${withMark(EXCLUDED_MARK)} accept`;
  return [
    ...begins.map((condition) => `${where} ${notDns}${condition} ${mark}`),
    ...goesOn.map((condition) => `${where} tcp flags & (syn | ack) != syn ${condition} ${mark}`),
  ];
}

// The agent connects to the app under the client's address and a port of its own choice, which the client may be using towards the
// same port of the pod, now or later. The kernel could not tell the two connections apart: what belongs to one would go the way
// of the other. So the agent's have a zone of their own for what opens them; the app's replies find them without one.
function borrowedZoneChain(options: RedirectOptions): readonly string[] {
  return chain('borrowed_zone', 'type filter hook output priority raw; policy accept;', [
    // Not the agent's replies to the app, which leave by loopback too.
    `oifname "lo" tcp sport != ${OUTBOUND_PORT} ${fromAgent(options)} ct original zone set ${BORROWED_ZONE}`,
  ]);
}

// The agent's own DNS exchanges live in a zone of their own, so that they never meet the entries of captured ones: the kernel may give
// the agent a port that a question of the app had just before. Captured questions over UDP have one too. What an application asks from one
// port for hours is a single connection to the kernel, whose way is chosen once; in another zone it begins anew when capture is taken up
// or given up, as the node agent comes and goes.
function dnsZoneChains(options: RedirectOptions): readonly string[] {
  return [
    ...chain('dns_zone_output', 'type filter hook output priority raw; policy accept;', [
      `meta l4proto { tcp, udp } th dport 53 ${fromAgent(options)} ct zone set ${AGENT_DNS_ZONE}`,
      `oifname != "lo" udp dport 53 ${notFromAgent(options)} ct zone set ${CAPTURED_DNS_ZONE}`,
      `udp sport ${DNS_PORT} ${fromAgent(options)} ct zone set ${CAPTURED_DNS_ZONE}`,
    ]),
    ...chain('dns_zone_inbound', 'type filter hook prerouting priority raw; policy accept;', [
      `meta l4proto { tcp, udp } th sport 53 ${notFromAgent(options)} ct zone set ${AGENT_DNS_ZONE}`,
    ]),
  ];
}

function inboundChain(options: RedirectOptions, closedPorts: ClosedPorts): readonly string[] {
  const { probeSource } = options;
  // A socket of any kind: also one of the application's that is only left over from a former connection. What is for others
  // than the pod itself (a machine inside it) has no socket here, and is captured.
  const conditions = closedPorts === 'refuse' ? ['socket transparent { 0, 1 } ', 'fib daddr type != local '] : [''];
  const captured = `tcp dport != ${HBONE_PORT} ${notFromAgent(options)} redirect to :${INBOUND_PLAINTEXT_PORT}`;
  return chain('inbound', 'type nat hook prerouting priority dstnat; policy accept;', [
    `${PAST_AGENT} accept`,
    ...(probeSource === null
      ? []
      : [
          `ip saddr ${probeSource.ipv4} meta l4proto tcp accept`,
          `ip6 saddr ${probeSource.ipv6} meta l4proto tcp accept`,
        ]),
    ...conditions.flatMap((condition) => [
      `ip daddr != 127.0.0.0/8 ${condition}${captured}`,
      `ip6 daddr != ::1 ${condition}${captured}`,
    ]),
  ]);
}

function filterChains(options: RedirectOptions): readonly string[] {
  const excluded = excludedConditions(options.exclusions);
  return [
    ...chain('inbound_filter', 'type filter hook input priority filter; policy accept;', [
      ...pastAgentRules(options, [...excluded.called, ...excluded.answers]),
      ...uncapturedRules(options),
    ]),
    ...chain('outbound_filter', 'type filter hook output priority filter; policy accept;', [
      // Before what an exclusion accepts.
      ...(options.egress === null ? [] : [`oifname != "lo" ${notFromAgent(options)} jump ${LOCKED_EGRESS}`]),
      ...pastAgentRules(options, [...excluded.calls, ...excluded.answered]),
      ...escapingRules(options),
    ]),
  ];
}

// Both marks at once: this is asked of every packet.
const PAST_AGENT = `ct mark & ${hex(MARK_MASK & ~1)} == ${hex(PREDATING_MARK)}`;

function pastAgentRules(options: RedirectOptions, excluded: ExcludedConditions['calls']): readonly string[] {
  const resets = options.predating === 'reset' ? PAST_AGENT : hasMark(EXCLUDED_MARK);
  return [
    ...excluded.map((condition) => `${hasMark(EXCLUDED_MARK)} ${condition} accept`),
    // A reset that is answered by a reset would go on for ever; and the one that the rule itself sends has to arrive.
    `${resets} tcp flags & rst == 0 counter reject with tcp reset`,
  ];
}

const OPENS_NOTHING = 'tcp flags & (syn | ack) != syn accept';

// What the chain for inbound connections did not capture found nobody listening, or belongs to a connection of before for the kernel
// (see below). Refused here rather than by the lack of a listener, since an application that begins to listen in between must not be
// reached past the agent.
function uncapturedRules(options: RedirectOptions): readonly string[] {
  const { probeSource } = options;
  return [
    OPENS_NOTHING,
    ...(probeSource === null ? [] : [`ip saddr ${probeSource.ipv4} accept`, `ip6 saddr ${probeSource.ipv6} accept`]),
    `iifname != "lo" tcp dport != { ${INBOUND_PLAINTEXT_PORT}, ${HBONE_PORT} } ${notFromAgent(options)} reject with tcp reset`,
  ];
}

// Only what the kernel takes for new is captured, and for some seconds it takes a SYN for more of a connection that was reset: of one
// that was spared, or of the agent's own, between the same ports. It would leave past the agent.
function escapingRules(options: RedirectOptions): readonly string[] {
  const { probeSource } = options;
  return [
    OPENS_NOTHING,
    'ct state new accept',
    // Captured: its destination is the agent here by now.
    'ip daddr 127.0.0.0/8 accept',
    'ip6 daddr ::1 accept',
    ...(probeSource === null ? [] : [`ip daddr ${probeSource.ipv4} accept`, `ip6 daddr ${probeSource.ipv6} accept`]),
    `oifname != "lo" meta l4proto tcp ${notFromAgent(options)} reject with tcp reset`,
  ];
}

function outboundChain(options: RedirectOptions): readonly string[] {
  const { probeSource } = options;
  const redirect = (port: number): string => `${notFromAgent(options)} redirect to :${port}`;
  return chain('outbound', 'type nat hook output priority -100; policy accept;', [
    `${PAST_AGENT} accept`,
    ...(probeSource === null
      ? []
      : [
          `ip daddr ${probeSource.ipv4} meta l4proto tcp accept`,
          `ip6 daddr ${probeSource.ipv6} meta l4proto tcp accept`,
        ]),
    ...(options.dnsCapture
      ? [
          `oifname != "lo" udp dport 53 ${redirect(DNS_PORT)}`,
          `ip daddr != 127.0.0.0/8 tcp dport 53 ${redirect(DNS_PORT)}`,
          `ip6 daddr != ::1 tcp dport 53 ${redirect(DNS_PORT)}`,
        ]
      : []),
    `meta l4proto tcp meta mark & ${hex(MARK_MASK)} == ${hex(RETURN_MARK)} accept`,
    // A pod that calls one of its own addresses.
    'oifname "lo" ip daddr != 127.0.0.0/8 accept',
    'oifname "lo" ip6 daddr != ::1 accept',
    `ip daddr != 127.0.0.0/8 meta l4proto tcp ${redirect(OUTBOUND_PORT)}`,
    `ip6 daddr != ::1 meta l4proto tcp ${redirect(OUTBOUND_PORT)}`,
  ]);
}

function chain(name: string, hook: string, rules: readonly string[]): readonly string[] {
  return [`  chain ${name} {`, `    ${hook}`, ...indented(rules), '  }'];
}

function indented(rules: readonly string[]): readonly string[] {
  return rules.map((rule) => `    ${rule}`);
}

function hasMark(mark: number): string {
  return `ct mark & ${hex(MARK_MASK)} == ${hex(mark)}`;
}

function withMark(mark: number): string {
  return `(ct mark & ${hex(~MARK_MASK >>> 0)}) | ${hex(mark)}`;
}

function fromAgent(options: RedirectOptions): string {
  return `meta mark & ${hex(MARK_MASK)} == ${hex(options.packetMark)}`;
}

function notFromAgent(options: RedirectOptions): string {
  return `meta mark & ${hex(MARK_MASK)} != ${hex(options.packetMark)}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
