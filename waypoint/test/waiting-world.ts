import type { MeshViewStore, MeshViewUpdate, Service, Workload } from '@ambit/mesh/model';
import { systemClock } from '@ambit/mesh/runtime';
import { buildService, buildWorkload, until, type WorkloadOptions } from '@ambit/mesh/testing';
import type { Delivery } from '../src/http/pipeline.ts';
import type { Cluster } from '../src/upstream/cluster.ts';
import type { ClusterTable } from '../src/upstream/cluster-table.ts';
import { DEFAULT_UPSTREAM_LIMITS } from '../src/upstream/limits.ts';
import { openTable } from './cluster-tables.ts';
import { HttpWorld, type Party } from './http-world.ts';
import { type Protocol, type Response, serve } from './peers.ts';

export const SERVICE: Service = buildService({ ports: ['80:0'] });
/** What `/other/...` is for, and mirrors are. */
export const OTHER: Service = buildService({ name: 'other', ports: ['80:0'] });

export function workloadAt(port: number, more: WorkloadOptions = {}): Workload {
  const services = { [SERVICE.key]: [`80:${port}`] };
  return buildWorkload({ name: 'one', addresses: ['127.0.0.1'], tunnelProtocol: 'none', services, ...more });
}

/** Of both services. */
export function sharedWorkloadAt(port: number, more: WorkloadOptions = {}): Workload {
  return workloadAt(port, { services: { [SERVICE.key]: [`80:${port}`], [OTHER.key]: [`80:${port}`] }, ...more });
}

/** Status and body. */
export function answerOf({ text }: Party): string {
  return `${/ (\d+) /.exec(text)?.[1]} ${text.slice(text.indexOf('\r\n\r\n') + 4)}`;
}

function answer(response: Response, text: string): void {
  response.setHeader('content-length', text.length);
  response.end(Buffer.from(text));
}

/** A server that answers with its name and the body, but for the one request that it holds, and those that it is too busy for. */
export class Server implements AsyncDisposable {
  readonly name: string;
  onBusy: (() => void) | undefined;
  held: Response | undefined;
  port = 0;
  readonly #stack = new AsyncDisposableStack();

  constructor(name: string) {
    this.name = name;
  }

  async open(protocol: Protocol): Promise<void> {
    const settings = { maxConcurrentStreams: 1 };
    const onRequest: Parameters<typeof serve>[1] = (request, response) => {
      if (request.url?.endsWith('/held') === true) {
        this.held = response;
        return;
      }
      if (request.url === '/busy' && this.onBusy !== undefined) {
        response.statusCode = 503;
        response.end();
        this.onBusy();
        return;
      }
      let body = '';
      request.on('data', (piece: Buffer) => (body += piece.toString()));
      request.on('end', () => answer(response, `${this.name} ${body}`));
    };
    this.port = this.#stack.use(await serve(protocol, onRequest, () => {}, settings)).port;
  }

  release(): void {
    if (this.held !== undefined) answer(this.held, 'held');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

export interface Servers {
  readonly first: Server;
  readonly second: Server;
}

export interface WaitingOptions {
  /** What both services declare. */
  readonly protocol: Protocol;
  /** Speaks HTTP/1.1 whatever is declared, and has said so. */
  readonly wantsHttp1?: keyof Servers;
  /** Default: the first server alone, of the first service. */
  readonly workloads?: (servers: Servers) => readonly Workload[];
  readonly delivery?: (clusterOf: (service: Service) => Cluster) => Delivery | null;
}

/** Two servers, and clients of services of which they are; a server takes one request at a time, so that the next one waits. */
export class WaitingWorld implements AsyncDisposable {
  readonly servers: Servers = { first: new Server('first'), second: new Server('second') };
  readonly clusters: ClusterTable;
  readonly #store: MeshViewStore;
  readonly #stack = new AsyncDisposableStack();
  #http: HttpWorld | undefined;

  private constructor() {
    const limits = { ...DEFAULT_UPSTREAM_LIMITS, connectionsMax: 1 };
    const { table, store } = this.#stack.use(openTable({ clock: systemClock, limits }));
    this.clusters = table;
    this.#store = store;
  }

  static async open({ protocol, delivery = () => null, ...options }: WaitingOptions): Promise<WaitingWorld> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new WaitingWorld());
    const stack = world.#stack;
    const { first, second } = world.servers;
    for (const server of [first, second])
      await stack.use(server).open(server.name === options.wantsHttp1 ? 'http1' : protocol);
    // Of endpoints that can be reached it is always the one that the view has first.
    const more = { ports: [{ servicePort: 80, targetPort: 0, appProtocol: protocol }], balanceBy: 'random' } as const;
    const [service, other] = [
      { ...SERVICE, ...more },
      { ...OTHER, ...more },
    ];
    const workloads = options.workloads?.(world.servers) ?? [workloadAt(first.port)];
    world.change({ services: [service, other], workloads });
    const clusterOf = (one: Service): Cluster => world.clusters.ofService(world.#store.view, one, 80);
    for (const endpoint of clusterOf(service).endpoints)
      endpoint.wantsHttp1 =
        options.wantsHttp1 === (endpoint.address === `127.0.0.1:${first.port}` ? 'first' : 'second');
    world.#http = stack.use(
      await HttpWorld.open({
        kind: 'plain',
        servers: [],
        decide: (request, forward) => ({
          ...forward,
          delivery: delivery((one) => clusterOf(one.key === OTHER.key ? other : service)),
          cluster: clusterOf(request.path.startsWith('/other') ? other : service),
        }),
      }),
    );
    half.move();
    return world;
  }

  get http(): HttpWorld {
    if (this.#http === undefined) throw new Error('not open');
    return this.#http;
  }

  /** A client that asks for this. */
  async ask(text: string): Promise<Party> {
    const client = await this.http.client();
    client.send(text);
    return client;
  }

  /** A request that the first server holds, and one that waits behind it: all of this text. */
  async wait(
    text = 'POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\n\r\nbody',
  ): Promise<{ readonly holding: Party; readonly waiting: Party }> {
    const holding = await this.ask('GET /held HTTP/1.1\r\nHost: web\r\n\r\n');
    await until('a request is held', () => this.servers.first.held !== undefined);
    const waiting = await this.ask(text);
    await until('a request waits', () => this.loadOf(this.servers.first) >= 2);
    return { holding, waiting };
  }

  /** Requests that are under way to it or wait for it. */
  loadOf({ port }: Server): number {
    const endpoints = [...this.clusters.endpoints].filter(({ address }) => address === `127.0.0.1:${port}`);
    return endpoints.reduce((sum, { load }) => sum + load, 0);
  }

  change(update: MeshViewUpdate): void {
    this.#store.apply(update);
    this.clusters.forgetClusters();
    this.clusters.prune(this.#store.view);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
