import { type Channel, connectivityState, type Metadata, status, type StatusObject } from '@grpc/grpc-js';
import { fromStatus, GrpcError } from './errors.ts';
import { CONNECT_TIMEOUT_MS } from './limits.ts';

type Call = ReturnType<Channel['createCall']>;

/**
 * One call as encoded messages in both directions. A message is taken from the network when `receive` asks for it, so a
 * slow reader slows the sender down instead of filling memory.
 */
export class MessageCall {
  readonly #call: Call;
  #ended: StatusObject | undefined;
  #isCancelled = false;
  #receiver: PromiseWithResolvers<Buffer | undefined> | undefined;
  readonly #senders = new Set<(error: GrpcError) => void>();
  readonly #atEnd: (() => void)[] = [];

  /** Starts the call; the channel connects for it. `deadlineMs` is wall-clock time or Infinity. */
  constructor(channel: Channel, path: string, metadata: Metadata, deadlineMs: number) {
    this.#call = channel.createCall(path, deadlineMs, null, null, null);
    this.#call.start(metadata, {
      onReceiveMetadata: () => {},
      onReceiveMessage: (message: unknown) => this.#onMessage(message),
      onReceiveStatus: (received: StatusObject) => this.#onStatus(received),
    });
  }

  /** Resolves when the message was handed to the network. @throws GrpcError when the call has ended. */
  send(message: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#ended !== undefined || this.#isCancelled) {
      reject(this.#endError());
      return promise;
    }
    this.#senders.add(reject);
    const callback = (error?: Error | null): void => {
      this.#senders.delete(reject);
      if (error) reject(new GrpcError('unavailable', { cause: error }));
      else resolve();
    };
    this.#call.sendMessageWithContext(
      { callback },
      Buffer.from(message.buffer, message.byteOffset, message.byteLength),
    );
    return promise;
  }

  /** No more messages will be sent. */
  halfClose(): void {
    this.#call.halfClose();
  }

  /** The next message, or undefined when the call ended in order. One at a time. @throws GrpcError on any other end. */
  receive(): Promise<Buffer | undefined> {
    this.#receiver = Promise.withResolvers<Buffer | undefined>();
    const { promise } = this.#receiver;
    if (this.#ended !== undefined || this.#isCancelled) this.#settleReceiver();
    else this.#call.startRead();
    return promise;
  }

  /** Ends the call at once; a pending `receive` then resolves with undefined. Idempotent. */
  cancel(): void {
    if (this.#ended !== undefined || this.#isCancelled) return;
    this.#isCancelled = true;
    this.#call.cancelWithStatus(status.CANCELLED, 'cancelled by the caller');
    this.#settleReceiver();
    this.#failSenders();
  }

  /** Called once when the call has ended for whatever reason; at once when it has already. */
  onEnd(listener: () => void): void {
    if (this.#ended === undefined) this.#atEnd.push(listener);
    else listener();
  }

  /** The error that ended the call; undefined while it runs and after an end in order. */
  get failure(): GrpcError | undefined {
    return this.#ended === undefined || this.#ended.code === status.OK ? undefined : fromStatus(this.#ended);
  }

  #onMessage(message: unknown): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (message instanceof Buffer) receiver?.resolve(message);
    else receiver?.reject(new GrpcError('internal'));
  }

  #onStatus(received: StatusObject): void {
    this.#ended = received;
    this.#settleReceiver();
    this.#failSenders();
    for (const listener of this.#atEnd.splice(0)) listener();
  }

  #settleReceiver(): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    const { failure } = this;
    if (failure === undefined || this.#isCancelled) receiver?.resolve(undefined);
    else receiver?.reject(failure);
  }

  #failSenders(): void {
    for (const reject of this.#senders) reject(this.#endError());
    this.#senders.clear();
  }

  #endError(): GrpcError {
    return this.failure ?? new GrpcError('cancelled');
  }
}

/** Resolves when the channel is connected. @throws GrpcError why the call failed instead, or the signal's reason. */
export function untilConnected(channel: Channel, call: MessageCall, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const deadlineMs = Date.now() + CONNECT_TIMEOUT_MS;
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  call.onEnd(() => reject(call.failure ?? new GrpcError('unavailable')));
  const watch = (): void => {
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) return resolve();
    if (state === connectivityState.SHUTDOWN) return reject(new GrpcError('unavailable'));
    channel.watchConnectivityState(state, deadlineMs, (late?: Error) => {
      if (late === undefined) watch();
      else reject(new GrpcError('deadline-exceeded', { data: { phase: 'connect' } }));
    });
  };
  if (signal.aborted) onAbort();
  else watch();
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}
