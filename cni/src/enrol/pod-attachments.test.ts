import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_EXCLUSIONS } from '@ambit/mesh/kinds';
import { parseIpAddress, parsePort } from '@ambit/mesh/model';
import { ManualClock } from '@ambit/mesh/testing';
import type { DesiredPod } from './desired-pods.ts';
import { HOLD_MS, PodAttachments } from './pod-attachments.ts';

function pod(uid: string, address?: string): DesiredPod {
  const addresses = address === undefined ? [] : [parseIpAddress(address)];
  return {
    uid,
    namespace: 'shop',
    name: uid,
    serviceAccount: 'default',
    addresses,
    exclusions: NO_EXCLUSIONS,
    dnsCapture: true,
  };
}

const selected = (...pods: readonly DesiredPod[]): ReadonlyMap<string, DesiredPod> =>
  new Map(pods.map((each) => [each.uid, each]));

/** UIDs of the pods to capture; the watch shows `known`, enrolled or not. */
function merged(
  attachments: PodAttachments,
  wanted: ReadonlyMap<string, DesiredPod>,
  ...known: readonly string[]
): readonly string[] {
  const pods = attachments.merge(wanted, (uid) => wanted.has(uid) || known.includes(uid));
  return [...pods].map(([uid, { starting }]) => (starting === true ? `${uid} starting` : uid));
}

test('a pod with an address has a namespace; one without waits for the plugin', async () => {
  const attachments = new PodAttachments(new ManualClock());
  const wanted = selected(pod('running', '10.0.0.1'), pod('pending'));
  assert.deepEqual(merged(attachments, wanted), ['running']);
  attachments.attach({ containerId: 'c1', pod: pod('pending', '10.0.0.2') });
  assert.deepEqual(merged(attachments, wanted), ['running', 'pending starting']);
  attachments.started('pending');
  assert.deepEqual(merged(attachments, wanted), ['running', 'pending']);
});

test('what the fresh read said holds against a watch that is late, for a while', async () => {
  const clock = new ManualClock();
  const attachments = new PodAttachments(clock);
  attachments.attach({ containerId: 'c1', pod: pod('a', '10.0.0.1') });
  attachments.started('a');
  assert.deepEqual(merged(attachments, selected(), 'a'), ['a']);
  await clock.advance(HOLD_MS);
  assert.deepEqual(merged(attachments, selected(), 'a'), []);
  // Labelled again: its namespace is still the one that was attached.
  assert.deepEqual(merged(attachments, selected(pod('a', '10.0.0.1'))), ['a']);
});

test('a pod that the watch has not shown at all is kept longer, not for ever', async () => {
  const clock = new ManualClock();
  const attachments = new PodAttachments(clock);
  attachments.attach({ containerId: 'c1', pod: pod('a', '10.0.0.1') });
  await clock.advance(60_000);
  assert.deepEqual(merged(attachments, selected()), ['a starting']);
  await clock.advance(600_000);
  assert.deepEqual(merged(attachments, selected()), []);
  assert.equal(attachments.containerOf('a'), null);
});

test("what annotations say is the fresh read's to say, and then the watch's", async () => {
  const clock = new ManualClock();
  const attachments = new PodAttachments(clock);
  const without = pod('a', '10.0.0.1');
  const port = { first: parsePort(80), last: parsePort(80) };
  const exclusions = { ...NO_EXCLUSIONS, inboundPorts: [port] };
  const fresh = { ...without, exclusions, dnsCapture: false };
  attachments.attach({ containerId: 'c1', pod: fresh });
  const inForce = (): unknown => attachments.merge(selected(without), () => true).get('a');
  assert.deepEqual(inForce(), { ...fresh, starting: true });
  await clock.advance(HOLD_MS);
  assert.deepEqual(inForce(), { ...without, starting: true });
});

test('a pod whose sandbox is gone is not captured, until it gets another one', () => {
  const attachments = new PodAttachments(new ManualClock());
  const wanted = selected(pod('a', '10.0.0.1'));
  attachments.attach({ containerId: 'c1', pod: pod('a', '10.0.0.1') });
  attachments.detach('a');
  assert.deepEqual(merged(attachments, wanted), []);
  attachments.attach({ containerId: 'c2', pod: pod('a', '10.0.0.2') });
  assert.deepEqual([merged(attachments, wanted), attachments.containerOf('a')], [['a starting'], 'c2']);
});

test('retain() detaches what a garbage collection does not spare', () => {
  const attachments = new PodAttachments(new ManualClock());
  attachments.attach({ containerId: 'c1', pod: pod('a', '10.0.0.1') });
  attachments.attach({ containerId: 'c2', pod: pod('b', '10.0.0.2') });
  assert.deepEqual(attachments.retain(new Set(['c2', 'c3'])), ['a']);
  assert.deepEqual(merged(attachments, selected(pod('a', '10.0.0.1'), pod('b', '10.0.0.2'))), ['b starting']);
});
