import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BenchError } from '../errors.ts';
import { iperf3Arguments, parseIperf3Output } from './iperf3.ts';

test("parseIperf3Output() takes the receiver's count, not the sender's", () => {
  const report = {
    start: { version: 'iperf 3.12' },
    end: {
      sum_sent: { bytes: 900_000_000, seconds: 1.0001 },
      sum_received: { bytes: 875_000_000, seconds: 1.0003 },
    },
  };
  assert.deepEqual(parseIperf3Output(JSON.stringify(report)), { bytes: 875_000_000, seconds: 1.0003 });
});

test('parseIperf3Output() refuses errors, empty transfers and other text', () => {
  const broken = [
    '',
    'null',
    '[]',
    '{"start":{}',
    '{"error":"unable to connect to server: Connection refused"}',
    '{"end":{"sum_received":{"bytes":0,"seconds":1}}}',
    '{"end":{"sum_received":{"bytes":"1","seconds":1}}}',
  ];
  for (const output of broken) {
    assert.throws(
      () => parseIperf3Output(output),
      (error) => error instanceof BenchError && error.code === 'unreadable-output',
      output,
    );
  }
});

test("parseIperf3Output() tells iperf3's own reason", () => {
  assert.throws(
    () => parseIperf3Output('{"start":{},"error":"server is busy"}'),
    (error) => error instanceof BenchError && error.data['said'] === 'server is busy',
  );
});

test('iperf3Arguments() asks for a JSON report of an upload over parallel streams', () => {
  const args = iperf3Arguments('10.212.0.2', 5201, 4, 3);
  assert.deepEqual(args.slice(0, 9), ['-c', '10.212.0.2', '-p', '5201', '-P', '4', '-t', '3', '-J']);
});
