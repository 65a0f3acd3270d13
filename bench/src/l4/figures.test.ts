import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadFigures, memoryFigures } from './figures.ts';
import { markdownReport } from './markdown-report.ts';
import { l4Plot } from './plot.ts';
import { quickFigures, roundRatios } from './quick-line.ts';
import type { L4Results, Sample } from './samples.ts';
import type { PeerName } from './peer.ts';

const MEGABYTE = 1024 * 1024;

function requests(peer: PeerName, round: number, rate: number, cpuSeconds: number): Sample {
  return {
    kind: 'requests',
    load: 'c32',
    peer,
    round,
    requests: rate * 2,
    seconds: 2,
    errors: 0,
    p50Us: 1000,
    p99Us: 3000,
    clientCpuSeconds: cpuSeconds / 2,
    serverCpuSeconds: cpuSeconds / 2,
    foreignCpuSeconds: 0.1,
  };
}

function bulk(peer: PeerName, bytes: number, clientPeakRssBytes: number): Sample {
  const after = { rssBytes: 90 * MEGABYTE, anonymousBytes: 40 * MEGABYTE };
  return {
    kind: 'bulk',
    load: 'bulk1',
    peer,
    round: 0,
    bytes,
    seconds: 2,
    clientCpuSeconds: 1.5,
    serverCpuSeconds: 0.5,
    foreignCpuSeconds: 0,
    clientPeakRssBytes,
    serverPeakRssBytes: 80 * MEGABYTE,
    clientAfter: after,
    serverAfter: after,
  };
}

const RESULTS: L4Results = {
  bench: 'l4',
  startedAt: '2026-01-02T03:04:05.000Z',
  machine: { cpu: 'Example <1>', cores: 2 },
  peers: {
    direct: { version: 'Linux 6', features: ['plain'] },
    envoy: { version: '1.40.0', features: ['RBAC'] },
    ambit: { version: '0.1.0', features: ['policy'] },
  },
  starts: 1,
  rounds: 2,
  loadSeconds: 2,
  samples: [
    requests('direct', 0, 100_000, 0),
    requests('envoy', 0, 20_000, 1.2),
    requests('envoy', 1, 22_000, 1.32),
    requests('ambit', 0, 30_000, 1.2),
    requests('ambit', 1, 33_000, 1.32),
    bulk('envoy', 2e9, 70 * MEGABYTE),
    bulk('ambit', 1e9, 130 * MEGABYTE),
  ],
  memory: [
    {
      peer: 'ambit',
      clientAtRest: { rssBytes: 80 * MEGABYTE, anonymousBytes: 30 * MEGABYTE },
      serverAtRest: { rssBytes: 85 * MEGABYTE, anonymousBytes: 31 * MEGABYTE },
      clientFirstIdle: { rssBytes: 84 * MEGABYTE, anonymousBytes: 33 * MEGABYTE },
      serverFirstIdle: { rssBytes: 87 * MEGABYTE, anonymousBytes: 33 * MEGABYTE },
      idleConnectionCount: 1024,
      clientIdle: { rssBytes: 90 * MEGABYTE, anonymousBytes: 36 * MEGABYTE },
      serverIdle: { rssBytes: 95 * MEGABYTE, anonymousBytes: 39 * MEGABYTE },
    },
  ],
};

test('loadFigures() are medians per unit of work, with the range', () => {
  const figures = loadFigures(RESULTS, 'ambit', 'c32');
  assert.deepEqual(figures.rate, { median: 31_500, min: 30_000, max: 33_000, count: 2 });
  assert.deepEqual(figures.cpuUs, { median: 20, min: 20, max: 20, count: 2 });
  assert.deepEqual(figures.foreignCores, { median: 0.05, min: 0.05, max: 0.05, count: 2 });
  assert.equal(figures.gigabits, undefined);
  assert.equal(loadFigures(RESULTS, 'envoy', 'bulk1').gigabits?.median, 8);
  assert.equal(loadFigures(RESULTS, 'envoy', 'bulk1').cpuSecondsPerGigabyte?.median, 1);
});

test('loadFigures() give direct TCP no CPU figure, and a peer that was not run none at all', () => {
  assert.equal('cpuUs' in loadFigures(RESULTS, 'direct', 'c32'), false);
  assert.deepEqual(loadFigures(RESULTS, 'nginx', 'c32'), {});
});

test('memoryFigures() take the larger side at rest and each side per connection', () => {
  assert.deepEqual(memoryFigures(RESULTS, 'ambit'), {
    restRssBytes: 85 * MEGABYTE,
    restAnonymousBytes: 31 * MEGABYTE,
    clientIdleBytesPerConnection: 6 * 1024,
    serverIdleBytesPerConnection: 8 * 1024,
  });
  assert.equal(memoryFigures(RESULTS, 'envoy'), undefined);
});

test('roundRatios() compare peers of the same round, so that a slow round of both changes nothing', () => {
  const samples = [
    requests('envoy', 0, 20_000, 2),
    requests('ambit', 0, 30_000, 1.5),
    requests('envoy', 1, 10_000, 2),
    requests('ambit', 1, 15_000, 1.5),
    requests('envoy', 2, 20_000, 2),
  ];
  const { rps_c32_vs_envoy, cpu_c32_vs_envoy, ...others } = roundRatios({ ...RESULTS, samples });
  assert.deepEqual(rps_c32_vs_envoy, { median: 1.5, min: 1.5, max: 1.5, count: 2 });
  assert.deepEqual(cpu_c32_vs_envoy, { median: 0.5, min: 0.5, max: 0.5, count: 2 });
  assert.deepEqual(others, {});
});

test('quickFigures() are ratios to Envoy where both sides have a figure', () => {
  assert.deepEqual(quickFigures(RESULTS), {
    rps_c32_vs_envoy: 1.5,
    cpu_c32_vs_envoy: 0.6667,
    bulk1_vs_envoy: 0.5,
    cpu_gb_vs_envoy: 2,
    rss_mb: 85,
    anonymous_mb: 31,
    idle_kb_per_connection: 8,
    bulk_rss_mb: 130,
  });
});

test('quickFigures() tell those of Ambit that counts HTTP requests by names of their own', () => {
  const peers = { ...RESULTS.peers, 'ambit-http': { version: '0.1.0', features: ['counting'] } };
  const samples = [...RESULTS.samples, requests('ambit-http', 0, 21_000, 1.26)];
  assert.deepEqual(quickFigures({ ...RESULTS, peers, samples }), {
    ...quickFigures(RESULTS),
    http_rps_c32_vs_envoy: 1,
    http_cpu_c32_vs_envoy: 1,
  });
});

test('markdownReport() has a row for every peer and shows ranges', () => {
  const page = markdownReport(RESULTS);
  assert.match(page, /\| 32 connections \| ambit \| 31500 \(30000-33000\) \|/);
  assert.match(page, /\| 32 connections \| direct \| 100000 \| 1000 \| 3000 \| - \|/);
  assert.match(page, /\| ambit \| 85 \| 31 \| 6 \/ 8 \|/);
  assert.match(page, /\*\*envoy\*\* 1\.40\.0: RBAC/);
  assert.match(page, /^Medians of 2 interleaved rounds of 2 s /m);
  assert.match(page, /they take turns of 0\.1 s/);
});

test('markdownReport() says how often the proxies were started', () => {
  const page = markdownReport({ ...RESULTS, starts: 3 });
  assert.match(page, /^Medians of 6 interleaved rounds of 2 s, 2 after each of 3 starts of the proxies \(/m);
});

test('l4Plot() draws every peer and escapes what it writes', () => {
  const picture = l4Plot(RESULTS);
  assert.ok(picture.startsWith('<svg '));
  assert.equal(picture.split('>ambit</text>').length - 1, 7);
  assert.doesNotMatch(picture, /NaN|undefined|Infinity/);
});
