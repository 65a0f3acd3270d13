import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import {
  addresses,
  NODE,
  policies,
  POLICY,
  RecordingLogger,
  resource,
  ScriptedStream,
  startClient,
  summary,
  UID,
  WEB,
  web,
} from '../testing/push-world.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import { PushClient } from './push-client.ts';

describe('PushClient, streams that end', () => {
  test('keeps its state while disconnected and, back again, asks for differences of both types at once', async () => {
    const run = startClient();
    await run.settle();
    run.transport.stream(0).push(policies({ resources: [resource({ kind: 'policy', policy: POLICY }, '5')] }));
    await run.settle();
    const gone = buildWorkload({ name: 'gone', addresses: ['10.0.0.9'] });
    const bad = { ...web('9', buildWorkload({ name: 'bad' })), value: Uint8Array.of(0xff) };
    run.transport.stream(0).push(addresses({ resources: [web('7'), web('8', gone), bad] }));
    await run.settle();
    assert.equal(run.listenerCount(), 1);
    run.transport.stream(0).end(new Error('connection reset'));
    await run.settle();
    assert.equal(run.listenerCount(), 1, 'that of the delay before the next attempt');
    assert.equal(run.client.status().connected, false);
    assert.deepEqual(run.view.workload(UID), WEB);

    await run.clock.advance(10);
    const stream = run.transport.stream(1);
    assert.deepEqual(summary(stream), [`policies open ${POLICY.key}@5`, `addresses open ${gone.uid}@8,${UID}@7`]);
    stream.push(addresses({ nonce: 'b1', removedResources: [gone.uid] }));
    await run.settle();
    assert.equal(run.view.workload(gone.uid), undefined);
    assert.deepEqual(run.view.workload(UID), WEB);
    assert.equal(run.readyCount(), 1);
    await run.stop();
  });

  test('tries again with growing delays up to 15 s, from the start once a server has answered', async () => {
    const run = startClient(undefined, 13);
    await run.settle();
    const delays: number[] = [];
    for (let attempt = 1; attempt <= 13; attempt++) {
      const before = run.clock.monotonic();
      while (run.transport.attempts === attempt) {
        assert.ok(run.clock.monotonic() - before < 20_000, 'tried again');
        await run.clock.advance(10);
      }
      delays.push(run.clock.monotonic() - before);
    }
    assert.deepEqual(delays, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 15000, 15000]);

    run.transport.stream(0).end(new Error('gone before it answered'));
    await run.clock.advance(14_990);
    assert.equal(run.transport.streams.length, 1);
    await run.clock.advance(10);
    assert.equal(run.transport.streams.length, 2);
    run.transport.stream(1).push(policies());
    await run.settle();
    run.transport.stream(1).end();
    await run.clock.advance(10);
    assert.equal(run.transport.streams.length, 3);
    await run.stop();
  });

  test('gets everything of a response again when applying it failed', async () => {
    let failures = 1;
    const run = startClient(() => (failures-- > 0 ? Promise.reject(new Error('worker died')) : Promise.resolve()));
    await run.settle();
    run.transport.stream(0).push(policies({ resources: [resource({ kind: 'policy', policy: POLICY }, '1')] }));
    await run.settle();
    assert.equal(run.transport.stream(0).closed, true);
    assert.deepEqual(
      run.logger.lines.map(([level, message]) => `${level} ${message}`),
      ['warn push stream failed'],
    );
    assert.deepEqual(run.logger.limits, ['push-stream other']);
    await run.clock.advance(10);
    assert.deepEqual(summary(run.transport.stream(1)), ['policies open']);
    run.transport.stream(1).push(policies({ resources: [resource({ kind: 'policy', policy: POLICY }, '1')] }));
    await run.settle();
    assert.deepEqual([...run.view.policies()], [POLICY]);
    await run.stop();
  });

  test('stops at once while connected, while waiting to try again, and before it began', async () => {
    const connected = startClient();
    await connected.settle();
    await connected.stop();
    assert.equal(connected.transport.stream(0).closed, true);
    assert.deepEqual(connected.logger.lines, []);

    const waiting = startClient(undefined, 1);
    await waiting.settle();
    await waiting.stop();
    assert.deepEqual([waiting.transport.attempts, waiting.clock.pending], [1, 0]);

    const never = new PushClient({
      transport: { open: () => assert.fail('opened a stream') },
      node: NODE,
      clock: new ManualClock(),
      logger: new RecordingLogger(),
      apply: () => assert.fail('applied an update'),
    });
    await never.run(AbortSignal.abort());
  });

  test('closes a stream that opens just as it is stopped', async () => {
    const abort = new AbortController();
    const stream = new ScriptedStream();
    const logger = new RecordingLogger();
    const client = new PushClient({
      transport: {
        open: () => {
          abort.abort();
          return Promise.resolve(stream);
        },
      },
      node: NODE,
      clock: new ManualClock(),
      logger,
      apply: () => assert.fail('applied an update'),
    });
    await client.run(abort.signal);
    assert.deepEqual([stream.closed, stream.sent, logger.lines], [true, [], []]);
  });
});
