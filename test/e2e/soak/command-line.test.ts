import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSoakCommand } from './command-line.ts';

const CASES: readonly (readonly [string, unknown])[] = [
  ['', { minutes: 10, rps: 2000, eventsPerSecond: 2 }],
  ['--minutes 0.5 --rps 300 --events 4', { minutes: 0.5, rps: 300, eventsPerSecond: 4 }],
  ['--rps 300 --help', 'help'],
  ['--minutes', { wrong: "--minutes is '', expected a number from 0.5 to 60" }],
  ['--minutes 61', { wrong: "--minutes is '61', expected a number from 0.5 to 60" }],
  ['--rps many', { wrong: "--rps is 'many', expected a number from 10 to 20000" }],
  ['--rate 5', { wrong: 'unknown option --rate' }],
];
for (const [text, expected] of CASES) {
  test(`parseSoakCommand() reads '${text}'`, () => {
    assert.deepEqual(parseSoakCommand(text.split(' ').filter((word) => word !== '')), expected);
  });
}
