import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HELP, parseCommandLine } from './command-line.ts';
import { BenchError } from './errors.ts';

test('parseCommandLine() understands what the help says', () => {
  assert.deepEqual(parseCommandLine([]), { kind: 'help' });
  assert.deepEqual(parseCommandLine(['--help']), { kind: 'help' });
  assert.deepEqual(parseCommandLine(['l4', '--help']), { kind: 'help' });
  assert.deepEqual(parseCommandLine(['accept-dial']), { kind: 'accept-dial' });
  assert.deepEqual(parseCommandLine(['http1']), { kind: 'http1' });
  assert.deepEqual(parseCommandLine(['http2']), { kind: 'http2' });
  assert.deepEqual(parseCommandLine(['routes']), { kind: 'routes' });
  assert.deepEqual(parseCommandLine(['scale']), { kind: 'scale', quick: false });
  assert.deepEqual(parseCommandLine(['scale', '--rounds', '2', '--quick']), { kind: 'scale', quick: true, rounds: 2 });
  assert.deepEqual(parseCommandLine(['scale', '--measures', 'dns,view']), {
    kind: 'scale',
    quick: false,
    measures: ['view', 'dns'],
  });
  assert.deepEqual(parseCommandLine(['l4']), { kind: 'l4', quick: false, profile: false });
  assert.deepEqual(parseCommandLine(['l4', '--quick']), { kind: 'l4', quick: true, profile: false });
  assert.deepEqual(
    parseCommandLine([
      'l4',
      '--peers',
      'ambit,direct',
      '--loads',
      'churn,c1',
      '--rounds',
      '7',
      '--seconds',
      '2',
      '--out',
      'x',
      '--profile',
    ]),
    {
      kind: 'l4',
      quick: false,
      profile: true,
      peers: ['direct', 'ambit'],
      loads: ['c1', 'churn'],
      rounds: 7,
      seconds: 2,
      out: 'x',
    },
  );
  assert.deepEqual(parseCommandLine(['l4', '--starts', '4', '--rounds', '2']), {
    kind: 'l4',
    quick: false,
    profile: false,
    rounds: 2,
    starts: 4,
  });
  assert.deepEqual(parseCommandLine(['l7', '--rounds', '2']), { kind: 'l7', quick: false, profile: false, rounds: 2 });
  for (const option of ['--quick', '--peers', '--loads', '--rounds', '--starts', '--seconds', '--out', '--profile']) {
    assert.ok(HELP.includes(option), option);
  }
});

test('parseCommandLine() names the argument it does not understand', () => {
  const table: readonly (readonly [args: readonly string[], argument: string])[] = [
    [['l5'], 'l5'],
    [['accept-dial', '--quick'], '--quick'],
    [['http1', '--rounds'], '--rounds'],
    [['scale', '--rounds'], '--rounds'],
    [['scale', '--peers', 'ambit'], '--peers'],
    [['scale', '--measures', 'dns,none'], '--measures none'],
    [['l4', '--fast'], '--fast'],
    [['l4', '--rounds'], '--rounds'],
    [['l4', '--rounds', '0'], '--rounds 0'],
    [['l4', '--seconds', '1.5'], '--seconds 1.5'],
    [['l4', '--starts'], '--starts'],
    [['l4', '--starts', '0'], '--starts 0'],
    [['l7', '--starts', '2'], '--starts'],
    [['l4', '--peers', 'envoy,haproxy'], '--peers haproxy'],
  ];
  for (const [args, argument] of table) {
    assert.throws(
      () => parseCommandLine(args),
      (error) => error instanceof BenchError && error.code === 'bad-arguments' && error.data['argument'] === argument,
      args.join(' '),
    );
  }
});
