import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePolicyKey, parseSocketAddress, parseSpiffeId } from '@ambit/mesh/model';
import { type LogFields, type Logger, silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { DryRunReporter, type DryRunSubject } from './dry-run-reporter.ts';

const policy = parsePolicyKey('shop/audit');
const subject: DryRunSubject = {
  source: parseSocketAddress('10.1.2.3:40000'),
  sourceIdentity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/cart'),
  destination: parseSocketAddress('[fd00::1]:80'),
};

function create(): { readonly reporter: DryRunReporter; readonly clock: ManualClock; readonly lines: LogFields[] } {
  const lines: LogFields[] = [];
  const logger: Logger = { ...silentLogger, info: (_message, fields = {}) => void lines.push(fields) };
  const clock = new ManualClock();
  return { reporter: new DryRunReporter({ clock, logger }), clock, lines };
}

test('DryRunReporter logs policy, verdict and both ends, and leaves out an identity that plaintext has not', () => {
  const { reporter, lines } = create();
  reporter.report({ policy, would: 'deny' }, subject);
  reporter.report({ policy, would: 'allow' }, { ...subject, sourceIdentity: null });
  const ends = { policy: 'shop/audit', source: '10.1.2.3:40000', destination: '[fd00::1]:80' };
  assert.deepEqual(lines, [
    { ...ends, would: 'deny', 'source.identity': 'spiffe://cluster.local/ns/shop/sa/cart' },
    { ...ends, would: 'allow' },
  ]);
  assert.deepEqual(reporter.counts, [
    ['deny', 1],
    ['allow', 1],
  ]);
});

test('DryRunReporter counts everything, logs ten lines a second, and says how many it left out', async () => {
  const { reporter, clock, lines } = create();
  for (let i = 0; i < 25; i++) reporter.report({ policy, would: 'deny' }, subject);
  assert.equal(lines.length, 10);
  await clock.advance(1000);
  reporter.report({ policy, would: 'deny' }, subject);
  reporter.report({ policy, would: 'deny' }, subject);
  assert.deepEqual(
    lines.slice(10).map((fields) => fields['suppressed']),
    [15, undefined],
  );
  assert.deepEqual(reporter.counts, [['deny', 27]]);
});
