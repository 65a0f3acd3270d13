import { CHORE_MS } from '../load/chores.ts';
import { TURN_MS, TURN_SETTLING_REQUESTS } from '../load/turns.ts';
import { formatNumber, formatSummary, markdownTable } from '../report/format.ts';
import { loadFigures, memoryFigures } from './figures.ts';
import type { LoadName } from './plan.ts';
import { PEER_NAMES, type PeerName } from './peer.ts';
import { quickFigures, roundRatios } from './quick-line.ts';
import type { L4Results } from './samples.ts';

const MEGABYTE = 1024 * 1024;
const KILOBYTE = 1024;
const PERCENT = 100;

const TITLES: Readonly<Record<LoadName, string>> = {
  c1: '1 connection',
  'c1-silent': '1 connection, nothing else on the hosts',
  c32: '32 connections',
  c128: '128 connections',
  churn: 'new connection per request, 16 at a time',
  bulk1: '1 stream',
  bulk4: '4 streams',
};

/** The run as a page: what was compared, every figure with its range, and what disturbed it. */
export function markdownReport(results: L4Results): string {
  const peers = peersOf(results);
  return [
    '# L4: two pods on two hosts, tunnel against tunnel',
    '',
    `Medians of ${roundsOf(results)} (minimum-maximum), started ${results.startedAt}. ` +
      'Client node (load generator and client-side proxy) on core 0, server node (server-side proxy and application) on core 1. ' +
      'CPU is that of both proxies together, memory that of the larger one.',
    '',
    Object.entries(results.machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('; '),
    '',
    '![Figures of every peer](l4.svg)',
    '',
    '## Small requests: 1 KiB there, 1 KiB back',
    '',
    `One connection of each peer stands beside those of the others, and they take turns of ${TURN_MS / 1000} s, in an order drawn anew for ` +
      `each cycle; the latencies of the first ${TURN_SETTLING_REQUESTS} requests of a turn are not counted. On each host a program opens and ` +
      `closes a socket every ${CHORE_MS} ms, unless nothing else runs on it: bench/README.md says why.`,
    '',
    requestTable(results, peers, ['c1', 'c1-silent', 'c32', 'c128']),
    '',
    '## Connections',
    '',
    requestTable(results, peers, ['churn']),
    '',
    '## Bulk upload',
    '',
    bulkTable(results, peers),
    '',
    '## Memory of one proxy',
    '',
    memoryTable(results, peers),
    '',
    '## Ambit against Envoy',
    '',
    ratioTable(results),
    '',
    '## What each peer had turned on',
    '',
    ...peers.map(
      (peer) =>
        `- **${peer}** ${results.peers[peer]?.version ?? ''}: ${results.peers[peer]?.features.join('; ') ?? ''}`,
    ),
    '',
  ].join('\n');
}

function roundsOf({ rounds, starts, loadSeconds }: L4Results): string {
  const all = `${starts * rounds} interleaved rounds of ${loadSeconds} s`;
  return starts === 1 ? all : `${all}, ${rounds} after each of ${starts} starts of the proxies`;
}

/** Peers that were run, in the order in which they were. */
export function peersOf(results: L4Results): readonly PeerName[] {
  return PEER_NAMES.filter((peer) => results.peers[peer] !== undefined);
}

function requestTable(results: L4Results, peers: readonly PeerName[], loads: readonly LoadName[]): string {
  const rows = loads.flatMap((load) =>
    peers.map((peer) => {
      const figures = loadFigures(results, peer, load);
      return [
        TITLES[load],
        peer,
        formatSummary(figures.rate),
        formatSummary(figures.p50Us),
        formatSummary(figures.p99Us),
        formatSummary(figures.cpuUs),
        formatSummary(figures.foreignCores, 1 / PERCENT),
      ];
    }),
  );
  return markdownTable(['load', 'peer', 'per second', 'p50 µs', 'p99 µs', 'CPU µs each', 'foreign CPU %'], rows);
}

function bulkTable(results: L4Results, peers: readonly PeerName[]): string {
  const rows = (['bulk1', 'bulk4'] as const).flatMap((load) =>
    peers.map((peer) => {
      const figures = loadFigures(results, peer, load);
      return [
        TITLES[load],
        peer,
        formatSummary(figures.gigabits),
        formatSummary(figures.cpuSecondsPerGigabyte),
        formatSummary(figures.peakRssBytes, MEGABYTE),
        formatSummary(figures.afterRssBytes, MEGABYTE),
        formatSummary(figures.foreignCores, 1 / PERCENT),
      ];
    }),
  );
  return markdownTable(['load', 'peer', 'Gbit/s', 'CPU s/GB', 'peak RSS MB', 'RSS MB after', 'foreign CPU %'], rows);
}

function memoryTable(results: L4Results, peers: readonly PeerName[]): string {
  const rows = peers.flatMap((peer) => {
    const figures = memoryFigures(results, peer);
    if (figures === undefined) return [];
    const client = formatNumber(figures.clientIdleBytesPerConnection, KILOBYTE);
    const server = formatNumber(figures.serverIdleBytesPerConnection, KILOBYTE);
    return [
      [
        peer,
        formatNumber(figures.restRssBytes, MEGABYTE),
        formatNumber(figures.restAnonymousBytes, MEGABYTE),
        `${client} / ${server}`,
      ],
    ];
  });
  return markdownTable(
    ['peer', 'RSS MB at rest', 'of which anonymous', 'kB per idle connection, client / server'],
    rows,
  );
}

function ratioTable(results: L4Results): string {
  const byRound = roundRatios(results);
  return markdownTable(
    ['figure', 'value', 'ratio by round'],
    Object.entries(quickFigures(results)).map(([name, value]) => [name, String(value), formatSummary(byRound[name])]),
  );
}
