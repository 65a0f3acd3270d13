import type { Channel } from '@grpc/grpc-js';
import { callMetadata, type ControllerAccess, type ControllerCredentials, openChannel } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { CALL_TIMEOUT_MS } from './limits.ts';
import { MessageCall } from './message-call.ts';

/** Calls with one request and one answer over a connection that is kept until the credentials change. */
export class UnaryCaller implements Disposable {
  readonly #access: ControllerAccess;
  #open: { readonly channel: Channel; readonly secrets: ControllerCredentials } | undefined;
  #isDisposed = false;

  constructor(access: ControllerAccess) {
    this.#access = access;
  }

  /** @throws GrpcError, or the signal's reason. */
  async call(path: string, request: Uint8Array, signal: AbortSignal): Promise<Buffer> {
    signal.throwIfAborted();
    const [channel, metadata] = await Promise.all([this.#channel(), callMetadata(this.#access)]);
    signal.throwIfAborted();
    const call = new MessageCall(channel, path, metadata, Date.now() + CALL_TIMEOUT_MS);
    const onAbort = (): void => call.cancel();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const answered = call.receive();
      // A call that fails before the request is out rejects both; the answer's error is the one that tells why.
      const sent = call.send(request).catch(() => {});
      call.halfClose();
      const answer = await answered;
      await sent;
      signal.throwIfAborted();
      if (answer === undefined) throw new GrpcError('malformed-response', { data: { reason: 'no message' } });
      // The answer counts only with status OK behind it.
      await call.receive();
      return answer;
    } finally {
      signal.removeEventListener('abort', onAbort);
      call.cancel();
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#open?.channel.close();
    this.#open = undefined;
  }

  async #channel(): Promise<Channel> {
    const secrets = await this.#access.credentials();
    if (this.#isDisposed) throw new GrpcError('cancelled');
    if (this.#open?.secrets !== secrets) {
      this.#open?.channel.close();
      this.#open = { secrets, channel: openChannel(this.#access, secrets) };
    }
    return this.#open.channel;
  }
}
