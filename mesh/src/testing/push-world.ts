import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { AccessPolicy } from '../model/access-policy.ts';
import { createMeshViewStore } from '../model/mesh-view-store.ts';
import type { MeshView, MeshViewUpdate } from '../model/mesh-view.ts';
import type { Workload, WorkloadUid } from '../model/workload.ts';
import { PushClient, type PushClientOptions, type PushEvent } from '../push/push-client.ts';
import type { PushStream, PushTransport } from '../push/transport.ts';
import type { LineOptions, LogFields, Logger } from '../runtime/logger.ts';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryNode,
  type DiscoveryRequest,
  type DiscoveryResponse,
} from '../wire/discovery-messages.ts';
import { encodePushedObject } from '../wire/model-to-push.ts';
import type { PushedObject } from '../wire/push-resource.ts';
import { ManualClock } from './manual-clock.ts';
import { buildPolicy } from './policy-builder.ts';
import { buildWorkload } from './workload-builder.ts';

export const NODE: DiscoveryNode = { id: 'node', cluster: '', metadata: {} };
export const WEB: Workload = buildWorkload();
export const UID: WorkloadUid = WEB.uid;
export const POLICY: AccessPolicy = buildPolicy({ name: 'p' });

/** The server's end of one stream, by hand. Does not model flow control or latency. */
export class ScriptedStream implements PushStream {
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

export class RecordingLogger implements Logger {
  readonly lines: [level: string, message: string, fields: LogFields][] = [];
  /** Of those that may be left out when they are many. */
  readonly limits: string[] = [];
  debug(message: string, fields: LogFields = {}): void {
    this.lines.push(['debug', message, fields]);
  }
  info(message: string, fields: LogFields = {}): void {
    this.lines.push(['info', message, fields]);
  }
  warn(message: string, fields: LogFields = {}, { limitBy }: LineOptions = {}): void {
    this.lines.push(['warn', message, fields]);
    if (limitBy !== undefined) this.limits.push(limitBy);
  }
  error(message: string, fields: LogFields = {}): void {
    this.lines.push(['error', message, fields]);
  }
  child(): Logger {
    return this;
  }
}

/** A running client over a scripted server, with a view that its updates go to. */
export interface RunningPushClient {
  readonly clock: ManualClock;
  readonly transport: ScriptedTransport;
  readonly logger: RecordingLogger;
  readonly view: MeshView;
  readonly updates: readonly MeshViewUpdate[];
  readonly events: readonly PushEvent[];
  readonly client: PushClient;
  readyCount(): number;
  settle(): Promise<void>;
  listenerCount(): number;
  stop(): Promise<void>;
}

export function startClient(
  apply?: (update: MeshViewUpdate) => Promise<void>,
  refuse = 0,
  withRanges = false,
  more: Pick<PushClientOptions, 'withPolicies' | 'others' | 'demand'> = {},
): RunningPushClient {
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

export function policies(parts: Partial<DiscoveryResponse> = {}): DiscoveryResponse {
  return {
    typeUrl: AUTHORIZATION_TYPE_URL,
    nonce: 'p1',
    systemVersion: '',
    resources: [],
    removedResources: [],
    ...parts,
  };
}
export function addresses(parts: Partial<DiscoveryResponse> = {}): DiscoveryResponse {
  return { typeUrl: ADDRESS_TYPE_URL, nonce: 'a1', systemVersion: '', resources: [], removedResources: [], ...parts };
}
export function resource(object: PushedObject, version: string): DiscoveryResponse['resources'][number] {
  return { ...encodePushedObject(object), version };
}
export function web(version: string, workload: Workload = WEB): DiscoveryResponse['resources'][number] {
  return resource({ kind: 'workload', workload }, version);
}

/** What a stream was sent, in short: type, nonce, versions, and whether it refuses. */
export function summary(stream: ScriptedStream): string[] {
  return stream.sent.map(({ typeUrl, responseNonce, initialResourceVersions, errorDetail, node }) => {
    const type = typeUrl === ADDRESS_TYPE_URL ? 'addresses' : 'policies';
    const held = [...initialResourceVersions].map(([name, version]) => `${name}@${version}`).sort();
    const what = node === undefined ? (errorDetail === undefined ? 'ack' : 'nack') : 'open';
    return [type, what, responseNonce, held.join(',')].filter((part) => part !== '').join(' ');
  });
}
