import type { DiscoveryRequest, DiscoveryResponse } from '../wire/discovery-messages.ts';

/** One open delta discovery stream. The caller closes it; a stream that ended by itself needs no close. */
export interface PushStream {
  /**
   * Queues one request. Resolves when the transport took it and is ready for the next, so that a slow server bounds
   * what is buffered. Rejects when the stream has ended.
   */
  send(request: DiscoveryRequest): Promise<void>;
  /**
   * Responses in order, one consumer. The next is read from the network only when asked for. Ends normally when the
   * server ended the stream with status OK; throws (a MeshError) on any other end, also on bytes that are no response.
   */
  readonly responses: AsyncIterable<DiscoveryResponse>;
  /** Cancels at once, in both directions; pending sends reject, `responses` ends. Idempotent. */
  close(): void;
}

/** Opens streams to the controller; credentials and addresses are its own affair. mesh/grpc implements it. */
export interface PushTransport {
  /**
   * One attempt. Resolves once requests can be sent; a server that refuses may also show only in `responses`.
   * Aborting `signal` rejects a pending attempt; it does not close a stream that was already handed over.
   */
  open(signal: AbortSignal): Promise<PushStream>;
}
