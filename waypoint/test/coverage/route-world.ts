import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseTrustDomain } from '@ambit/mesh/model';
import type { ServiceRoutes } from '@ambit/mesh/routes';
import { LocalConfigError, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { createTestCa, listen } from '@ambit/mesh/testing';
import { type LocalConfig, parseLocalConfig } from '../../src/local/local-config.ts';
import { DataPlane } from '../../src/worker/data-plane.ts';
import { ask, type Peer, type Protocol, type Question, type Request, type Response, serve } from '../peers.ts';
import type { Json } from './fields.ts';

export type RouteKind = 'HTTPRoute' | 'GRPCRoute';

/** A request to one port of Service `web`. */
export interface Ask extends Question {
  readonly port?: 80 | 81;
}

export interface Looks {
  readonly asks: readonly Ask[];
  /** Copies may come as long after the last answer. */
  readonly copiesWithinMs?: number;
  /** What takes longer is `slow`. */
  readonly slowMs?: number;
}

/** What somebody sees: the refusal of the configuration, or what became of each request, and the copies of it. */
export type Seen = { readonly refused: string; readonly isMissing: boolean } | { readonly seen: readonly unknown[] };

const ca = createTestCa();
const own = ca.issueCertificate({ altNames: [{ kind: 'uri', value: 'spiffe://cluster.local/ns/shop/sa/waypoint' }] });
const FILES: Readonly<Record<string, string>> = { key: own.privateKeyPem, chain: own.chainPem, roots: ca.rootPem };
const bytes = (address: string): string => Buffer.from(address.split('.').map(Number)).toString('base64');

/** Services, each with a server of its own behind port 80; behind port 81 of all is `other`. */
const SERVICES = ['shop/web', 'shop/a', 'shop/b', 'next/a'] as const;
const SERVERS = [...SERVICES, 'other'] as const;
type ServerName = (typeof SERVERS)[number];
const PORTS = [80, 81] as const;
const SLOW_MS = 1200;
/** What a test looks at, of an answer that is not the server's. */
const SHOWN = /^(?:x-(?!request|forwarded)|access-control-|location$|vary$|grpc-status$)/;

/** A whole data plane of a waypoint before Service `web`, and servers. Owns all of it. */
export class RouteWorld implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #protocol: Protocol;
  readonly #plane: DataPlane;
  readonly #servers = new Map<ServerName, Peer>();
  readonly #clientPorts = new Map<number, number>();
  #asked: { readonly server: ServerName; readonly path: string }[] = [];
  #attached: readonly ServiceRoutes['service'][] = [];

  private constructor(kind: RouteKind) {
    this.#protocol = kind === 'GRPCRoute' ? 'http2' : 'http1';
    this.#plane = new DataPlane({
      clock: systemClock,
      logger: silentLogger,
      log: { suppressed: 0 },
      config: {
        network: '',
        trustDomain: parseTrustDomain('cluster.local'),
        forwardsClientCertificate: false,
        accessLogFormat: 'text',
      },
      ownAddresses: [],
      overload: { refusal: () => null, isMemoryShort: false, shares: { memory: 0, lag: 0 } },
      accessLog: { dropped: 0, write: () => {} },
      // Weights and shares are as they are written: nothing is left to chance.
      random: () => 0.4,
    });
  }

  static async open(kind: RouteKind): Promise<RouteWorld> {
    const world = new RouteWorld(kind);
    for (const name of SERVERS) {
      const answer = (request: Request, response: Response): void => world.#answer(name, request, response);
      world.#servers.set(name, world.#stack.use(await serve(world.#protocol, answer)));
    }
    // Before the servers go, so that nobody opens a connection to one that is going.
    world.#stack.defer(() => world.#plane.drain(0));
    for (const port of PORTS) {
      await using free = await listen(() => {});
      world.#clientPorts.set(port, free.port);
    }
    const first = world.#configuration([]);
    world.#plane['set-svid']({ svid: first.svid });
    world.#apply(first);
    const plain = PORTS.map((port) => ({
      ...{ host: '127.0.0.1', port: world.#clientPorts.get(port) ?? 0 },
      ...{ service: 'shop/web.shop', servicePort: port },
    }));
    await world.#plane.listen({ hbone: { host: '127.0.0.1', port: 0 }, plain });
    return world;
  }

  /** Puts the route in force and looks. */
  async look(route: Json, { asks, copiesWithinMs = 0, slowMs }: Looks): Promise<Seen> {
    let config: LocalConfig;
    try {
      config = this.#configuration([route]);
    } catch (error) {
      if (!(error instanceof LocalConfigError)) throw error;
      // A field that has to be there says nothing by not being there.
      return { refused: JSON.stringify(error.data), isMissing: Object(error.cause).code === 'missing-field' };
    }
    this.#apply(config);
    this.#asked = [];
    const seen: unknown[] = [];
    for (const question of asks) {
      const began = performance.now();
      const answer = await this.#ask(question);
      const isSlow = slowMs !== undefined && performance.now() - began > slowMs;
      seen.push(slowMs === undefined ? answer : { answer, isSlow });
    }
    if (copiesWithinMs > 0) {
      await sleep(copiesWithinMs);
      seen.push(this.#asked.map(({ server, path }) => `${server} ${path}`).toSorted());
    }
    return { seen };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #ask({ port = 80, ...question }: Ask): Promise<unknown> {
    const isGrpc = this.#protocol === 'http2';
    const call = { method: 'POST', path: '/pkg.Svc/Call', body: Buffer.alloc(5) };
    const headers = {
      ...(isGrpc ? { 'content-type': 'application/grpc' } : { host: 'web.shop' }),
      ...question.headers,
    };
    const authority = isGrpc ? { ':authority': 'web.shop' } : {};
    const asked = { ...(isGrpc ? call : {}), ...question, headers: { ...authority, ...headers } };
    const reply = await ask(this.#protocol, this.#clientPorts.get(port) ?? 0, asked);
    const shown = Object.entries({ ...reply.headers, ...reply.trailers }).filter(([name]) => SHOWN.test(name));
    return { status: reply.status, headers: Object.fromEntries(shown), body: reply.body.toString() };
  }

  /** `/slow` takes long; `/flaky/3` fails three times; every answer has fields `x-old` and `x-gone`. */
  #answer(server: ServerName, request: Request, response: Response): void {
    const path = request.url ?? '';
    const before = this.#asked.filter((one) => one.path === path).length;
    this.#asked.push({ server, path });
    const fields = Object.entries(request.headers).filter(([name]) => /^x-(?!request|forwarded)/.test(name));
    const host = request.headers.host ?? request.headers[':authority'];
    request.resume();
    response.statusCode = before < Number(/^\/flaky\/(\d+)/.exec(path)?.[1] ?? 0) ? 503 : 200;
    response.setHeader('x-old', 'old');
    response.setHeader('x-gone', 'gone');
    if (this.#protocol === 'http2') response.setHeader('content-type', 'application/grpc');
    const body = JSON.stringify({ server, path, host, ...Object.fromEntries(fields) });
    const end = (): void => void response.end(Buffer.from(body));
    if (!path.startsWith('/slow')) end();
    else {
      const timer = setTimeout(end, SLOW_MS);
      response.on('close', () => clearTimeout(timer));
    }
  }

  #apply({ workloads, services, routes, policySets }: LocalConfig): void {
    const names = routes.map(({ service }) => service);
    const removed = this.#attached.filter((name) => !names.includes(name));
    this.#attached = names;
    const update = { workloads, services };
    this.#plane.configure({ update, routes: { put: routes, removed }, policySets: { put: policySets, removed: [] } });
  }

  #configuration(routes: readonly Json[]): LocalConfig {
    const portOf = (name: ServerName): number => this.#servers.get(name)?.port ?? 0;
    const portsOf = (name: ServerName): readonly { readonly servicePort: number; readonly targetPort: number }[] => [
      { servicePort: 80, targetPort: portOf(name) },
      { servicePort: 81, targetPort: portOf('other') },
    ];
    const hostOf = (key: string): string => key.split('/').toReversed().join('.');
    const keyOf = (key: string): string => `${key.split('/')[0]}/${hostOf(key)}`;
    const appProtocol = this.#protocol === 'http2' ? 'HTTP2' : 'HTTP11';
    const config = {
      workloads: [
        {
          ...{ uid: 'Kubernetes//Pod/shop/all', name: 'all', namespace: 'shop', serviceAccount: 'all' },
          ...{ addresses: [bytes('127.0.0.1')], trustDomain: 'cluster.local', canonicalRevision: 'v1' },
          services: Object.fromEntries(SERVICES.map((key) => [keyOf(key), { ports: portsOf(key) }])),
        },
      ],
      services: SERVICES.map((key, index) => {
        const [namespace = '', name = ''] = key.split('/');
        return {
          ...{ name, namespace, hostname: hostOf(key), addresses: [{ address: bytes(`10.9.0.${index + 1}`) }] },
          ports: portsOf(key).map((port) => ({ ...port, appProtocol })),
        };
      }),
      ...{ routes, policies: [], certificate: { privateKey: 'key', chain: 'chain', roots: 'roots' } },
    };
    return parseLocalConfig(JSON.stringify(config), (path) => FILES[path] ?? assert.fail(path));
  }
}
