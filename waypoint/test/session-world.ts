import { parseSvid, parseTrustBundle } from '@ambit/mesh/tls';
import { parseIpAddress, type Service, type Workload } from '@ambit/mesh/model';
import {
  type AttachedHttpRoute,
  type HttpMatch,
  NO_FILTERS,
  type RetryPolicy,
  type RouteBackend,
  type SessionPolicy,
} from '@ambit/mesh/routes';
import { systemClock } from '@ambit/mesh/runtime';
import { aMatch, aRule, buildService, buildWorkload, createTestCa, listen, normalPath } from '@ambit/mesh/testing';
import { policySetsOf } from '../src/local/local-policies.ts';
import type { DataPlane } from '../src/worker/data-plane.ts';
import { ask, type Peer, type Protocol, type Question, type Request, type Response, serve } from './peers.ts';
import { createPlane } from './plane.ts';

const ca = createTestCa();
const own = ca.issueCertificate({ altNames: [{ kind: 'uri', value: 'spiffe://cluster.local/ns/shop/sa/waypoint' }] });
const SVID = parseSvid({ ...own, trustBundle: parseTrustBundle([ca.rootPem]) });

const COOKIE: SessionPolicy = { kind: 'cookie', name: 'cart', absoluteTimeoutMs: null, permanent: false };
/** Servers by name, and the version each is of. */
const SERVERS = { a1: 'v1', a2: 'v1', b1: 'v2', b2: 'v2' } as const;
export type ServerName = keyof typeof SERVERS;
const OWN_ADDRESS = parseIpAddress('127.0.0.9');
const NAMES: readonly ServerName[] = ['a1', 'a2', 'b1', 'b2'];

export const keyOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

/** What the controller tells of Service `web` and its only route. */
export interface Told {
  /** Of versions v1 and v2; null: one backend, all of them. */
  readonly weights?: readonly [number, number] | null;
  readonly session?: Partial<SessionPolicy> | null;
  readonly retry?: RetryPolicy | null;
  readonly attemptMs?: number;
  /** Servers that are there; default: all. */
  readonly ready?: readonly ServerName[];
  /** Those where nobody listens. */
  readonly dead?: readonly ServerName[];
  readonly far?: readonly ServerName[];
}

export interface Answered {
  readonly status: number;
  /** Who answered. */
  readonly server: string;
  /** What the server got of cookies. */
  readonly cookie: string | undefined;
  /** What the answer says of the session, with `TOKEN` in its place. */
  readonly said: string | undefined;
  /** What a client brings back. */
  readonly brings: Readonly<Record<string, string>>;
}

/** Waypoints before one service with four servers. Owns all of it. */
export class SessionWorld implements AsyncDisposable {
  /** Added to the time of the clock on the wall. */
  offsetMs = 0;
  /** What servers do in place of an answer of 200. */
  answer: (server: ServerName, request: Request, response: Response) => void = (_, __, response) => void response.end();
  readonly #stack = new AsyncDisposableStack();
  readonly #protocol: Protocol;
  readonly #servers = new Map<ServerName, Peer>();
  readonly #waypoints: { readonly plane: DataPlane; readonly port: number }[] = [];
  #deadPort = 0;
  #draws = 0;

  private constructor(protocol: Protocol) {
    this.#protocol = protocol;
  }

  /** `replicas` of the waypoint, told the same. */
  static async open(protocol: Protocol, told: Told = {}, replicas = 1): Promise<SessionWorld> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new SessionWorld(protocol));
    for (const name of NAMES) {
      const answer = (request: Request, response: Response): void => {
        response.setHeader('x-server', name);
        response.setHeader('x-got', String(request.headers.cookie ?? ''));
        request.resume();
        world.answer(name, request, response);
      };
      world.#servers.set(name, world.#stack.use(await serve(protocol, answer)));
    }
    await using free = await listen(() => {});
    world.#deadPort = free.port;
    for (let index = 0; index < replicas; index += 1) await world.addWaypoint(told);
    half.move();
    return world;
  }

  /** One more, which knows nothing of the others. */
  async addWaypoint(told: Told = {}, keys: readonly Uint8Array[] = [keyOf(1)]): Promise<void> {
    const clock = { ...systemClock, now: () => systemClock.now() + this.offsetMs };
    // All over the place, the same in every run: whoever stays at one has a reason.
    const random = (): number => ((this.#draws += 1) * 0.618) % 1;
    const plane = createPlane({ clock, random, ownAddresses: [OWN_ADDRESS] });
    this.#stack.defer(() => plane.drain(0));
    plane['set-svid']({ svid: SVID });
    plane['set-session-keys']({ keys });
    this.#configure(plane, told);
    await using free = await listen(() => {});
    const { port } = free;
    await free[Symbol.asyncDispose]();
    const plain = [{ host: '127.0.0.1', port, service: this.#service().key, servicePort: 80 }];
    await plane.listen({ hbone: { host: '127.0.0.1', port: 0 }, plain });
    this.#waypoints.push({ plane, port });
  }

  tell(told: Told): void {
    for (const { plane } of this.#waypoints) this.#configure(plane, told);
  }

  useKeys(keys: readonly Uint8Array[]): void {
    for (const { plane } of this.#waypoints) plane['set-session-keys']({ keys });
  }

  async ask(question: Question = {}, replica = 0): Promise<Answered> {
    const isHttp2 = this.#protocol === 'http2';
    const headers = { ...(isHttp2 ? { ':authority': 'web.shop' } : { host: 'web.shop' }), ...question.headers };
    const port = this.#waypoints[replica]?.port ?? 0;
    const reply = await ask(this.#protocol, port, { ...question, headers });
    const cookies = reply.headers['set-cookie'];
    const said = Array.isArray(cookies) ? cookies.join(' | ') : text(reply.headers['x-session']);
    const token = /[A-Za-z0-9_-]{60,}/.exec(said ?? '')?.[0] ?? 'none';
    return {
      status: reply.status,
      server: text(reply.headers['x-server']) ?? '',
      cookie: text(reply.headers['x-got']),
      said: said?.replace(token, 'TOKEN'),
      brings: Array.isArray(cookies) ? { cookie: said?.split(';')[0] ?? '' } : { 'x-session': token },
    };
  }

  /** Who answers a client that brings this every time. */
  async servers(headers: Readonly<Record<string, string>>, times = 8, replica = 0): Promise<readonly string[]> {
    const found = new Set<string>();
    for (let index = 0; index < times; index += 1) found.add((await this.ask({ headers }, replica)).server);
    return [...found].toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #service(far: readonly ServerName[] = []): Service {
    const loadBalancing = { mode: 'failover', routingPreference: ['zone'], healthPolicy: 'only-healthy' } as const;
    const ports = [
      { servicePort: 80, targetPort: 0, appProtocol: this.#protocol === 'http2' ? 'http2' : 'http1' },
    ] as const;
    return { ...buildService({ ports: [] }), ports, ...(far.length === 0 ? {} : { loadBalancing }) };
  }

  #configure(plane: DataPlane, told: Told): void {
    const { ready = NAMES, dead = [], far = [] } = told;
    const service = this.#service(far);
    const workloads = NAMES.map((name): Workload => {
      const port = dead.includes(name) ? this.#deadPort : (this.#servers.get(name)?.port ?? 0);
      return buildWorkload({
        ...{ name, addresses: ['127.0.0.1'], tunnelProtocol: 'none', canonicalRevision: SERVERS[name] },
        services: { [service.key]: [`80:${port}`] },
        status: ready.includes(name) ? 'healthy' : 'unhealthy',
        locality: { region: '', zone: far.includes(name) ? 'far' : '', subzone: '' },
      });
    });
    const routes = [
      { service: service.key, ports: new Map([[80, { producer: groupOf(service, told), consumers: new Map() }]]) },
    ];
    plane.configure({
      update: {
        services: [service],
        workloads: [...workloads, buildWorkload({ name: 'waypoint', addresses: [OWN_ADDRESS] })],
      },
      routes: { put: routes, removed: [] },
      policySets: { put: policySetsOf([], { services: [service], workloads }), removed: [] },
    });
  }
}

function groupOf(
  { key }: Service,
  told: Told,
): { readonly kind: 'http'; readonly routes: readonly AttachedHttpRoute<RouteBackend>[] } {
  const { weights = null, session = {}, retry = null, attemptMs = null } = told;
  const to = (version: string | null, weight: number) => ({
    backend: { kind: 'service', service: key, port: 80, version } as const,
    weight,
    filters: NO_FILTERS,
  });
  const rule = {
    session: session === null ? null : { ...COOKIE, ...session },
    retry,
    timeouts: { requestMs: null, backendRequestMs: attemptMs },
    backends: weights === null ? [to(null, 1)] : [to('v1', weights[0]), to('v2', weights[1])],
  };
  const match = (path: string) => aMatch({ path: { kind: 'prefix', path: normalPath(path) } });
  const rules = [
    aRule<HttpMatch, RouteBackend>({ matches: [match('/other')], ...rule }),
    aRule<HttpMatch, RouteBackend>({ matches: [match('/')], ...rule }),
  ];
  return { kind: 'http', routes: [{ namespace: 'shop', name: 'r', createdMs: 0, hostnames: [], rules }] };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
