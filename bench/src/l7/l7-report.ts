import { formatNumber, formatSummary, markdownTable } from '../report/format.ts';
import { L7_LOADS, L7_PEERS } from './plan.ts';
import { l7Figure, l7Ratio, type L7Results } from './samples.ts';

const MEGABYTE = 1024 * 1024;

/** The results for people: tables of medians with their range. */
export function l7Report(results: L7Results): string {
  const peers = L7_PEERS.filter((peer) => results.peers[peer] !== undefined);
  const loads = L7_LOADS.filter(({ name }) => results.samples.some(({ load }) => load === name));
  const rows = loads.flatMap(({ name }) =>
    peers
      .filter((peer) => l7Figure(results, peer, name, 'rate') !== undefined)
      .map((peer) => [
        name,
        peer,
        formatSummary(l7Figure(results, peer, name, 'rate')),
        formatSummary(l7Figure(results, peer, name, 'cpuUs')),
        formatSummary(l7Figure(results, peer, name, 'p50Us')),
        formatSummary(l7Figure(results, peer, name, 'p99Us')),
      ]),
  );
  const ratios = loads.flatMap(({ name }) =>
    peers
      .filter((peer) => peer !== 'ambit' && l7Ratio(results, peer, name, 'rate') !== undefined)
      .map((peer) => [
        name,
        peer,
        formatSummary(l7Ratio(results, peer, name, 'rate')),
        formatSummary(l7Ratio(results, peer, name, 'cpuUs')),
        formatSummary(l7Ratio(results, peer, name, 'p50Us')),
        formatSummary(l7Ratio(results, peer, name, 'p99Us')),
      ]),
  );
  const memory = peers.map((peer) => {
    const rest = results.restMemory[peer];
    return [peer, formatNumber(rest?.rssBytes, MEGABYTE), formatNumber(rest?.anonymousBytes, MEGABYTE)];
  });
  const foreign = Math.max(...results.samples.map(({ foreignCpuSeconds, seconds }) => foreignCpuSeconds / seconds));
  const about = peers.map((peer) => {
    const { version, features } = results.peers[peer] ?? { version: '', features: [] };
    return `- ${peer} ${version}: ${features.join('; ')}`;
  });
  const machine = Object.entries(results.machine).map(([key, value]) => `${key} ${value}`);
  return `# L7: HTTP/1.1 through one core

GET with an answer of 1 KiB, one request under way per stream. Load and server on one core, the proxy alone on the other; medians of
${results.rounds} interleaved rounds of ${results.loadSeconds} s (minimum-maximum). CPU is that of the proxy per request. Others used at most
${formatNumber(foreign)} cores meanwhile. ${machine.join(', ')}.

${markdownTable(['load', 'proxy', 'requests/s', 'CPU µs', 'p50 µs', 'p99 µs'], rows)}

Ambit over the others, round by round:

${markdownTable(['load', 'against', 'requests/s', 'CPU', 'p50', 'p99'], ratios)}

Memory at rest:

${markdownTable(['proxy', 'RSS MB', 'anonymous MB'], memory)}

${about.join('\n')}
`;
}
