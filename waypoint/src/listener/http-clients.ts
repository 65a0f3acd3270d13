import type { Carrier, CarrierReader } from '@ambit/mesh/hbone';
import type { ClientSession } from '../http/client-session.ts';
import { Http2ServerConnection } from '../http/http2-server-connection.ts';
import type { Caller, RequestPipeline } from '../http/pipeline.ts';
import { ServerConnection, type ServerConnectionOptions } from '../http/server-connection.ts';
import type { WorkerContext } from '../http/worker-context.ts';
import { detectProtocol } from './detect-protocol.ts';
import type { InboundStreams } from './inbound-stream.ts';

/** The connections of clients that speak HTTP, of either version. */
export class HttpClients {
  readonly #context: WorkerContext;
  readonly #inbound: InboundStreams;
  readonly #sessions = new Set<ClientSession>();
  #drainIdleMs: number | undefined;

  constructor(context: WorkerContext, inbound: InboundStreams) {
    this.#context = context;
    this.#inbound = inbound;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get sessions(): Iterable<ClientSession> {
    return this.#sessions;
  }

  /** Serves a client whose port is declared to be HTTP: whatever else it speaks is refused. Nobody has read from the carrier. */
  serve(caller: Caller, carrier: Carrier, pipeline: RequestPipeline): void {
    this.#read(caller, carrier, pipeline, undefined);
  }

  /** Serves a client that may speak anything; `tcp` gets what is no HTTP. */
  detect(caller: Caller, carrier: Carrier, pipeline: RequestPipeline, tcp: () => CarrierReader): void {
    this.#read(caller, carrier, pipeline, tcp);
  }

  /** All connections end after what is under way, those that come too; `idleMs` as of `ClientSession`. */
  drain(idleMs: number): void {
    this.#drainIdleMs = idleMs;
    for (const session of [...this.#sessions]) session.drain(idleMs);
  }

  /** As of `ClientSession`. */
  recheck(): void {
    for (const session of [...this.#sessions]) session.recheck();
  }

  /** Ends everything at once. */
  destroy(): void {
    for (const session of [...this.#sessions]) session.destroy();
  }

  #add(session: ClientSession): void {
    this.#sessions.add(session);
    if (this.#drainIdleMs !== undefined) session.drain(this.#drainIdleMs);
  }

  /** What is not understood is refused by HTTP/1.1 where nobody else takes it. */
  #read(caller: Caller, carrier: Carrier, pipeline: RequestPipeline, tcp: (() => CarrierReader) | undefined): void {
    const context = this.#context;
    const options = (session: () => ClientSession): ServerConnectionOptions => ({
      carrier,
      context,
      pipeline,
      caller,
      onClose: () => this.#sessions.delete(session()),
    });
    const http1 = (): CarrierReader => {
      const connection: ServerConnection = new ServerConnection(options(() => connection));
      this.#add(connection);
      return connection;
    };
    const http2 = (): CarrierReader => {
      const connection: Http2ServerConnection = new Http2ServerConnection(options(() => connection));
      this.#add(connection);
      return connection.reader;
    };
    const servers = { http1, http2, tcp: tcp ?? http1 };
    const tell = (memory: Buffer, start: number, end: number): CarrierReader | null => {
      const found = detectProtocol(memory, start, end);
      return found === 'more' ? null : servers[found]();
    };
    this.#inbound.read(carrier, { tell, giveUp: servers.tcp });
  }
}
