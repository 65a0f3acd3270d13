import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BenchError } from '../errors.ts';
import {
  parseKilobyteLine,
  parseStat,
  readCpuSeconds,
  readMemory,
  readPeakRssBytes,
  resetPeakRss,
} from './process-usage.ts';

test('parseStat() reads times past a command name with spaces and parentheses', () => {
  const text = '42 (a (b) c) S 7 42 42 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 3 0 5000 1000 100';
  assert.deepEqual(parseStat(text), { ownTicks: 33, childTicks: 77, parentPid: 7 });
});

test('parseStat() refuses text that is no process status', () => {
  assert.throws(() => parseStat('gone'), BenchError);
});

test('parseKilobyteLine() reads one line in bytes and refuses its absence', () => {
  const text = 'Rss:                 100 kB\nAnonymous:            40 kB\n';
  assert.equal(parseKilobyteLine(text, 'Anonymous'), 40 * 1024);
  assert.throws(() => parseKilobyteLine(text, 'Pss'), BenchError);
});

test('readCpuSeconds() grows by the time this process works', () => {
  const before = readCpuSeconds([process.pid]);
  const started = process.cpuUsage();
  for (let used = 0; used < 60_000; ) {
    const usage = process.cpuUsage(started);
    used = usage.user + usage.system;
  }
  const grown = readCpuSeconds([process.pid]) - before;
  assert.ok(grown >= 0.04 && grown < 1, `grew by ${grown} s`);
});

test('readPeakRssBytes() sees memory that was given back, until it is reset', () => {
  const buffer = Buffer.alloc(64 * 1024 * 1024, 1);
  const peak = readPeakRssBytes([process.pid]);
  assert.ok(peak >= buffer.length);
  const memory = readMemory([process.pid]);
  assert.ok(memory.rssBytes >= memory.anonymousBytes && memory.anonymousBytes >= buffer.length);
  resetPeakRss([process.pid]);
  assert.ok(readPeakRssBytes([process.pid]) <= peak + 16 * 1024 * 1024);
});
