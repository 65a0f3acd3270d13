import type { Carrier, CarrierResult, PayloadTap } from './carrier.ts';
import type { EarlyPayload } from './early-payload.ts';
import type { HboneError } from './errors.ts';
import type { PlainSocket } from './plain-socket.ts';
import type { ReadBudget } from './read-budget.ts';

/** Regular header fields in order of arrival, names in lower case; bounded by the limits of the connection. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** What it takes to join a tunnel to a socket. */
export interface TunnelEnd {
  /** Within this thread, without a stream of its own on the connection: see `openLocalTunnel`. */
  readonly isLocal: boolean;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Pieces in which its payload passed so far, both ways: what it cost apart from the bytes. */
  readonly segments: number;
  /** Payload that waits in memory because one side is slower than the other. */
  readonly waitingBytes: number;
  /** As of `TunnelStream`. */
  splice(
    socket: PlainSocket,
    onDone: (result: CarrierResult) => void,
    tap?: PayloadTap | null,
    budget?: ReadBudget | null,
  ): void;
  /** As of `TunnelStream`. */
  cut(reason: string): void;
  /** As of `Carrier`. */
  reset(): void;
}

/**
 * One CONNECT stream. Owned by whoever obtained it: exactly one of `splice`, `read` or `reset` must be called; after
 * that it closes by itself when both directions have ended, on reset, or with its connection.
 */
export interface TunnelStream extends Carrier, TunnelEnd {
  /**
   * Joins a connected plaintext socket and owns it from now on: bytes, half-close and resets travel both ways with
   * back-pressure, without copying where possible. The socket must not have been read from (create it paused), except as
   * the tunnel's own `TunnelOpening.source`.
   * `onDone` is called exactly once, when both are closed. `tap` sees all payload but what was sent for the socket before
   * (`TunnelOpening.tap`). The socket is not read while `budget` holds it.
   */
  splice(
    socket: PlainSocket,
    onDone: (result: CarrierResult) => void,
    tap?: PayloadTap | null,
    budget?: ReadBudget | null,
  ): void;
  /** Ends a live tunnel from our side: RST_STREAM to the peer, reset to a spliced socket; result error is `cut` with `reason`. */
  cut(reason: string): void;
}

/** A CONNECT request that waits for its answer. `End` is what the tunnel can do. */
export interface TunnelRequest<Peer, End extends TunnelEnd = TunnelStream> {
  readonly connection: HboneConnection<Peer>;
  /** `:authority`, not empty, otherwise unchecked. */
  readonly authority: string;
  readonly headers: HeaderList;
  /** As of `TunnelEnd`. */
  readonly isLocal: boolean;
  /** First value of a header by its lower-case name. */
  header(name: string): string | undefined;
  /** True once the peer gave up; `accept` then returns a stream that is closed already. */
  readonly aborted: boolean;
  /** True once `accept` or `reject` was called. */
  readonly answered: boolean;
  /** Called at most once, when the peer resets the request or its connection dies before the answer. Replaces an earlier callback. */
  onAborted(callback: () => void): void;
  /** Answers 200 and opens the tunnel. Call once, or `reject`. */
  accept(headers?: HeaderList): End;
  /** Answers with `status` and no body. */
  reject(status: number, headers?: HeaderList): void;
}

/** One accepted or opened HTTP/2 connection; `Peer` is what the caller's verification made of the peer's certificate. */
export interface HboneConnection<Peer> {
  readonly peer: Peer;
  readonly state: 'open' | 'draining' | 'closed';
  readonly streamCount: number;
  /**
   * What only the two ends of this TLS session know (RFC 9266), one character per byte; undefined when the connection is gone. A
   * secret of the two: keep it out of logs and off the wire.
   */
  readonly channelBinding: string | undefined;
  /**
   * Keeps the connection as a stream would: while it is held, it does not end in order and is not idle. `onLost` is called, later and at
   * most once, when it ends all the same; not after the hold was disposed of.
   */
  hold(onLost: (error: HboneError) => void): Disposable;
  /** Takes no new streams, says so to the peer (GOAWAY), closes after the last stream. */
  drain(): void;
  /** Closes at once; all streams end with `reason`. */
  destroy(reason: HboneError): void;
}

export interface TunnelOpening {
  readonly authority: string;
  readonly headers: HeaderList;
  /**
   * The socket that the tunnel will be spliced to, for a pool: what the application says first is sent without waiting for
   * the answer (one read at most). It stays the caller's until it is spliced, also when there will be no tunnel.
   */
  readonly source?: PlainSocket;
  /** Sees what is read from `source` meanwhile, once, however often it is said. To be spliced with afterwards. */
  readonly tap?: PayloadTap | null;
}

/** An answered tunnel: 200 has arrived. */
export interface OpenedTunnel<Peer, End extends TunnelEnd = TunnelStream> {
  readonly stream: End;
  readonly peer: Peer;
  /** Headers of the answer. */
  readonly headers: HeaderList;
}

/** The client's end of a connection. */
export interface HboneSession<Peer> extends HboneConnection<Peer> {
  /** Streams that may be opened now: own limit and the peer's MAX_CONCURRENT_STREAMS considered. 0 when draining or closed. */
  readonly freeStreamCount: number;
  /** How many streams the peer takes at a time; undefined until its settings have arrived. */
  readonly peerStreamsMax: number | undefined;
  /** Streams or holds. */
  readonly isUsed: boolean;
  /** When the peer last answered `askPeer`, of the monotonic clock; -Infinity before. */
  readonly peerAnsweredMs: number;
  /** When the peer last answered anything: the handshake, a request or `askPeer`. Of the monotonic clock. */
  readonly heardMs: number;
  /** Asks the peer for a sign of life: false when none comes within `timeoutMs`, or the connection ends. A question under way is shared. */
  askPeer(timeoutMs: number): Promise<boolean>;
  /**
   * Opens a tunnel and waits for its answer. `early` sends what the socket to be spliced says meanwhile; the caller settles it.
   * @throws HboneError `refused-status`, `reset`, `goaway`, `closed`, `timeout`, `aborted`, `draining`, `keepalive`.
   */
  openTunnel(opening: TunnelOpening, signal?: AbortSignal, early?: EarlyPayload): Promise<OpenedTunnel<Peer>>;
}
