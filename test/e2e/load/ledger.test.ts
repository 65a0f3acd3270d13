import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from './ledger.ts';

test('a connection open at an event counts as living on when it is answered on afterwards, once', () => {
  const ledger = new Ledger(1000, 'then');
  const account = ledger.account('http1');
  const [lives, dies, idles] = [ledger.opened(account), ledger.opened(account), ledger.opened(account)];
  ledger.used(lives);
  ledger.used(dies);
  ledger.mark('first', 1500);
  ledger.closed(dies);
  ledger.closed(dies);
  const late = ledger.opened(account);
  ledger.used(lives);
  ledger.used(lives);
  ledger.used(late);
  ledger.mark('second', 1700);
  ledger.used(idles);
  assert.deepEqual(ledger.report(2000).events, [
    { name: 'first', atMs: 500, open: { http1: 3 }, answeredAfter: { http1: 2 } },
    { name: 'second', atMs: 700, open: { http1: 3 }, answeredAfter: { http1: 1 } },
  ]);
});

test('everything sent is answered or failed, latencies count from the planned time, reasons and times are kept', () => {
  const ledger = new Ledger(0, 'then');
  const account = ledger.account('grpc');
  ledger.sent(account, 10, 12);
  ledger.sent(account, 20, 21);
  assert.equal(ledger.inFlight, 2);
  ledger.answered(account, 10, 110, 'v1');
  ledger.failed(account, 30, 'ECONNRESET');
  ledger.overflowed(account, 40);
  ledger.noteCut(account, 50, 'closed');
  const { protocols, failures, lateMs } = ledger.report(60);
  assert.equal(ledger.inFlight, 0);
  assert.deepEqual(protocols.grpc, {
    sent: 3,
    answered: 1,
    failed: 2,
    reasons: { ECONNRESET: 1, 'too much under way': 1, 'stream cut: closed': 1 },
    latencyMs: { p50: 100, p99: 100, max: 100 },
    connections: { opened: 0, closed: 0 },
    streams: { opened: 0, ended: 0, endedByServer: 0, cut: 0 },
    servedBy: { v1: 1 },
  });
  assert.deepEqual(failures, [
    { atMs: 30, protocol: 'grpc', reason: 'ECONNRESET' },
    { atMs: 40, protocol: 'grpc', reason: 'too much under way' },
    { atMs: 50, protocol: 'grpc', reason: 'stream cut: closed' },
  ]);
  assert.equal(lateMs.max, 2);
});

test('a ledger of many failures, reasons and servers stays small', () => {
  const ledger = new Ledger(0, 'then');
  const account = ledger.account('tcp');
  for (let i = 0; i < 1000; i++) {
    ledger.sent(account, i, i);
    if (i % 2 === 0) ledger.failed(account, i, `reason ${i}`);
    else ledger.answered(account, i, i, `server ${i}`);
  }
  const { protocols, failures } = ledger.report(1000);
  const { reasons = {}, servedBy = {} } = protocols.tcp ?? {};
  assert.deepEqual([failures.length, Object.keys(reasons).length, Object.keys(servedBy).length], [100, 51, 51]);
  assert.equal(reasons['others'], 450);
});
