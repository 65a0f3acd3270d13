import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHbonePool, createPlainCarrier, type HbonePool } from '@ambit/mesh/hbone';
import { parseServiceKey } from '@ambit/mesh/model';
import type { PolicySet } from '@ambit/mesh/policies';
import { NO_FILTERS, type ServiceRoutes } from '@ambit/mesh/routes';
import { checkLeaks, createTestCa, environment, type Listener, listen, until } from '@ambit/mesh/testing';
import { type LocalConfig, parseLocalConfig } from '../src/local/local-config.ts';
import type { DataPlane } from '../src/worker/data-plane.ts';
import { Party } from './http-world.ts';
import { ask } from './peers.ts';
import { createPlane, logTo, waypointAt } from './plane.ts';

checkLeaks();

const API = parseServiceKey('shop/api.shop');

type Json = Readonly<Record<string, unknown>>;

const ca = createTestCa();
const own = ca.issueCertificate({ altNames: [{ kind: 'uri', value: 'spiffe://cluster.local/ns/shop/sa/waypoint' }] });
const FILES: Readonly<Record<string, string>> = { key: own.privateKeyPem, chain: own.chainPem, roots: ca.rootPem };
const bytes = (address: string): string => Buffer.from(address.split('.').map(Number)).toString('base64');

function service(name: string, targetPort: number, index: number): Json {
  return {
    name,
    namespace: 'shop',
    hostname: `${name}.shop`,
    addresses: [{ address: bytes(`10.9.0.${index}`) }],
    ports: [
      { servicePort: 80, targetPort },
      { servicePort: 81, targetPort, appProtocol: 'TCP' },
    ],
  };
}

const toDb = (path: string, filter: Json): Json => ({
  matches: [{ path: { type: 'PathPrefix', value: path } }],
  filters: [filter],
  backendRefs: [{ name: 'db', namespace: 'shop', port: 80 }],
});

/** For callers of its namespace alone, whose requests it makes what a policy of `db` refuses. */
const OF_A_NEIGHBOUR: Json = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'past', namespace: 'next' },
  spec: {
    parentRefs: [{ group: '', kind: 'Service', name: 'db', namespace: 'shop' }],
    rules: [
      toDb('/path', {
        type: 'URLRewrite',
        urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/admin' } },
      }),
      toDb('/host', { type: 'URLRewrite', urlRewrite: { hostname: 'admin.shop' } }),
      toDb('/header', {
        type: 'RequestHeaderModifier',
        requestHeaderModifier: { set: [{ name: 'X-Debug', value: 'on' }] },
      }),
      toDb('/less', { type: 'RequestHeaderModifier', requestHeaderModifier: { remove: ['x-tenant'] } }),
      toDb('/', { type: 'RequestHeaderModifier', requestHeaderModifier: { add: [{ name: 'x-a', value: '1' }] } }),
    ],
  },
};

/** Services `db` and `api` with one endpoint; requests to `db` below /api go to `api`, whose path has a prefix more. */
function configuration(port: number, policies: readonly Json[]): LocalConfig {
  const ports = [
    { servicePort: 80, targetPort: port },
    { servicePort: 81, targetPort: port },
  ];
  const config = {
    workloads: [
      {
        uid: 'Kubernetes//Pod/shop/db',
        name: 'db',
        namespace: 'shop',
        addresses: [bytes('127.0.0.1')],
        trustDomain: 'cluster.local',
        serviceAccount: 'db',
        services: { 'shop/db.shop': { ports }, 'shop/api.shop': { ports } },
      },
    ],
    services: [service('db', port, 1), service('api', port, 2)],
    routes: [
      {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'HTTPRoute',
        metadata: { name: 'r', namespace: 'shop' },
        spec: {
          parentRefs: [{ group: '', kind: 'Service', name: 'db' }],
          rules: [
            {
              matches: [{ path: { type: 'PathPrefix', value: '/api' } }],
              filters: [
                { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/v2' } } },
              ],
              backendRefs: [{ name: 'api', port: 80 }],
            },
            { backendRefs: [{ name: 'db', port: 80 }] },
          ],
        },
      },
      OF_A_NEIGHBOUR,
    ],
    policies,
    certificate: { privateKey: 'key', chain: 'chain', roots: 'roots' },
  };
  return parseLocalConfig(JSON.stringify(config), (path) => FILES[path] ?? assert.fail(path));
}

/** A policy for Service `target`, or for the namespace. */
function policy(name: string, target: string | null, spec: Json): Json {
  const targets = target === null ? {} : { targetRefs: [{ group: '', kind: 'Service', name: target }] };
  const metadata = { name, namespace: 'shop' };
  return { apiVersion: 'ambit.dev/v1alpha1', kind: 'AccessPolicy', metadata, spec: { ...targets, ...spec } };
}

/** Connections to port 81 of `db` go to `api`. */
function withStream(routes: ServiceRoutes): ServiceRoutes {
  if (routes.service !== 'shop/db.shop') return routes;
  const backend = { kind: 'service', service: API, port: 81, version: null } as const;
  const route = { routeKey: 'shop/t', serverNames: [], backends: [{ backend, weight: 1, filters: NO_FILTERS }] };
  const group = { kind: 'stream', routes: [route] } as const;
  return { ...routes, ports: new Map([...routes.ports, [81, { producer: group, consumers: new Map() }]]) };
}

class World implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly served: Party[] = [];
  /** In front of `db`, in plaintext. */
  plainPort = 0;
  readonly #stack = new AsyncDisposableStack();
  readonly #pool: HbonePool<string>;
  readonly #plane: DataPlane;
  #backend: Listener | undefined;
  #sets: readonly PolicySet['name'][] = [];
  #port = 0;

  private constructor() {
    this.#pool = this.#stack.use(createHbonePool<string>(environment));
    this.#plane = createPlane({ accessLog: logTo((line) => void this.lines.push(line)) });
    this.#stack.defer(() => this.#plane.drain(0));
  }

  /** `answer` is what the server says to each request. */
  static async open(
    policies: readonly Json[],
    answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  ): Promise<World> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new World());
    world.#backend = world.#stack.use(
      await listen((socket) => {
        const party = new Party(createPlainCarrier(socket));
        world.served.push(party);
        party.onPiece = (from, memory, start, end) => {
          if (memory.toString('latin1', start, end).includes('HTTP/1.1')) from.send(answer);
        };
        party.carrier.read(party);
      }),
    );
    world.#plane['set-svid']({ svid: configuration(1, []).svid });
    world.apply(policies);
    const free = await listen(() => {});
    await free[Symbol.asyncDispose]();
    world.plainPort = free.port;
    const plain = { host: '127.0.0.1', port: free.port, service: 'shop/db.shop', servicePort: 80 };
    const { port } = await world.#plane.listen({ hbone: { host: '127.0.0.1', port: 0 }, plain: [plain] });
    world.#port = port;
    half.move();
    return world;
  }

  apply(
    policies: readonly Json[],
    change: (sets: readonly PolicySet[]) => readonly PolicySet[] = (sets) => sets,
  ): void {
    const { workloads, services, routes, policySets } = configuration(this.#backend?.port ?? 0, policies);
    const put = change(policySets);
    const names = put.map(({ name }) => name);
    const removed = this.#sets.filter((name) => !names.includes(name));
    this.#sets = names;
    const routeChanges = { put: routes.map(withStream), removed: [] };
    this.#plane.configure({ update: { workloads, services }, routes: routeChanges, policySets: { put, removed } });
  }

  /** A tunnel of service account `<namespace>/<account>` to the authority. */
  async tunnel(account: string, authority: string, namespace = 'shop'): Promise<Party> {
    const certificate = ca.issue(`spiffe://cluster.local/ns/${namespace}/sa/${account}`);
    const target = waypointAt(this.#port, certificate);
    const party = new Party((await this.#pool.openTunnel(target, { authority, headers: [] })).stream);
    party.carrier.read(party);
    return party;
  }

  /** Status and body of one request on a tunnel. */
  async ask(party: Party, request: string): Promise<string> {
    party.send(`${request} HTTP/1.1\r\nHost: db.shop\r\n\r\n`);
    await until(request, () => /\r\n\r\n[^\r]+$/.test(party.text));
    return party.take().replace(/^HTTP\/1.1 (\d+)[\s\S]*\r\n\r\n/, '$1 ');
  }

  get notes(): readonly (readonly [string, number])[] {
    return this.#plane.metrics().policyNotes;
  }
  get refusals(): readonly (readonly [string, number])[] {
    return this.#plane.metrics().refusals;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const party of this.served) if (!party.isOver) party.carrier.reset();
    await this.#stack.disposeAsync();
  }
}

const DENIED = '403 RBAC: access denied\n';
const GET_BY_WEB = policy('readers', 'db', {
  action: 'Allow',
  rules: [{ from: [{ serviceAccounts: ['web'] }], to: [{ methods: ['GET', 'OPTIONS'] }] }],
});
const NO_ADMIN = policy('no-admin', null, { action: 'Deny', rules: [{ to: [{ paths: ['/admin/**'] }] }] });

test('a waypoint lets through what policies allow, by identity, method and the path that is sent on', async () => {
  await using world = await World.open([GET_BY_WEB, NO_ADMIN]);
  const web = await world.tunnel('web', '10.9.0.1:80');
  assert.equal(await world.ask(web, 'GET /a'), '200 ok');
  for (const request of ['PUT /a', 'get /a', 'GET /admin', 'GET /x/../admin/users', 'GET /%61dmin;v=1/users']) {
    assert.equal(await world.ask(web, request), DENIED, request);
  }
  const other = await world.tunnel('other', '10.9.0.1:80');
  assert.equal(await world.ask(other, 'GET /a'), DENIED);
  assert.equal(await world.ask(web, 'GET /a'), '200 ok', 'the connection goes on');
  const refused = world.lines.filter((line) => line.includes('reason=access-denied flags=') || line.includes('RBAC'));
  assert.equal(refused.length, 6);
  assert.match(refused[0] ?? '', / status=403 flags=RBAC reason=access-denied bytes_recv/);
  assert.match(refused[2] ?? '', / policy=shop\/no-admin bytes_recv/);
  assert.equal(world.served.length, 1, 'what is refused reaches no server');
});

test('a route that leads to another service leads past none of its policies, which see what is sent', async () => {
  const onlyV2 = policy('v2', 'api', { action: 'Allow', rules: [{ to: [{ paths: ['/v2/open/**'] }] }] });
  await using world = await World.open([onlyV2]);
  const web = await world.tunnel('web', '10.9.0.1:80');
  assert.equal(await world.ask(web, 'GET /api/open/a'), '200 ok');
  assert.equal(await world.ask(web, 'GET /api/a'), DENIED);
  assert.equal(await world.ask(web, 'GET /v2/a'), '200 ok');
});

test("a neighbour's route makes no request that the policies of its service refuse", async () => {
  const deny = (name: string, to: Json): Json => policy(name, 'db', { action: 'Deny', rules: [{ to: [to] }] });
  await using world = await World.open([
    NO_ADMIN,
    deny('host', { hosts: ['admin.shop'] }),
    deny('header', { headers: [{ name: 'x-debug', values: ['*'] }] }),
    deny('less', { paths: ['/less/**'], headers: [{ name: 'x-tenant', notValues: ['*'] }] }),
  ]);
  const web = await world.tunnel('web', '10.9.0.1:80', 'next');
  assert.equal(await world.ask(web, 'GET /a'), '200 ok');
  for (const path of ['/path/users', '/host', '/header']) assert.equal(await world.ask(web, `GET ${path}`), DENIED);
  web.send('GET /less HTTP/1.1\r\nHost: db.shop\r\nX-Tenant: a\r\n\r\n');
  await until('it is refused', () => web.text.endsWith(DENIED.slice(4)));
  assert.match(world.lines[1] ?? '', / policy=shop\/no-admin /);
  assert.equal(world.served.length, 1);
});

test('a header that is repeated passes no policy by what its other lines say', async () => {
  await using world = await World.open([
    policy('admins', 'db', { action: 'Deny', rules: [{ to: [{ headers: [{ name: 'x-role', values: ['admin'] }] }] }] }),
    policy('users', 'db', { action: 'Allow', rules: [{ to: [{ headers: [{ name: 'x-role', values: ['us*'] }] }] }] }),
  ]);
  const web = await world.tunnel('web', '10.9.0.1:80');
  for (const roles of [
    ['user', 'admin'],
    ['admin', 'user'],
    ['user', 'root'],
  ]) {
    web.send(`GET / HTTP/1.1\r\nHost: db.shop\r\n${roles.map((role) => `X-Role: ${role}\r\n`).join('')}\r\n`);
    await until('it is refused', () => web.text.endsWith(DENIED.slice(4)));
    web.take();
  }
  assert.equal(world.served.length, 0);
  web.send('GET / HTTP/1.1\r\nHost: db.shop\r\nX-Role: user\r\nX-Role: usual\r\n\r\n');
  await until('it is let through', () => web.text.endsWith('ok'));
});

test('a request without a host is one for the host that is said in its place', async () => {
  await using world = await World.open([
    policy('host', 'db', { action: 'Deny', rules: [{ to: [{ hosts: ['db.shop'] }] }] }),
  ]);
  const web = await world.tunnel('web', '10.9.0.1:80');
  web.send('GET /a HTTP/1.0\r\n\r\n');
  await until('it is refused', () => web.text.endsWith(DENIED.slice(4)));
  assert.match(world.lines[0] ?? '', / policy=shop\/host /);
  assert.equal(world.served.length, 0);
});

test('an upgrade and a workload by its own address are asked about as well', async () => {
  await using world = await World.open([NO_ADMIN]);
  const web = await world.tunnel('web', '10.9.0.1:80');
  web.send('GET /admin/ws HTTP/1.1\r\nHost: db.shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await until('it is refused', () => web.text.endsWith(DENIED.slice(4)));
  assert.match(web.text, /^HTTP\/1.1 403/);
  const direct = await world.tunnel('web', `127.0.0.1:${80}`);
  assert.equal(await world.ask(direct, 'GET /admin'), DENIED);
  assert.equal(world.served.length, 0);
});

test('a request sees the policies of its moment; one that runs stays, bytes are cut', { timeout: 30_000 }, async () => {
  const begun = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbe';
  await using world = await World.open([], begun);
  const running = await world.tunnel('web', '10.9.0.1:80');
  running.send('GET /a HTTP/1.1\r\nHost: db.shop\r\n\r\n');
  await until('its answer has begun', () => running.text.endsWith('be'));
  const raw = await world.tunnel('web', '10.9.0.1:81');
  const other = await world.tunnel('other', '10.9.0.1:81');
  await until('they reach the server', () => world.served.length === 3);
  world.apply([policy('others', null, { action: 'Allow', rules: [{ from: [{ serviceAccounts: ['other'] }] }] })]);
  await until('bytes of one are cut', () => raw.wasCut);
  await until('also those of its server', () => world.served.filter(({ isOver }) => isOver).length === 1);
  assert.equal(other.isOver, false);
  world.served[0]?.send('en');
  await until('the answer is whole', () => running.text.endsWith('been'));
  running.take();
  assert.equal(await world.ask(running, 'GET /a'), DENIED);
  await assert.rejects(world.tunnel('web', '10.9.0.1:81'), { code: 'refused-status', data: { status: 401 } });
  assert.deepEqual(world.refusals, [['access-denied', 1]]);
});

test('an upgrade is cut by policies that come while it is open', { timeout: 30_000 }, async () => {
  await using world = await World.open([], 'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const web = await world.tunnel('web', '10.9.0.1:80');
  web.send('GET /admin/ws HTTP/1.1\r\nHost: db.shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await until('it is granted', () => web.text.startsWith('HTTP/1.1 101'));
  world.apply([NO_ADMIN]);
  await until('it is cut', () => web.wasCut && world.served[0]?.isOver === true);
  assert.match(world.lines[0] ?? '', / reason=access-denied policy=shop\/no-admin /);
});

test('bytes that a route leads to another service are cut by the policies of either', { timeout: 30_000 }, async () => {
  for (const target of ['db', 'api']) {
    await using world = await World.open([]);
    const raw = await world.tunnel('web', '10.9.0.1:81');
    await until('it reaches the server', () => world.served.length === 1);
    world.apply([policy('nobody', target, { action: 'Allow', rules: [] })]);
    await until(`it is cut by the policy of ${target}`, () => raw.wasCut);
    await assert.rejects(world.tunnel('web', '10.9.0.1:81'), { code: 'refused-status', data: { status: 401 } });
  }
});

test('what asks for more than bytes tell is refused to bytes', async () => {
  await using world = await World.open([
    policy('get', 'db', { action: 'Allow', rules: [{ to: [{ methods: ['GET'] }] }] }),
  ]);
  await assert.rejects(world.tunnel('web', '10.9.0.1:81'), { code: 'refused-status', data: { status: 401 } });
  const detected = await world.tunnel('web', '10.9.0.1:80');
  detected.send('\u0001\u0002 not HTTP at all\n');
  await until('it is cut', () => detected.wasCut);
  assert.equal(world.served.length, 0);
});

test('nobody is let through where policies have not arrived', async () => {
  await using world = await World.open([]);
  world.apply([], (sets) => sets.filter(({ name }) => name !== 'namespace/shop'));
  const web = await world.tunnel('web', '10.9.0.1:80');
  assert.equal(await world.ask(web, 'GET /a'), DENIED);
  assert.match(world.lines[0] ?? '', / reason=policy-missing policy=namespace\/shop /);
  world.apply([]);
  assert.equal(await world.ask(web, 'GET /a'), '200 ok');
  world.apply([], () => []);
  assert.equal(await world.ask(web, 'GET /a'), DENIED);
  assert.match(world.lines[2] ?? '', / policy=service\/shop\/db.shop /);
});

test('a call of gRPC that policies refuse ends with PERMISSION_DENIED, any other request of HTTP/2 with 403', async () => {
  await using world = await World.open([NO_ADMIN]);
  const path = '/admin/Call';
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };
  const call = await ask('http2', world.plainPort, { method: 'POST', path, headers, body: Buffer.alloc(5) });
  assert.deepEqual([call.status, { ...call.headers, ...call.trailers }['grpc-status']], [200, '7']);
  const plain = await ask('http2', world.plainPort, { path });
  assert.deepEqual([plain.status, plain.body.toString()], [403, 'RBAC: access denied\n']);
  assert.equal(world.served.length, 0);
});

test('Audit and dry run are counted and in the access log, and change nothing', async () => {
  const everything: Json = { rules: [{ to: [{ paths: ['/**'] }] }] };
  await using world = await World.open([
    policy('see', 'db', { action: 'Audit', ...everything }),
    policy('try', 'db', { action: 'Deny', dryRun: true, ...everything }),
  ]);
  const web = await world.tunnel('web', '10.9.0.1:80');
  assert.equal(await world.ask(web, 'GET /a'), '200 ok');
  assert.match(world.lines[0] ?? '', / status=200 policy_notes=audit:shop\/see,dry-run-deny:shop\/try bytes_recv/);
  assert.deepEqual(world.notes, [
    ['audit', 1],
    ['dry-run-deny', 1],
  ]);
});
