import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDurationMs, parseDurationMs } from './duration.ts';

test('parseDurationMs() reads durations of Gateway API and nothing else, and formatDurationMs() writes their standard form', () => {
  const table: readonly (readonly [text: string, durationMs: number | null, standard?: string])[] = [
    ['0s', 0, '0s'],
    ['0h', 0, '0s'],
    ['500ms', 500, '500ms'],
    ['1s500ms', 1500, '1s500ms'],
    ['1500ms', 1500, '1s500ms'],
    ['01h', 3_600_000, '1h'],
    ['00060m', 3_600_000, '1h'],
    ['1h30m30s500ms', 5_430_500, '1h30m30s500ms'],
    ['90m', 5_400_000, '1h30m'],
    ['1h2h20m10m', 12_600_000, '3h30m'],
    ['10s1m', 70_000, '1m10s'],
    ['99999h', 359_996_400_000, '99999h'],
    ['', null],
    ['0', null],
    ['1', null],
    ['s', null],
    ['-1s', null],
    ['1.5s', null],
    ['100000s', null],
    ['1h1m1s1ms1ms', null],
    ['1d', null],
    ['1us', null],
    ['1 s', null],
    ['1S', null],
    ['1s ', null],
    ['1s\n', null],
  ];
  for (const [text, durationMs, standard] of table) {
    assert.equal(parseDurationMs(text), durationMs, text);
    if (durationMs !== null) assert.equal(formatDurationMs(durationMs), standard, text);
  }
});
