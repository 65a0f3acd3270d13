import { formatNumber } from '../report/format.ts';
import { svgBars, type Bar, type BarPanel } from '../report/svg-bars.ts';
import type { Summary } from '../measure/summary.ts';
import { loadFigures, memoryFigures, type LoadFigures } from './figures.ts';
import { peersOf } from './markdown-report.ts';
import type { LoadName } from './plan.ts';
import type { PeerName } from './peer.ts';
import type { L4Results } from './samples.ts';

const MEGABYTE = 1024 * 1024;
const KILOBYTE = 1024;

const COLOURS: Readonly<Record<PeerName, string>> = {
  direct: '#c9ced6',
  nginx: '#8fb7a3',
  envoy: '#c79ac4',
  ambit: '#2f6fde',
  'ambit-http': '#86aef0',
};

interface LoadPanel {
  readonly title: string;
  readonly note: string;
  readonly load: LoadName;
  readonly figure: keyof LoadFigures;
  readonly unit: number;
}

const LOAD_PANELS: readonly LoadPanel[] = [
  {
    title: 'Requests, 32 connections',
    note: 'thousand per second, more is better',
    load: 'c32',
    figure: 'rate',
    unit: 1e3,
  },
  {
    title: 'CPU per request, 32 connections',
    note: 'µs of both proxies, less is better',
    load: 'c32',
    figure: 'cpuUs',
    unit: 1,
  },
  { title: 'Latency, 1 connection', note: 'median µs, less is better', load: 'c1', figure: 'p50Us', unit: 1 },
  {
    title: 'Requests, 128 connections',
    note: 'thousand per second, more is better',
    load: 'c128',
    figure: 'rate',
    unit: 1e3,
  },
  { title: 'New connections', note: 'thousand per second, more is better', load: 'churn', figure: 'rate', unit: 1e3 },
  {
    title: 'CPU per new connection',
    note: 'µs of both proxies, less is better',
    load: 'churn',
    figure: 'cpuUs',
    unit: 1,
  },
  { title: 'Bulk, 1 stream', note: 'Gbit/s, more is better', load: 'bulk1', figure: 'gigabits', unit: 1 },
  { title: 'Bulk, 4 streams', note: 'Gbit/s, more is better', load: 'bulk4', figure: 'gigabits', unit: 1 },
  {
    title: 'CPU per gigabyte, 1 stream',
    note: 'seconds of both proxies, less is better',
    load: 'bulk1',
    figure: 'cpuSecondsPerGigabyte',
    unit: 1,
  },
];

/** The figures people ask for first, as bars with the range over the rounds. */
export function l4Plot(results: L4Results): string {
  const peers = peersOf(results);
  const loads = LOAD_PANELS.map((panel) => ({
    title: panel.title,
    note: panel.note,
    bars: peers.flatMap((peer) => bar(peer, loadFigures(results, peer, panel.load)[panel.figure], panel.unit)),
  }));
  const subtitle = `two pods on two one-core hosts, medians of ${results.rounds} rounds with their range, ${results.startedAt.slice(0, 10)}`;
  return svgBars('Ambit, L4 tunnel', subtitle, [...loads, ...memoryPanels(results, peers)]);
}

function memoryPanels(results: L4Results, peers: readonly PeerName[]): BarPanel[] {
  const panel = (
    title: string,
    note: string,
    figure: (peer: PeerName) => number | undefined,
    unit: number,
  ): BarPanel => ({
    title,
    note,
    bars: peers.flatMap((peer) => {
      const value = figure(peer);
      return bar(peer, value === undefined ? undefined : { median: value, min: value, max: value, count: 1 }, unit);
    }),
  });
  const idle = (peer: PeerName): number | undefined => {
    const figures = memoryFigures(results, peer);
    return figures && Math.max(figures.clientIdleBytesPerConnection, figures.serverIdleBytesPerConnection);
  };
  return [
    panel(
      'Memory at rest',
      'RSS MB of one proxy, less is better',
      (peer) => memoryFigures(results, peer)?.restRssBytes,
      MEGABYTE,
    ),
    panel(
      'Anonymous memory at rest',
      'MB of one proxy, less is better',
      (peer) => memoryFigures(results, peer)?.restAnonymousBytes,
      MEGABYTE,
    ),
    panel('Memory per idle connection', 'kB of one proxy, less is better', idle, KILOBYTE),
  ];
}

function bar(peer: PeerName, summary: Summary | undefined, unit: number): Bar[] {
  if (summary === undefined) return [];
  const { median, min, max } = summary;
  return [
    {
      label: peer,
      value: median / unit,
      min: min / unit,
      max: max / unit,
      text: formatNumber(median, unit),
      colour: COLOURS[peer],
    },
  ];
}
