/** What a backend is started with. A port left out is not opened; 0 is any free one. */
export interface BackendOptions {
  /** Said in every answer. */
  readonly name: string;
  /** HTTP/1.1 and WebSockets. */
  readonly httpPort?: number;
  /** HTTP/2 with prior knowledge. */
  readonly http2Port?: number;
  readonly grpcPort?: number;
  /** Lines that come back. */
  readonly tcpPort?: number;
  /** `GET /` answers 200 while it wants traffic, 503 from SIGTERM on. */
  readonly readinessPort?: number;
  /** After SIGTERM it still accepts for so long, as a `preStop` sleep makes it, but asks clients to go. */
  readonly lameDuckMs: number;
  /** After that, streams may go on for so long; then they are ended. */
  readonly drainMs: number;
}

export type BackendPorts = Readonly<Partial<Record<'http' | 'http2' | 'grpc' | 'tcp' | 'readiness', number>>>;

/** What a backend tells: one JSON object per line on standard output. */
export type BackendEvent =
  | { readonly event: 'listening'; readonly ports: BackendPorts }
  | { readonly event: 'draining' }
  /** The last thing it says. `cut` streams and requests did not end in time. */
  | { readonly event: 'drained'; readonly cut: number };
