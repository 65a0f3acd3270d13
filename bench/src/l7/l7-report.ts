import { formatNumber, formatSummary, markdownTable } from '../report/format.ts';
import { L7_LOADS, L7_PEERS, unitOf } from './plan.ts';
import { l7Figure, l7Ratio, type L7Results } from './samples.ts';

const MEGABYTE = 1024 * 1024;

/** The results for people: tables of medians with their range. */
export function l7Report(results: L7Results): string {
  const peers = L7_PEERS.filter((peer) => results.peers[peer] !== undefined);
  const loads = L7_LOADS.filter(({ name }) => results.samples.some(({ load }) => load === name));
  const rows = loads.flatMap((load) => {
    const { name } = load;
    return peers
      .filter((peer) => l7Figure(results, peer, name, 'rate') !== undefined)
      .map((peer) => [
        name,
        peer,
        unitOf(load),
        formatSummary(l7Figure(results, peer, name, 'rate')),
        formatSummary(l7Figure(results, peer, name, 'cpuUs')),
        formatSummary(l7Figure(results, peer, name, 'p50Us')),
        formatSummary(l7Figure(results, peer, name, 'p99Us')),
      ]);
  });
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
  return `# L7: HTTP through one core

\`hbone-CxS\`: GET in HTTP/1.1 with an answer of 1 KiB, S streams in C tunnelled connections, one request under way on each; \`h2\` and
\`grpc\`: the same in HTTP/2 and as unary gRPC of 1 KiB both ways, with so many streams per connection; \`grpc-stream\`: messages of 1 KiB
that come back, 16 under way on each of 8 connections; \`download\` and \`upload\`: bodies of 1 GiB in HTTP/1.1, one connection;
\`plain\`: HTTP/1.1 in plaintext, without tunnels. Load and server on one core, the proxy alone on the other; medians of
${results.rounds} interleaved rounds of ${results.loadSeconds} s (minimum-maximum). CPU is that of the proxy. Others used at most
${formatNumber(foreign)} cores meanwhile. ${machine.join(', ')}.

${markdownTable(['load', 'proxy', 'unit', 'per second', 'CPU µs each', 'p50 µs', 'p99 µs'], rows)}

Ambit over the others, round by round:

${markdownTable(['load', 'against', 'rate', 'CPU', 'p50', 'p99'], ratios)}

Memory at rest:

${markdownTable(['proxy', 'RSS MB', 'anonymous MB'], memory)}

${about.join('\n')}
`;
}
