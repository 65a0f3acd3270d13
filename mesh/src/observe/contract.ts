/** Why a connection is not read any further. What was exchanged before has been counted. */
export const STOP_REASONS = [
  'tls',
  'unknown-protocol',
  'upgraded',
  'unreadable',
  'too-many-requests',
  'failed',
] as const;

/**
 * `tls` the first byte begins a TLS hello; `unknown-protocol` what came first is neither HTTP/1 nor HTTP/2; `upgraded` the connection
 * carries something else since a 101 or a CONNECT; `unreadable` messages stopped making sense; `too-many-requests` more were under way
 * at a time than are followed; `failed` a bug of the reader.
 */
export type StopReason = (typeof STOP_REASONS)[number];

/** No status of gRPC was seen. */
export const NO_GRPC_STATUS = -1;
/** Of a request that got no answer. */
export const NO_STATUS = 0;

/** Hears of the requests of one connection. */
export interface ExchangeSink {
  /**
   * A request is over: its answer has ended, or nothing more comes. `status` as the answer said or `NO_STATUS`; `grpcStatus` of a call
   * of gRPC, or `NO_GRPC_STATUS`. `durationMs` is from the first byte of the request to the last of the answer.
   */
  onExchange(status: number, isGrpc: boolean, grpcStatus: number, durationMs: number): void;
  /** At most once: nothing is read any more. */
  onStopped(reason: StopReason): void;
}

/** Reads what two applications say to each other in one protocol. Memory is looked at during the calls and never kept. */
export interface Conversation {
  /** What the client said, in `[start, end)`. Returns why nothing more should be read, or null. */
  request(memory: Buffer, start: number, end: number): StopReason | null;
  /** As `request`, of the server. */
  response(memory: Buffer, start: number, end: number): StopReason | null;
  /** The connection is over. */
  end(): void;
}

/** Bounds of what is kept per connection. */
export const OBSERVE_LIMITS: Readonly<
  Record<'inFlightMax' | 'headMaxBytes' | 'knownHeadMaxBytes' | 'headerBlockMaxBytes' | 'tableMaxBytes', number>
> = {
  /** Requests under way at a time; HTTP/2 servers mostly take 100 or 250. */
  inFlightMax: 1024,
  /** A head, or trailers, longer than this is none: servers refuse far shorter ones. */
  headMaxBytes: 256 * 1024,
  /** A head up to here is kept to be known when it comes again, one in each direction of a connection. */
  knownHeadMaxBytes: 512,
  /** A header block of HTTP/2 that comes in pieces is held up to here. */
  headerBlockMaxBytes: 64 * 1024,
  /** The largest dynamic table of HPACK that is followed; browsers announce 64 KiB. */
  tableMaxBytes: 64 * 1024,
};
