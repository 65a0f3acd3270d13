import type { Server, ServerDuplexStream } from '@grpc/grpc-js';
import { hostOfPeer } from '../model/address.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { CallSlots } from './call-slots.ts';
import type { ConnectionGate } from './connection-gate.ts';
import { GrpcError, toStatus } from './errors.ts';
import {
  ACCEPTED_UNREAD_CALLS_MAX,
  ACCEPTED_UNREAD_CALLS_PER_CALLER_MAX,
  UNARY_READ_TIMEOUT_MS,
  UNREAD_CALLS_MAX,
  UNREAD_CALLS_PER_SOURCE_MAX,
} from './limits.ts';
import { type GrpcPeer, peerOf } from './server-peer.ts';

type DuplexCall = ServerDuplexStream<Buffer, Buffer>;

/** One call that is being served. Nothing that its client sends is taken from the network before it is asked for. */
export interface ServedCall {
  readonly peer: GrpcPeer;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /**
   * It is known who calls; `caller` tells callers apart. Until then the connection does not live long, and both it and the
   * call are some of few. Each caller has a few connections, and a few calls that are not read yet.
   * @throws GrpcError `resource-exhausted` when it has too many of the latter.
   */
  accept(caller: string): void;
  /** The one request of a call that has one. @throws GrpcError when there is none, or not in time. */
  readOne(): Promise<Buffer>;
  /** Requests in order, of a call that is accepted. Ends when the client has half-closed or is gone. */
  readAll(): AsyncGenerator<Buffer, void, void>;
  /** Resolves when the message was handed to the network. Rejects when the client is gone. */
  send(message: Uint8Array): Promise<void>;
}

/** The calls of one server, from their headers to their status. */
export class ServerCalls {
  readonly #gate: ConnectionGate;
  readonly #logger: Logger;
  readonly #unread = new CallSlots(UNREAD_CALLS_MAX, UNREAD_CALLS_PER_SOURCE_MAX);
  readonly #accepted = new CallSlots(ACCEPTED_UNREAD_CALLS_MAX, ACCEPTED_UNREAD_CALLS_PER_CALLER_MAX);

  constructor(gate: ConnectionGate, logger: Logger) {
    this.#gate = gate;
    this.#logger = logger;
  }

  /**
   * Adds a method; its calls end in order when `serve` resolves. Every one is a stream for the library, which would else
   * read a request before anybody is asked who calls; on the wire one message each way looks like any number.
   */
  register(server: Server, path: string, serve: (call: ServedCall) => Promise<void>): void {
    server.register(
      path,
      (call: DuplexCall): void => void this.#serve(call, path, serve),
      sameBytes,
      sameBytes,
      'bidi',
    );
  }

  /** Never rejects. */
  async #serve(call: DuplexCall, path: string, serve: (call: ServedCall) => Promise<void>): Promise<void> {
    const gone = new AbortController();
    // The library reports broken streams both ways; the handler learns it from the signal.
    call.on('error', () => {});
    call.once('cancelled', () => gone.abort(new GrpcError('cancelled')));
    const peer = peerOf(call);
    const slot = this.#unread.take(hostOfPeer(peer.address));
    using held = new DisposableStack();
    held.use(slot);
    try {
      if (slot === null) throw new GrpcError('resource-exhausted', { data: { reason: 'too-many-unknown-calls' } });
      gone.signal.addEventListener('abort', () => held.dispose());
      await serve(this.#open(call, peer, gone.signal, slot, held));
      call.end();
    } catch (error) {
      logFailure(this.#logger, path, error, gone.signal);
      if (!gone.signal.aborted) call.emit('error', toStatus(error));
    }
  }

  /** `held` has the call's place among those that are not read, for now that of an unknown caller: `slot`. */
  #open(call: DuplexCall, peer: GrpcPeer, signal: AbortSignal, slot: Disposable, held: DisposableStack): ServedCall {
    return {
      peer,
      signal,
      accept: (caller) => {
        this.#gate.accepted(peer.address, caller);
        if (held.disposed) return;
        const place = this.#accepted.take(caller);
        if (place === null) throw new GrpcError('resource-exhausted', { data: { reason: 'too-many-unread-calls' } });
        slot[Symbol.dispose]();
        held.use(place);
      },
      readOne: async () => {
        const message = await readInTime(call);
        held.dispose();
        return message;
      },
      readAll: () => {
        held.dispose();
        return readAll(call, signal);
      },
      send: (message) => sendMessage(call, message, signal),
    };
  }
}

async function readInTime(call: DuplexCall): Promise<Buffer> {
  const late = Promise.withResolvers<never>();
  using _timer = systemClock.setTimer(UNARY_READ_TIMEOUT_MS, () => late.reject(new GrpcError('deadline-exceeded')));
  return await Promise.race([readOne(call), late.promise]);
}

async function readOne(call: DuplexCall): Promise<Buffer> {
  for await (const message of messagesOf(call)) return message;
  throw new GrpcError('invalid-argument', { data: { reason: 'no message' } });
}

async function* readAll(call: DuplexCall, signal: AbortSignal): AsyncGenerator<Buffer, void, void> {
  try {
    yield* messagesOf(call);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function* messagesOf(call: DuplexCall): AsyncGenerator<Buffer, void, void> {
  for await (const message of call.iterator({ destroyOnReturn: false })) {
    if (!(message instanceof Buffer)) throw new GrpcError('internal');
    yield message;
  }
}

function sendMessage(call: DuplexCall, message: Uint8Array, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal.aborted) {
    reject(signal.reason);
    return promise;
  }
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  call.write(Buffer.from(message.buffer, message.byteOffset, message.byteLength), (error?: Error | null) => {
    if (error) reject(new GrpcError('unavailable', { cause: error }));
    else resolve();
  });
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}

/** Refusals are logged by whoever decided them, with the reason; here only what nobody expected. */
function logFailure(logger: Logger, path: string, error: unknown, signal: AbortSignal): void {
  if (error instanceof GrpcError || signal.aborted) return;
  logger.error('grpc handler failed', { 'grpc.method': path, error }, { limitBy: `${path} ${String(error)}` });
}

function sameBytes(message: Buffer): Buffer {
  return message;
}
