import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readArguments } from './read-arguments.ts';
import { UsageError } from './run-main.ts';

const NAMES = { texts: ['state', 'node'], flags: ['dry'] } as const;

test('readArguments() takes options in any order, the last of several, and words', () => {
  const { texts, flags, words } = readArguments(
    ['token', '--state', 'a', '--dry', '--node=-x', '--state=b', '-', '--', '--more'],
    NAMES,
  );
  assert.deepEqual({ ...texts }, { state: 'b', node: '-x' });
  assert.deepEqual([...flags], ['dry']);
  assert.deepEqual(words, ['token', '-', '--more']);
  assert.deepEqual(readArguments([], NAMES), { texts: {}, flags: new Set(), words: [] });
});

test('readArguments() refuses by name, with what it expected', () => {
  const known = 'expected one of --state, --node, --dry';
  const valued = (name: string): string =>
    `${name} has no value: expected ${name} VALUE, or ${name}=VALUE if that begins with -`;
  for (const [args, message] of [
    [['--stat', 'a'], `--stat is not a known option: ${known}`],
    [['--stat=a'], `--stat is not a known option: ${known}`],
    [['-n', 'a'], `-n is not a known option: ${known}`],
    [['--toString'], `--toString is not a known option: ${known}`],
    [['--state'], valued('--state')],
    [['--state', '--node', 'a'], valued('--state')],
    [['--dry=yes'], '--dry has the value "yes": expected none'],
  ] as const) {
    assert.throws(
      () => readArguments(args, NAMES),
      (error) => error instanceof UsageError && error.message === message,
      message,
    );
  }
});
