import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BenchError } from '../errors.ts';
import { parseWrkOutput, wrkArguments, wrkScript } from './wrk.ts';

const REPORT = `Running 1s test @ http://10.212.0.2:8080/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.27ms  309.12us   7.08ms   92.31%
Requests/sec:  24890.11
ambit-bench 27391 1100213 2 1221 2360
Transfer/sec:     28.77MB
`;

test("parseWrkOutput() reads the script's line amid wrk's own report", () => {
  assert.deepEqual(parseWrkOutput(REPORT), {
    requests: 27391,
    durationUs: 1100213,
    errors: 2,
    p50Us: 1221,
    p99Us: 2360,
  });
});

test('parseWrkOutput() refuses a report without a figure', () => {
  const broken = [
    '',
    'unable to connect to 10.212.0.2:8080 Connection refused',
    'ambit-bench 0 1000000 0 0 0',
    'ambit-bench 10 0 0 1 1',
    'ambit-bench 10 1000000 0 1',
    'ambit-bench 10 1000000 0 1 x',
  ];
  for (const output of broken) {
    assert.throws(
      () => parseWrkOutput(output),
      (error) => error instanceof BenchError && error.code === 'unreadable-output',
      output,
    );
  }
});

test('wrkScript() closes connections only when asked to', () => {
  assert.match(wrkScript({ closeEach: true }), /Connection"\] = "close"/);
  assert.doesNotMatch(wrkScript({ closeEach: false }), /close"/);
});

test('wrkArguments() asks for one thread and at least one second', () => {
  assert.deepEqual(wrkArguments('/s.lua', 'http://a/', 32, 0.4), [
    '-t1',
    '-c32',
    '-d1s',
    '--timeout',
    '5s',
    '-s',
    '/s.lua',
    'http://a/',
  ]);
});
