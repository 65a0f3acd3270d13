import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, type Manifest } from '../harness/cluster.ts';
import { EchoMesh, type EchoRequest, GRPC_PORT, grpcRouteOf, routeOf, to } from './echo-mesh.ts';
import type { Echoed } from './echoed.ts';
import { MESH } from './world.ts';

/**
 * What Gateway API's suite asks of Gateways (GATEWAY-HTTP, extended) and of no mesh, asked of the mesh: the same behaviour,
 * with the suite's pods, for routes of Services.
 */
let mesh: EchoMesh;
before(async () => {
  mesh = await EchoMesh.find(Cluster.fromEnvironment());
});

interface Row {
  readonly what: string;
  readonly request: EchoRequest;
  readonly check: (response: Echoed, all: readonly Echoed[]) => void;
}

function feature(name: string, objects: readonly Manifest[], rows: readonly Row[]): void {
  describe(name, () => {
    for (const { what, request, check } of rows) {
      test(what, async () => {
        await mesh.with(objects, () =>
          mesh.eventually(request, (responses) => {
            const [first] = responses;
            check(first ?? assert.fail('no response'), responses);
          }),
        );
      });
    }
  });
}

const answers =
  (status: number, version?: 'v1' | 'v2') =>
  (response: Echoed): void => {
    assert.equal(response.status, status, response.text);
    if (version !== undefined) assert.match(response.hostname, new RegExp(`^echo-${version}-`));
  };

feature(
  'HTTPRouteMethodMatching',
  [
    routeOf('methods', [
      { matches: [{ method: 'POST' }], backendRefs: [to('echo-v1')] },
      { matches: [{ method: 'GET' }], backendRefs: [to('echo-v2')] },
      { matches: [{ method: 'PATCH', path: { value: '/path5' } }], backendRefs: [to('echo-v1')] },
    ]),
  ],
  [
    { what: 'POST', request: { url: 'http://echo/', method: 'POST' }, check: answers(200, 'v1') },
    { what: 'GET', request: { url: 'http://echo/', method: 'GET' }, check: answers(200, 'v2') },
    { what: 'PATCH of a path', request: { url: 'http://echo/path5', method: 'PATCH' }, check: answers(200, 'v1') },
    { what: 'PATCH of another', request: { url: 'http://echo/', method: 'PATCH' }, check: answers(404) },
    { what: 'HEAD', request: { url: 'http://echo/', method: 'HEAD' }, check: answers(404) },
  ],
);

const rewritten = (hostname: string): unknown => ({ type: 'URLRewrite', urlRewrite: { hostname } });
feature(
  'HTTPRouteHostRewrite',
  [
    routeOf('host', [
      {
        matches: [{ path: { value: '/one' } }],
        filters: [rewritten('one.example.org')],
        backendRefs: [to('echo-v1')],
      },
      { backendRefs: [to('echo-v2')] },
    ]),
  ],
  [
    {
      what: 'it is another',
      request: { url: 'http://echo/one' },
      check: (response) => {
        answers(200, 'v1')(response);
        assert.equal(response.host, 'one.example.org');
      },
    },
    {
      what: 'it stays where nothing is said',
      request: { url: 'http://echo/two' },
      check: (response) => {
        answers(200, 'v2')(response);
        assert.equal(response.host, 'echo');
      },
    },
  ],
);

const slow = 'http://echo/?delay=2s';
feature(
  'HTTPRouteRequestTimeout',
  [routeOf('timeout', [{ timeouts: { request: '500ms' }, backendRefs: [to('echo-v1')] }])],
  [
    { what: 'a server that is quick', request: { url: 'http://echo/' }, check: answers(200, 'v1') },
    { what: 'a server that is slow', request: { url: slow }, check: answers(504) },
  ],
);
feature(
  'a timeout of zero is none',
  [routeOf('no-timeout', [{ timeouts: { request: '0s' }, backendRefs: [to('echo-v1')] }])],
  [{ what: 'a server that is slow', request: { url: slow }, check: answers(200, 'v1') }],
);
feature(
  'HTTPRouteBackendTimeout',
  [routeOf('backend-timeout', [{ timeouts: { backendRequest: '500ms' }, backendRefs: [to('echo-v1')] }])],
  [
    { what: 'a server that is quick', request: { url: 'http://echo/' }, check: answers(200, 'v1') },
    { what: 'a server that is slow', request: { url: slow }, check: answers(504) },
  ],
);

const cors = {
  allowOrigins: ['https://www.foo.com', 'https://*.bar.com'],
  allowMethods: ['GET', 'OPTIONS'],
  allowHeaders: ['x-header-1', 'x-header-2'],
  exposeHeaders: ['x-header-3', 'x-header-4'],
  allowCredentials: true,
  maxAge: 3600,
};
const preflight = (origin: string): EchoRequest => ({
  url: 'http://echo/',
  method: 'OPTIONS',
  headers: {
    origin,
    'access-control-request-method': 'GET',
    'access-control-request-headers': 'x-header-1, x-header-2',
  },
});
const allowed =
  (origin: string) =>
  (response: Echoed): void => {
    assert.ok(response.status === 200 || response.status === 204, response.text);
    const header = (name: string): string =>
      (response.responseHeaders.get(`access-control-${name}`) ?? '').replaceAll(' ', '');
    assert.deepEqual(
      ['allow-origin', 'allow-methods', 'allow-headers', 'expose-headers', 'max-age', 'allow-credentials'].map(header),
      [origin, 'GET,OPTIONS', 'x-header-1,x-header-2', 'x-header-3,x-header-4', '3600', 'true'],
    );
  };
feature(
  'HTTPRouteCORS',
  [routeOf('cors', [{ filters: [{ type: 'CORS', cors }], backendRefs: [to('echo-v1')] }])],
  [
    {
      what: 'before a request from an origin',
      request: preflight('https://www.foo.com'),
      check: allowed('https://www.foo.com'),
    },
    {
      what: 'before one from an origin by wildcard',
      request: preflight('https://x.bar.com'),
      check: allowed('https://x.bar.com'),
    },
    {
      what: 'before one from another origin',
      request: preflight('https://foobar.com'),
      check: (response) =>
        assert.equal(response.responseHeaders.get('access-control-allow-origin'), undefined, response.text),
    },
    {
      what: 'a request from an origin',
      request: { url: 'http://echo/', headers: { origin: 'https://www.foo.com' } },
      check: (response) => {
        answers(200, 'v1')(response);
        assert.equal(response.responseHeaders.get('access-control-allow-origin'), 'https://www.foo.com');
      },
    },
  ],
);

feature(
  'HTTPRouteRetry',
  [routeOf('retry', [{ retry: { codes: [503], attempts: 10, backoff: '1ms' }, backendRefs: [to('echo-v1')] }])],
  [
    {
      what: 'a server that fails every other time',
      request: { url: 'http://echo/?codes=503:50,200:50', count: 20 },
      check: (_, all) => assert.deepEqual([...new Set(all.map(({ status }) => status))], [200]),
    },
    { what: 'not for other codes', request: { url: 'http://echo/?codes=500:100' }, check: answers(500, 'v1') },
  ],
);

describe('HTTPRouteRequestMirror', () => {
  const mirror = (fields: object): unknown => ({
    type: 'RequestMirror',
    requestMirror: { backendRef: to('echo-v2'), ...fields },
  });
  const requests = 100;
  for (const [what, filters, least, most] of [
    ['every request is copied, and the answer to the copy is nobody’s', [mirror({})], requests, requests],
    ['one of two, by percent', [mirror({ percent: 50 })], 25, 75],
    ['one of five, by fraction', [mirror({ fraction: { numerator: 1, denominator: 5 } })], 5, 45],
    ['none', [mirror({ percent: 0 })], 0, 0],
    ['several mirrors', [mirror({}), mirror({})], 2 * requests, 2 * requests],
  ] as const) {
    test(what, async () => {
      const path = `/mirrored-${randomUUID()}`;
      await mesh.with([routeOf('mirror', [{ filters, backendRefs: [to('echo-v1')] }])], async () => {
        await mesh.eventually({ url: 'http://echo/' }, ([first]) => answers(200, 'v1')(first ?? assert.fail()));
        const responses = await mesh.request({ url: `http://echo${path}`, count: requests });
        for (const response of responses) answers(200, 'v1')(response);
        // Copies are sent beside the request, not before its answer.
        await sleep(1000);
        const copies = (await mesh.logOf('v2'))
          .split('\n')
          .filter((line) => line.includes(`Request\t`) && line.includes(path));
        assert.ok(copies.length >= least && copies.length <= most, `${copies.length} of ${requests}`);
      });
    });
  }
});

/** The suite's servers behind ports of other protocols. */
function protocols(name: string, appProtocol: string): Manifest {
  const selector = { app: 'echo', version: 'v1' };
  const ports = [{ name: 'web', port: 80, targetPort: 8080, appProtocol }];
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: MESH }, spec: { selector, ports } };
}

feature(
  'HTTPRouteBackendProtocolH2C',
  [protocols('echo-h2c', 'kubernetes.io/h2c'), routeOf('h2c', [{ backendRefs: [to('echo-h2c')] }])],
  [
    {
      what: 'a request of HTTP/1.1 reaches the server as HTTP/2',
      request: { url: 'http://echo/' },
      check: (response) => {
        answers(200, 'v1')(response);
        assert.equal(response.protocol, 'HTTP/2.0');
      },
    },
  ],
);
feature(
  'HTTPRouteBackendProtocolWebSocket',
  [protocols('echo-ws', 'kubernetes.io/ws'), routeOf('ws', [{ backendRefs: [to('echo-ws')] }])],
  [
    {
      what: 'a WebSocket through the route',
      request: { url: 'ws://echo/' },
      check: (response) => {
        answers(200, 'v1')(response);
        assert.match(response.text, /Echo=HelloWorld/);
      },
    },
  ],
);

const grpcEcho = { service: 'proto.EchoTestService', method: 'Echo' };
const grpc = (headers: Readonly<Record<string, string>> = {}): EchoRequest => ({
  url: `grpc://echo:${GRPC_PORT}`,
  headers,
});
feature(
  'GRPCRouteMatching',
  [
    grpcRouteOf('calls', [
      {
        matches: [{ method: grpcEcho, headers: [{ name: 'version', value: 'two' }] }],
        backendRefs: [to('echo-v2', GRPC_PORT)],
      },
      { matches: [{ method: grpcEcho }], backendRefs: [to('echo-v1', GRPC_PORT)] },
    ]),
  ],
  [
    { what: 'a method', request: grpc(), check: answers(200, 'v1') },
    { what: 'a method and a header', request: grpc({ version: 'two' }), check: answers(200, 'v2') },
  ],
);
const modifier = {
  type: 'RequestHeaderModifier',
  requestHeaderModifier: {
    set: [{ name: 'x-set', value: 'set' }],
    add: [{ name: 'x-add', value: 'added' }],
    remove: ['x-remove'],
  },
};
feature(
  'GRPCRouteRequestHeaderModifier',
  [grpcRouteOf('headers', [{ filters: [modifier], backendRefs: [to('echo-v1', GRPC_PORT)] }])],
  [
    {
      what: 'fields are set, added and removed',
      request: grpc({ 'x-set': 'before', 'x-add': 'before', 'x-remove': 'before' }),
      check: (response) => {
        answers(200, 'v1')(response);
        const header = (name: string): string | undefined => response.requestHeaders.get(name);
        assert.deepEqual([header('x-set'), header('x-remove')], ['set', undefined]);
        assert.match(header('x-add') ?? '', /before, ?added/);
      },
    },
  ],
);
