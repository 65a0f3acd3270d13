import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import { parseCidr, parseIpAddress } from '../model/address.ts';
import { createMeshViewStore } from '../model/mesh-view-store.ts';
import type { MeshViewUpdate } from '../model/mesh-view.ts';
import type { LogFields, Logger } from '../runtime/logger.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { buildPolicy } from '../testing/policy-builder.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryRequest,
  type DiscoveryResponse,
  RANGES_TYPE_URL,
} from '../wire/discovery-messages.ts';
import { invalidField } from '../wire/field-reader.ts';
import { encodePushedObject } from '../wire/model-to-push.ts';
import type { PushedObject } from '../wire/push-resource.ts';
import type { OtherType } from './other-type.ts';
import { PushClient, type PushClientOptions, type PushEvent } from './push-client.ts';
import type { PushStream, PushTransport } from './transport.ts';

const NODE = { id: 'node', cluster: '', metadata: {} };
const WEB = buildWorkload();
const UID = WEB.uid;
const POLICY = buildPolicy({ name: 'p' });

/** The server's end of one stream, by hand. Does not model flow control or latency. */
class ScriptedStream implements PushStream {
  readonly sent: DiscoveryRequest[] = [];
  closed = false;
  readonly #queue: (DiscoveryResponse | Error | undefined)[] = [];
  #wake: (() => void) | undefined;

  send(request: DiscoveryRequest): Promise<void> {
    if (this.closed) return Promise.reject(new Error('stream is closed'));
    this.sent.push(request);
    return Promise.resolve();
  }
  close(): void {
    this.closed = true;
    this.#put(undefined);
  }
  push(response: DiscoveryResponse): void {
    this.#put(response);
  }
  end(error?: Error): void {
    this.#put(error);
  }
  #put(item: DiscoveryResponse | Error | undefined): void {
    this.#queue.push(item);
    this.#wake?.();
  }
  readonly responses: AsyncIterable<DiscoveryResponse> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        while (this.#queue.length === 0) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        const item = this.#queue.shift();
        if (item instanceof Error) throw item;
        return item === undefined ? { done: true, value: undefined } : { done: false, value: item };
      },
    }),
  };
}

/** Streams in the order they were opened; `refuse` makes the next attempts fail. */
class ScriptedTransport implements PushTransport {
  readonly streams: ScriptedStream[] = [];
  refuse = 0;
  attempts = 0;

  open(): Promise<PushStream> {
    this.attempts++;
    if (this.refuse > 0) {
      this.refuse--;
      return Promise.reject(new Error('refused'));
    }
    const stream = new ScriptedStream();
    this.streams.push(stream);
    return Promise.resolve(stream);
  }
  stream(index: number): ScriptedStream {
    const stream = this.streams[index];
    assert.ok(stream !== undefined, `stream ${index} was opened`);
    return stream;
  }
}

class RecordingLogger implements Logger {
  readonly lines: [level: string, message: string, fields: LogFields][] = [];
  debug(message: string, fields: LogFields = {}): void {
    this.lines.push(['debug', message, fields]);
  }
  info(message: string, fields: LogFields = {}): void {
    this.lines.push(['info', message, fields]);
  }
  warn(message: string, fields: LogFields = {}): void {
    this.lines.push(['warn', message, fields]);
  }
  error(message: string, fields: LogFields = {}): void {
    this.lines.push(['error', message, fields]);
  }
  child(): Logger {
    return this;
  }
}

/** A running client over a scripted server, with a view that its updates go to. */
function startClient(
  apply?: (update: MeshViewUpdate) => Promise<void>,
  refuse = 0,
  withRanges = false,
  more: Pick<PushClientOptions, 'withPolicies' | 'others'> = {},
) {
  const clock = new ManualClock();
  const transport = new ScriptedTransport();
  transport.refuse = refuse;
  const logger = new RecordingLogger();
  const store = createMeshViewStore();
  const updates: MeshViewUpdate[] = [];
  const events: PushEvent[] = [];
  const abort = new AbortController();
  let readyCount = 0;
  const client = new PushClient({
    transport,
    node: NODE,
    clock,
    logger,
    apply: async (update) => {
      await apply?.(update);
      updates.push(update);
      store.apply(update);
    },
    withRanges,
    ...more,
    onReady: () => readyCount++,
    onEvent: (event) => events.push(event),
    random: () => 0.5,
  });
  const done = client.run(abort.signal);
  return {
    clock,
    transport,
    logger,
    view: store.view,
    updates,
    events,
    client,
    readyCount: () => readyCount,
    settle: () => clock.advance(0),
    listenerCount: () => getEventListeners(abort.signal, 'abort').length,
    stop: async () => {
      abort.abort();
      await done;
    },
  };
}

function policies(parts: Partial<DiscoveryResponse> = {}): DiscoveryResponse {
  return {
    typeUrl: AUTHORIZATION_TYPE_URL,
    nonce: 'p1',
    systemVersion: '',
    resources: [],
    removedResources: [],
    ...parts,
  };
}
function addresses(parts: Partial<DiscoveryResponse> = {}): DiscoveryResponse {
  return { typeUrl: ADDRESS_TYPE_URL, nonce: 'a1', systemVersion: '', resources: [], removedResources: [], ...parts };
}
function resource(object: PushedObject, version: string): DiscoveryResponse['resources'][number] {
  return { ...encodePushedObject(object), version };
}
const web = (version: string, workload = WEB): DiscoveryResponse['resources'][number] =>
  resource({ kind: 'workload', workload }, version);

/** What a stream was sent, in short: type, nonce, versions, and whether it refuses. */
function summary(stream: ScriptedStream): string[] {
  return stream.sent.map(({ typeUrl, responseNonce, initialResourceVersions, errorDetail, node }) => {
    const type = typeUrl === ADDRESS_TYPE_URL ? 'addresses' : 'policies';
    const held = [...initialResourceVersions].map(([name, version]) => `${name}@${version}`).join(',');
    const what = node === undefined ? (errorDetail === undefined ? 'ack' : 'nack') : 'open';
    return [type, what, responseNonce, held].filter((part) => part !== '').join(' ');
  });
}

describe('PushClient', () => {
  test('asks for policies, and for addresses only once the policies are in force', async () => {
    const run = startClient();
    await run.settle();
    const stream = run.transport.stream(0);
    assert.deepEqual(summary(stream), ['policies open']);
    assert.deepEqual(stream.sent[0]?.node, NODE);
    stream.push(policies({ resources: [resource({ kind: 'policy', policy: POLICY }, '1')] }));
    await run.settle();
    assert.deepEqual([...run.view.policies()], [POLICY]);
    assert.deepEqual(summary(stream), ['policies open', 'policies ack p1', 'addresses open']);
    assert.equal(run.readyCount(), 0);
    stream.push(addresses({ resources: [web('1')] }));
    await run.settle();
    assert.deepEqual(run.view.workload(UID), WEB);
    assert.deepEqual(summary(stream).slice(3), ['addresses ack a1']);
    assert.equal(run.readyCount(), 1);
    await run.stop();
    assert.equal(stream.closed, true);
  });

  test('asks for ranges first when it is to follow them, and does not wait for them', async () => {
    const run = startClient(undefined, 0, true);
    await run.settle();
    const stream = run.transport.stream(0);
    assert.deepEqual(
      stream.sent.map(({ typeUrl }) => typeUrl),
      [RANGES_TYPE_URL, AUTHORIZATION_TYPE_URL],
    );
    stream.push(policies());
    await run.settle();
    stream.push(addresses());
    await run.settle();
    assert.equal(run.readyCount(), 1);
    const ip = parseIpAddress('10.244.1.9');
    assert.equal(run.view.isInRanges('', ip), false);
    const ranges = { name: 'Node/n1', network: '', blocks: [parseCidr('10.244.1.0/24')] };
    const pushed = { ...policies(), typeUrl: RANGES_TYPE_URL };
    stream.push({ ...pushed, nonce: 'r1', resources: [resource({ kind: 'ranges', ranges }, '1')] });
    await run.settle();
    assert.equal(run.view.isInRanges('', ip), true);
    assert.deepEqual([stream.sent.at(-1)?.typeUrl, stream.sent.at(-1)?.responseNonce], [RANGES_TYPE_URL, 'r1']);
    assert.equal(run.client.status().types.find(({ typeUrl }) => typeUrl === RANGES_TYPE_URL)?.resources, 1);
    stream.push({ ...pushed, nonce: 'r2', removedResources: ['Node/n1'] });
    await run.settle();
    assert.equal(run.view.isInRanges('', ip), false);
    await run.stop();
  });

  test('asks for other types after addresses, refuses of them what is broken and keeps versions of the rest', async () => {
    const typeUrl = 'type.example/Name';
    const heard: unknown[] = [];
    const others: OtherType<string> = {
      typeUrl,
      parse: ({ name }) => (name === 'bad' ? invalidField('name', 'bad') : name.toUpperCase()),
      apply: async ({ put, removed }) => void heard.push([...put], removed),
    };
    const run = startClient(undefined, 0, false, { withPolicies: false, others: [others] });
    await run.settle();
    const stream = run.transport.stream(0);
    const asked = (from: ScriptedStream): readonly string[] => from.sent.map((request) => request.typeUrl);
    assert.deepEqual(asked(stream), [ADDRESS_TYPE_URL]);
    stream.push(addresses());
    await run.settle();
    assert.deepEqual(asked(stream), [ADDRESS_TYPE_URL, ADDRESS_TYPE_URL, typeUrl]);
    assert.equal(run.readyCount(), 0);
    const one = (name: string) => ({ name, version: '1', aliases: [], typeUrl, value: new Uint8Array(0) });
    stream.push({ ...addresses(), typeUrl, nonce: 'o1', resources: [one('a'), one('bad')] });
    await run.settle();
    assert.deepEqual(heard.splice(0), [[['a', 'A']], []]);
    assert.deepEqual(
      [run.readyCount(), stream.sent.at(-1)?.errorDetail?.message],
      [1, 'bad: invalid-field: name: bad'],
    );
    stream.end();
    await run.clock.advance(20);
    const next = run.transport.stream(1);
    assert.deepEqual(asked(next), [ADDRESS_TYPE_URL, typeUrl]);
    assert.deepEqual([...(next.sent[1]?.initialResourceVersions ?? [])], [['a', '1']]);
    next.push({ ...addresses(), typeUrl, nonce: 'o2', removedResources: ['a'] });
    await run.settle();
    assert.deepEqual(heard, [[], ['a']]);
    await run.stop();
  });

  test('puts in force what stands in for another type, as long as none of its versions was readable', async () => {
    const typeUrl = 'type.example/Lock';
    const heard: unknown[] = [];
    const locks: OtherType<string> = {
      typeUrl,
      parse: ({ value }) => (value.length === 0 ? invalidField('lock', 'empty') : 'open'),
      standIn: (name) => (name === 'none' ? undefined : 'shut'),
      apply: async ({ put, removed }) => void heard.push([...put], removed),
    };
    const run = startClient(undefined, 0, false, { withPolicies: false, others: [locks] });
    await run.settle();
    const stream = run.transport.stream(0);
    stream.push(addresses());
    await run.settle();
    const one = (name: string, ...bytes: number[]) => {
      return { name, version: '1', aliases: [], typeUrl, value: Uint8Array.from(bytes) };
    };
    const push = async (parts: Partial<DiscoveryResponse>): Promise<unknown[]> => {
      stream.push({ ...addresses(), typeUrl, ...parts });
      await run.settle();
      return heard.splice(0);
    };
    const standIns = (): unknown => run.client.status().types.find((type) => type.typeUrl === typeUrl)?.standIns;
    assert.deepEqual(await push({ resources: [one('a'), one('none'), one('b', 1)] }), [
      [
        ['a', 'shut'],
        ['b', 'open'],
      ],
      [],
    ]);
    assert.deepEqual([standIns(), stream.sent.at(-1)?.errorDetail?.code], [1, 3]);
    const logged = run.logger.lines.find(([level]) => level === 'error');
    assert.equal(logged?.[1], 'a pushed resource cannot be read; what it is about is closed');
    assert.deepEqual([logged?.[2]['push.resource'], logged?.[2]['push.denies']], ['a', 'subject']);
    assert.deepEqual(await push({ resources: [one('b')] }), []);
    assert.deepEqual(await push({ resources: [one('a', 1)] }), [[['a', 'open']], []]);
    assert.equal(standIns(), 0);
    await push({ resources: [one('c')] });
    assert.deepEqual(await push({ removedResources: ['c'] }), [[], ['c']]);
    assert.equal(standIns(), 0);
    await run.stop();
  });

  test('is ready when the controller has nothing to push, once, and only when both types are there', async () => {
    const run = startClient();
    await run.settle();
    assert.equal(run.client.status().ready, false);
    run.transport.stream(0).push(policies());
    await run.settle();
    assert.equal(run.client.status().ready, false);
    run.transport.stream(0).push(addresses());
    run.transport.stream(0).push(addresses({ nonce: 'a2' }));
    await run.settle();
    assert.deepEqual([run.readyCount(), run.client.status().ready, run.updates.length], [1, true, 0]);
    await run.stop();
  });

  test('acknowledges an update only after it is applied, and reads no further until then', async () => {
    const gates: (() => void)[] = [];
    const run = startClient(() => new Promise((resolve) => gates.push(resolve)));
    await run.settle();
    const stream = run.transport.stream(0);
    stream.push(policies({ resources: [resource({ kind: 'policy', policy: POLICY }, '1')] }));
    stream.push(policies({ nonce: 'p2', removedResources: [POLICY.key] }));
    await run.settle();
    assert.deepEqual([summary(stream), gates.length], [['policies open'], 1]);
    gates[0]?.();
    await run.settle();
    assert.deepEqual([summary(stream).slice(1), gates.length], [['policies ack p1', 'addresses open'], 2]);
    gates[1]?.();
    await run.settle();
    assert.deepEqual(summary(stream).slice(3), ['policies ack p2']);
    await run.stop();
  });

  test('refuses a bad resource by name while the good ones of the response apply', async () => {
    const run = startClient();
    await run.settle();
    const stream = run.transport.stream(0);
    stream.push(policies());
    await run.settle();
    const bad = { ...web('1', buildWorkload({ name: 'bad' })), value: Uint8Array.of(0xff) };
    stream.push(addresses({ resources: [bad, web('1')] }));
    await run.settle();
    assert.deepEqual(run.view.workload(UID), WEB);
    assert.deepEqual(summary(stream).at(-1), 'addresses nack a1');
    const reason = 'malformed: Address: not the bytes of this message';
    assert.equal(stream.sent.at(-1)?.errorDetail?.message, `cluster-1//Pod/shop/bad: ${reason}`);
    assert.deepEqual(run.logger.lines.at(-1), [
      'warn',
      'refused a pushed resource; its last good version stays in force',
      {
        'push.type': ADDRESS_TYPE_URL,
        'push.resource': 'cluster-1//Pod/shop/bad',
        'push.version': '1',
        'push.reason': reason,
      },
    ]);
    assert.deepEqual(run.client.status(), {
      connected: true,
      ready: true,
      types: [
        { typeUrl: AUTHORIZATION_TYPE_URL, resources: 0, standIns: 0, refused: [] },
        {
          typeUrl: ADDRESS_TYPE_URL,
          resources: 1,
          standIns: 0,
          refused: [{ name: 'cluster-1//Pod/shop/bad', version: '1', reason }],
        },
      ],
    });
    await run.stop();
  });

  test('denies in place of a policy that was never readable, and says so as an error', async () => {
    const run = startClient();
    await run.settle();
    const bad = { ...resource({ kind: 'policy', policy: POLICY }, '3'), value: Uint8Array.of(0xff) };
    run.transport.stream(0).push(policies({ resources: [bad] }));
    await run.settle();
    assert.deepEqual(
      [...run.view.policies()].map(({ key, action, scope }) => [key, action, scope]),
      [[POLICY.key, 'deny', 'namespace']],
    );
    assert.deepEqual(run.logger.lines.at(-1), [
      'error',
      'a policy cannot be read; everything is denied where it would hold',
      {
        'push.type': AUTHORIZATION_TYPE_URL,
        'push.resource': POLICY.key,
        'push.version': '3',
        'push.reason': 'malformed: Authorization: not the bytes of this message',
        'push.denies': 'namespace',
      },
    ]);
    assert.equal(run.client.status().types[0]?.standIns, 1);
    await run.stop();
  });

  test('logs no more than ten refusals of one response, and their number', async () => {
    const run = startClient();
    await run.settle();
    const resources = Array.from({ length: 25 }, (_, i) => ({ ...web('1'), name: `w${i}`, typeUrl: '' }));
    run.transport.stream(0).push(policies({ resources }));
    await run.settle();
    assert.equal(run.logger.lines.length, 11);
    run.transport.stream(0).push(policies({ resources: resources.slice(0, 10) }));
    await run.settle();
    assert.equal(run.logger.lines.length, 21);
    run.logger.lines.length = 11;
    assert.deepEqual(run.logger.lines.at(-1), [
      'warn',
      'refused more pushed resources',
      { 'push.type': AUTHORIZATION_TYPE_URL, 'push.refused': 25 },
    ]);
    await run.stop();
  });

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
    assert.deepEqual(summary(stream), [`policies open ${POLICY.key}@5`, `addresses open ${UID}@7,${gone.uid}@8`]);
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
    await run.clock.advance(10);
    assert.deepEqual(summary(run.transport.stream(1)), ['policies open']);
    run.transport.stream(1).push(policies({ resources: [resource({ kind: 'policy', policy: POLICY }, '1')] }));
    await run.settle();
    assert.deepEqual([...run.view.policies()], [POLICY]);
    await run.stop();
  });

  test('passes over a type it never asked for', async () => {
    const run = startClient();
    await run.settle();
    run.transport.stream(0).push(policies({ typeUrl: 'type.googleapis.com/other' }));
    run.transport.stream(0).push(policies());
    await run.settle();
    assert.deepEqual(summary(run.transport.stream(0)), ['policies open', 'policies ack p1', 'addresses open']);
    assert.deepEqual(run.logger.lines, [
      ['warn', 'controller pushed a type that was not asked for', { 'push.type': 'type.googleapis.com/other' }],
    ]);
    await run.stop();
  });

  test('tells its observer what happened', async () => {
    const run = startClient();
    await run.settle();
    run.transport.stream(0).push(policies());
    await run.settle();
    const pushed = web('1');
    run.transport.stream(0).push(addresses({ resources: [pushed], removedResources: ['x', 'y'] }));
    await run.settle();
    run.transport.stream(0).end();
    await run.clock.advance(10);
    assert.deepEqual(run.logger.lines, [['info', 'controller ended the push stream', {}]]);
    run.transport.stream(1).end(new Error('reset'));
    await run.settle();
    const nothing = { resources: 0, removed: 0, refused: 0, resourceBytes: 0 };
    assert.deepEqual(run.events, [
      { kind: 'connected' },
      { kind: 'response', typeUrl: AUTHORIZATION_TYPE_URL, ...nothing },
      {
        kind: 'response',
        typeUrl: ADDRESS_TYPE_URL,
        resources: 1,
        removed: 2,
        refused: 0,
        resourceBytes: pushed.value.length,
      },
      { kind: 'disconnected', clean: true },
      { kind: 'connected' },
      { kind: 'disconnected', clean: false },
    ]);
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
