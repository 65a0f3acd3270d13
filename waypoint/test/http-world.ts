import {
  type Carrier,
  type CarrierReader,
  type CarrierResult,
  createHbonePool,
  createPlainCarrier,
} from '@ambit/mesh/hbone';
import { DEFAULT_LIMITS } from '@ambit/mesh/http1';
import type { AppProtocol } from '@ambit/mesh/model';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { dial, environment, type Listener, listen, listenHbone, targetOf, until } from '@ambit/mesh/testing';
import type { ClientSession } from '../src/http/client-session.ts';
import { Deadlines } from '../src/http/deadlines.ts';
import type { ExchangeFacts } from '../src/http/exchange-facts.ts';
import { straightTo } from '../src/http/decisions.ts';
import { DEFAULT_EXCHANGE_LIMITS, type ExchangeLimits } from '../src/http/limits.ts';
import { DEFAULT_MIRROR_LIMITS, type MirrorLimits } from '../src/http/mirror-budget.ts';
import type { Caller, Decision, Forward, RequestView } from '../src/http/pipeline.ts';
import { Http2ServerConnection } from '../src/http/http2-server-connection.ts';
import { ServerConnection, type ServerConnectionOptions } from '../src/http/server-connection.ts';
import { WorkerContext } from '../src/http/worker-context.ts';
import { Cluster, type Endpoint } from '../src/upstream/cluster.ts';
import { EndpointPool } from '../src/upstream/endpoint-pool.ts';
import { Http2Pool } from '../src/upstream/http2-pool.ts';
import { DEFAULT_UPSTREAM_LIMITS, type UpstreamLimits } from '../src/upstream/limits.ts';

/** What carries HTTP on both sides of the proxy. */
export type CarrierKind = 'plain' | 'tunnel';

/** One end of a carrier in the hands of a test: everything that came, as text. */
export class Party implements CarrierReader {
  readonly carrier: Carrier;
  bytes = 0;
  ended = false;
  drains = 0;
  result: CarrierResult | undefined;
  /** Hears of what comes instead of its being collected. */
  onPiece: ((party: Party, memory: Buffer, start: number, end: number) => void) | undefined;
  /** The peer's end is not answered with ours. */
  keepsOpen = false;
  #pieces: Buffer[] = [];

  constructor(carrier: Carrier) {
    this.carrier = carrier;
  }

  get text(): string {
    return Buffer.concat(this.#pieces).toString('latin1');
  }
  take(): string {
    const { text } = this;
    this.#pieces = [];
    return text;
  }
  get isOver(): boolean {
    return this.result !== undefined;
  }
  /** Ended by reset, not in order. */
  get wasCut(): boolean {
    return this.result?.error !== undefined;
  }
  send(text: string | Buffer): void {
    this.carrier.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }
  onBytes(memory: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    if (this.onPiece === undefined) this.#pieces.push(Buffer.from(memory.subarray(start, end)));
    else this.onPiece(this, memory, start, end);
  }
  onEnd(): void {
    this.ended = true;
    if (!this.keepsOpen) this.carrier.end();
  }
  onDrain(): void {
    this.drains += 1;
  }
  onClose(result: CarrierResult): void {
    this.result = result;
  }
}

export interface WorldOptions {
  readonly kind: CarrierKind;
  /** Default: everything goes to the only server. */
  readonly decide?: (request: RequestView, forward: Forward) => Decision;
  readonly limits?: Partial<ExchangeLimits>;
  readonly upstreamLimits?: Partial<UpstreamLimits>;
  /** Servers behind the cluster, by what they do with a connection. Default: one that only collects. */
  readonly servers?: readonly ((party: Party) => void)[];
  /** What clients speak; default HTTP/1.1. */
  readonly clientProtocol?: 'http2';
  /** What servers are told of the client's certificate. */
  readonly certificate?: string;
  /** What the port declares. */
  readonly protocol?: AppProtocol;
  /** Servers elsewhere on this host, behind those of `servers`; without these there are none of the former by default. */
  readonly serverPorts?: readonly number[];
  /** A further endpoint, first in the list, where nobody listens. */
  readonly deadEndpoint?: boolean;
  /** Gets a copy of every request: a server of ours, or one elsewhere on this host. */
  readonly mirror?: ((party: Party) => void) | number;
  readonly mirrorProtocol?: AppProtocol;
  readonly mirrorLimits?: MirrorLimits;
}

/** A proxy between clients and servers, all on real sockets of this process. */
export class HttpWorld implements AsyncDisposable {
  readonly exchanges: ExchangeRecord[] = [];
  /** Connections that servers have got, in order. */
  readonly served: Party[] = [];
  /** The same of the mirror. */
  readonly mirrored: Party[] = [];
  readonly connections: Set<ClientSession> = new Set();
  readonly context: WorkerContext;
  readonly pools: (EndpointPool | Http2Pool)[] = [];
  readonly #kind: CarrierKind;
  readonly #stack = new AsyncDisposableStack();
  #front: Listener | undefined;
  #openClient: () => Promise<Carrier> = () => Promise.reject(new Error('not open'));

  private constructor(options: WorldOptions) {
    this.#kind = options.kind;
    let ids = 0;
    this.context = new WorkerContext({
      clock: systemClock,
      logger: silentLogger,
      deadlines: this.#stack.use(new Deadlines(systemClock)),
      limits: { ...DEFAULT_EXCHANGE_LIMITS, ...options.limits },
      observer: { onExchange: (exchange) => void this.exchanges.push(recordOf(exchange)) },
      writeRequestId: (memory, at) => at + memory.write(`id-${(ids += 1)}`, at, 'latin1'),
      fieldCountMax: DEFAULT_LIMITS.fieldCountMax,
      mirrorLimits: options.mirrorLimits ?? DEFAULT_MIRROR_LIMITS,
    });
  }

  static async open(options: WorldOptions): Promise<HttpWorld> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new HttpWorld(options));
    const endpoints: Endpoint[] = [];
    if (options.deadEndpoint === true) {
      await using gone = await listen(() => {});
      endpoints.push(world.#endpoint(gone.port, options));
    }
    for (const serve of options.servers ?? (options.serverPorts === undefined ? [() => {}] : [])) {
      endpoints.push(world.#endpoint(await world.#serve(serve, world.served), options));
    }
    for (const port of options.serverPorts ?? []) endpoints.push(world.#endpoint(port, options));
    const service = { namespace: 'shop', name: 'db', hostname: 'db.shop' };
    const { mirror } = options;
    const mirrors: Cluster[] = [];
    if (mirror !== undefined) {
      const mirrorPort = typeof mirror === 'number' ? mirror : await world.#serve(mirror, world.mirrored);
      const mirrorEndpoint = world.#endpoint(mirrorPort, options);
      mirrors.push(
        new Cluster('shop/copy:80', service, [mirrorEndpoint], { random: () => 0, protocol: options.mirrorProtocol }),
      );
    }
    const forward: Forward = {
      // The first of two, always: what is tried after it is the other.
      ...straightTo(new Cluster('shop/db:80', service, endpoints, { random: () => 0, protocol: options.protocol })),
      route: 'shop/route',
      delivery: mirrors.length === 0 ? null : { retry: null, attemptTimeoutMs: null, mirrors, session: null },
    };
    const { certificate } = options;
    const caller: Caller = {
      identity: null,
      address: '10.0.0.1',
      ...(certificate === undefined ? {} : { certificate }),
    };
    const decide = options.decide ?? (() => forward);
    world.#front = world.#stack.use(
      await world.#listen((carrier) => {
        const optionsOf = (session: () => ClientSession): ServerConnectionOptions => ({
          carrier,
          context: world.context,
          pipeline: { decide: (request) => decide(request, forward) },
          caller,
          onClose: () => world.connections.delete(session()),
        });
        if (options.clientProtocol === 'http2') {
          const connection: Http2ServerConnection = new Http2ServerConnection(optionsOf(() => connection));
          world.connections.add(connection);
          carrier.read(connection.reader);
        } else {
          const connection: ServerConnection = new ServerConnection(optionsOf(() => connection));
          world.connections.add(connection);
          carrier.read(connection);
        }
      }),
    );
    const { port } = world.#front;
    if (options.kind === 'plain') world.#openClient = () => openPlain(port);
    else {
      const pool = world.#stack.use(createHbonePool<string>(environment));
      world.#openClient = async () =>
        (await pool.openTunnel(targetOf(port), { authority: 'db.shop:80', headers: [] })).stream;
    }
    half.move();
    return world;
  }

  /** Where clients connect to. */
  get port(): number {
    return this.#front?.port ?? 0;
  }

  /** A new client, connected. */
  async client(): Promise<Party> {
    const party = new Party(await this.#openClient());
    party.carrier.read(party);
    return party;
  }

  /** The connection number `index` of servers, once it is there. */
  server(index = 0): Promise<Party> {
    return until(`server connection ${index}`, () => this.served[index]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of [...this.connections]) connection.destroy();
    for (const pool of this.pools) {
      pool.close();
      if ('destroy' in pool) pool.destroy();
    }
    for (const party of [...this.served, ...this.mirrored]) if (!party.isOver) party.carrier.reset();
    await this.#stack[Symbol.asyncDispose]();
  }

  /** Opens a server whose connections are collected; gives its port. */
  async #serve(serve: (party: Party) => void, parties: Party[]): Promise<number> {
    const { port } = this.#stack.use(
      await this.#listen((carrier) => {
        const party = new Party(carrier);
        parties.push(party);
        serve(party);
        carrier.read(party);
      }),
    );
    return port;
  }

  #listen(onCarrier: (carrier: Carrier) => void): Promise<Listener> {
    return this.#kind === 'plain'
      ? listen((socket) => onCarrier(createPlainCarrier(socket)))
      : listenHbone((request) => onCarrier(request.accept()));
  }

  #endpoint(port: number, options: WorldOptions): Endpoint {
    const hbone = options.kind === 'tunnel' ? this.#stack.use(createHbonePool<string>(environment)) : undefined;
    const open = async (signal: AbortSignal): Promise<Carrier> =>
      hbone === undefined
        ? openPlain(port)
        : (await hbone.openTunnel(targetOf(port), { authority: 'a:1', headers: [] }, signal)).stream;
    const poolOptions = {
      connector: { open },
      limits: { ...DEFAULT_UPSTREAM_LIMITS, ...options.upstreamLimits },
      clock: systemClock,
      deadlines: this.context.deadlines,
      logger: silentLogger,
      name: `127.0.0.1:${port}`,
    };
    const pool = new EndpointPool(poolOptions);
    const http2 = new Http2Pool(poolOptions);
    this.pools.push(pool, http2);
    return {
      address: `127.0.0.1:${port}`,
      pool,
      http2,
      open,
      workload: undefined,
      capacity: 1,
      avoided: false,
      get isClosed(): boolean {
        return pool.isClosed;
      },
      get load(): number {
        return pool.load + http2.load;
      },
    };
  }
}

export interface ExchangeRecord {
  readonly request: string;
  readonly status: number;
  readonly grpcStatus: number | null;
  readonly reason: string | null;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly attempts: number;
}

function recordOf(exchange: ExchangeFacts): ExchangeRecord {
  const { method, authority, target, status, grpcStatus, reason, requestBytes, responseBytes, attempts } = exchange;
  return {
    request: `${method} ${authority} ${target}`,
    status,
    grpcStatus,
    reason,
    requestBytes,
    responseBytes,
    attempts,
  };
}

function openPlain(port: number): Promise<Carrier> {
  const socket = dial(port);
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(createPlainCarrier(socket)));
    socket.once('error', reject);
  });
}
