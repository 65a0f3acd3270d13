import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { MeshView, Service } from '@ambit/mesh/model';
import type { BackendSecurity, BackendTls, PortSecurity } from '@ambit/mesh/routes';
import { systemClock } from '@ambit/mesh/runtime';
import { buildService, buildWorkload, checkLeaks, createTestCa, until } from '@ambit/mesh/testing';
import { BackendTable } from '../src/secure/backend-table.ts';
import type { ClusterTable } from '../src/upstream/cluster-table.ts';
import { openTable } from './cluster-tables.ts';
import { HttpWorld, type Party } from './http-world.ts';

checkLeaks();

const [ca, otherCa] = [createTestCa(), createTestCa()];
const SERVICE = buildService({ ports: ['443:0'] });
const HTTP2_SERVICE: Service = { ...SERVICE, ports: [{ servicePort: 443, targetPort: 0, appProtocol: 'http2' }] };

function tls(change: Partial<BackendTls> = {}): BackendTls {
  return { kind: 'tls', serverName: 'web.example', roots: { kind: 'pem', pem: ca.rootPem }, altNames: [], ...change };
}

interface Answering {
  setHeader(name: string, value: number): unknown;
  end(text: string): unknown;
}

/** Requests to a service whose only endpoint speaks HTTPS, and nothing else. */
class World implements AsyncDisposable {
  readonly backends = new BackendTable();
  readonly sockets = new Set<Socket>();
  /** Answers a held request. */
  release: (() => void) | undefined;
  readonly #stack = new AsyncDisposableStack();
  #http: HttpWorld | undefined;
  #clusters: ClusterTable | undefined;

  /** `http2`: the server speaks nothing else, and its port says so. */
  static async open(speaks: 'http/1.1' | 'http2' = 'http/1.1'): Promise<World> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new World());
    const service = speaks === 'http2' ? HTTP2_SERVICE : SERVICE;
    const port = await world.#serve(speaks);
    const { table: clusters, store } = world.#stack.use(
      openTable({
        clock: systemClock,
        securityOf: (service, servicePort) => world.backends.of(service, servicePort),
      }),
    );
    const workload = buildWorkload({
      name: 'web',
      addresses: ['127.0.0.1'],
      tunnelProtocol: 'none',
      services: { [SERVICE.key]: [`443:${port}`] },
    });
    store.apply({ services: [service], workloads: [workload] });
    world.#clusters = clusters;
    const view: MeshView = store.view;
    world.#http = world.#stack.use(
      await HttpWorld.open({
        kind: 'plain',
        servers: [],
        decide: (_request, forward) => ({ ...forward, cluster: clusters.ofService(view, service, 443) }),
      }),
    );
    half.move();
    return world;
  }

  async #serve(speaks: 'http/1.1' | 'http2'): Promise<number> {
    const { privateKeyPem: key, chainPem: cert } = ca.issueCertificate({
      altNames: [{ kind: 'dns', value: 'web.example' }],
    });
    const answer = ({ url = '' }: { url?: string | undefined }, response: Answering): void => {
      const text = url === '/held' ? 'held' : 'ok';
      const send = (): void => {
        response.setHeader('content-length', text.length);
        response.end(text);
      };
      if (text === 'held') this.release = send;
      else send();
    };
    const server =
      speaks === 'http2'
        ? http2.createSecureServer({ key, cert }, answer)
        : https.createServer({ key, cert, ALPNProtocols: ['http/1.1'] }, answer);
    server.on('tlsClientError', () => {});
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#stack.defer(async () => {
      for (const socket of this.sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    });
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : assert.fail();
  }

  secure(security: PortSecurity | null): void {
    const backend: BackendSecurity | null =
      security === null ? null : { service: SERVICE.key, secured: [{ ports: [443], security }] };
    const changed = this.backends.apply(
      backend === null ? { put: [], removed: [SERVICE.key] } : { put: [structuredClone(backend)], removed: [] },
    );
    this.#clusters?.resecure(changed);
  }

  client(): Promise<Party> {
    return this.#http?.client() ?? assert.fail();
  }

  /** Status and body. */
  async ask(path = '/', known?: Party): Promise<string> {
    const client = known ?? (await this.client());
    client.send(`GET ${path} HTTP/1.1\r\nHost: web\r\n\r\n`);
    return this.answer(client);
  }

  async answer(client: Party): Promise<string> {
    await until('an answer', () => /\r\n\r\n[^\r]+$/.test(client.text));
    const text = client.take();
    return `${/ (\d+) /.exec(text)?.[1]} ${text.slice(text.lastIndexOf('\r\n') + 2).trim()}`;
  }

  get reasons(): readonly (string | null)[] {
    return this.#http?.exchanges.map(({ reason }) => reason) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const REFUSED = /^503 /;

test('requests go in TLS to a port with a policy, and its connections are used again', async () => {
  await using world = await World.open();
  world.secure(tls());
  const client = await world.client();
  for (let i = 0; i < 3; i += 1) assert.equal(await world.ask('/', client), '200 ok');
  assert.equal(world.sockets.size, 1);
});

test('HTTP/2 is agreed upon with a server whose port declares it', async () => {
  await using world = await World.open('http2');
  world.secure(tls());
  const client = await world.client();
  for (let i = 0; i < 3; i += 1) assert.equal(await world.ask('/', client), '200 ok');
  assert.equal(world.sockets.size, 1);
  world.secure(tls({ serverName: 'other.example' }));
  assert.match(await world.ask('/', client), REFUSED);
});

test('nothing is sent where the server is not who it must be, or the policy is not usable', async () => {
  for (const security of [
    tls({ serverName: 'other.example' }),
    tls({ roots: { kind: 'pem', pem: otherCa.rootPem } }),
    { kind: 'invalid', reason: 'NoValidCACertificate' },
  ] satisfies readonly PortSecurity[]) {
    await using world = await World.open();
    world.secure(security);
    assert.match(await world.ask(), REFUSED);
    assert.deepEqual(world.reasons, ['connect']);
    if (security.kind === 'invalid') assert.equal(world.sockets.size, 0, 'not even a connection');
  }
});

test('new settings hold for new connections, and connections from before serve no further request', async () => {
  await using world = await World.open();
  world.secure(tls());
  const [idle, held] = [await world.client(), await world.client()];
  assert.equal(await world.ask('/', idle), '200 ok');
  held.send('GET /held HTTP/1.1\r\nHost: web\r\n\r\n');
  await until('the request is there', () => world.release);

  // What says nothing new changes nothing.
  world.secure(tls());
  assert.equal(world.sockets.size, 1);

  world.secure(tls({ roots: { kind: 'pem', pem: otherCa.rootPem } }));
  assert.match(await world.ask('/', idle), REFUSED);
  world.release?.();
  assert.equal(await world.answer(held), '200 held', 'a request that runs is completed');
  await until('its connection is closed', () => world.sockets.size === 0);

  world.secure(tls({ roots: { kind: 'pem', pem: otherCa.rootPem + ca.rootPem } }));
  assert.equal(await world.ask('/', idle), '200 ok');
  world.secure(null);
  await until('the connection is closed', () => world.sockets.size === 0);
  assert.notEqual(await world.ask(), '200 ok', 'without a policy nothing speaks TLS');
});
