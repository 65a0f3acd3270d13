import type { Channel } from '@grpc/grpc-js';
import { callMetadata, type ControllerAccess, type ControllerCredentials, openChannel } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { CALL_TIMEOUT_MS } from './limits.ts';
import { MessageCall } from './message-call.ts';

interface OpenChannel {
  readonly channel: Channel;
  readonly secrets: ControllerCredentials;
  /** Under way. */
  callCount: number;
}

/**
 * Calls with one request and one answer over a connection that is kept until the credentials change or a call fails: a connection on
 * which nobody has proved who calls would be cut by the controller, and one that is lost would come back by itself, for no call.
 */
export class UnaryCaller implements Disposable {
  readonly #access: ControllerAccess;
  #open: OpenChannel | undefined;
  #isDisposed = false;

  constructor(access: ControllerAccess) {
    this.#access = access;
  }

  /** @throws GrpcError, or the signal's reason. */
  async call(path: string, request: Uint8Array, signal: AbortSignal): Promise<Buffer> {
    signal.throwIfAborted();
    const metadata = await callMetadata(this.#access);
    const secrets = await this.#access.credentials();
    signal.throwIfAborted();
    // Counted in the same turn: another call that fails in between would close it.
    const open = this.#channel(secrets);
    open.callCount += 1;
    let succeeded = false;
    const call = new MessageCall(open.channel, path, metadata, Date.now() + CALL_TIMEOUT_MS);
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
      succeeded = true;
      return answer;
    } finally {
      signal.removeEventListener('abort', onAbort);
      call.cancel();
      open.callCount -= 1;
      if (!succeeded && open.callCount === 0) this.#close(open);
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    if (this.#open !== undefined) this.#close(this.#open);
  }

  #channel(secrets: ControllerCredentials): OpenChannel {
    if (this.#isDisposed) throw new GrpcError('cancelled');
    if (this.#open !== undefined && this.#open.secrets !== secrets) this.#close(this.#open);
    this.#open ??= { secrets, channel: openChannel(this.#access, secrets), callCount: 0 };
    return this.#open;
  }

  #close(open: OpenChannel): void {
    open.channel.close();
    if (this.#open === open) this.#open = undefined;
  }
}
