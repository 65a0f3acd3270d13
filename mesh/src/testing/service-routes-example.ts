import { parseServiceKey } from '../model/service.ts';
import type { RouteBackend } from '../routes/backend.ts';
import { type HttpMatch, NO_FILTERS, type RuleFilters } from '../routes/rule.ts';
import type { RouteGroup, ServiceRoutes } from '../routes/service-routes.ts';
import { aMatch, aRule, normalPath } from './route-builder.ts';

const V1: RouteBackend = { kind: 'service', service: parseServiceKey('shop/v1.example'), port: 80, version: '1.0' };
const ORIGIN = { namespace: 'shop', name: 'a', createdMs: 1_700_000_000_000, hostnames: [] };

const FILTERS: RuleFilters<RouteBackend> = {
  requestHeaders: { set: [{ name: 'x', value: '1' }], add: [{ name: 'y', value: '2' }], remove: ['z'] },
  responseHeaders: { set: [], add: [], remove: ['server'] },
  redirect: null,
  rewrite: { hostname: 'new.example', path: { kind: 'prefix', prefix: '/n' } },
  mirrors: [{ backend: V1, numerator: 1, denominator: 3 }],
  cors: {
    allowOrigins: ['https://a.example'],
    allowCredentials: true,
    allowMethods: ['GET'],
    allowHeaders: null,
    exposeHeaders: [],
    maxAgeSeconds: 5,
  },
};

const MATCHES: readonly HttpMatch[] = [
  aMatch({
    path: { kind: 'exact', path: normalPath('/a') },
    headers: [{ name: 'user-agent', value: { kind: 'regex', source: '.*Chrome.*' } }],
    queryParams: [{ name: 'Q', value: { kind: 'exact', value: '1' } }],
    method: 'GET',
  }),
  aMatch({ path: { kind: 'prefix', path: normalPath('/b') } }),
  aMatch({ path: { kind: 'regex', source: '/c.*' } }),
];

const HTTP: RouteGroup = {
  kind: 'http',
  routes: [
    {
      ...ORIGIN,
      rules: [
        aRule<HttpMatch, RouteBackend>({
          name: 'first',
          matches: MATCHES,
          filters: FILTERS,
          backends: [
            { backend: V1, weight: 9, filters: NO_FILTERS },
            { backend: { kind: 'invalid', reason: 'BackendNotFound' }, weight: 0, filters: FILTERS },
          ],
          timeouts: { requestMs: 10_000, backendRequestMs: 0 },
          retry: { codes: [500, 503], attempts: 2, backoffMs: 10 },
          session: { kind: 'cookie', name: 's', absoluteTimeoutMs: 3_600_000, permanent: true },
        }),
        aRule<HttpMatch, RouteBackend>({
          filters: {
            ...NO_FILTERS,
            redirect: {
              scheme: 'https',
              hostname: 'b.example',
              path: { kind: 'full', path: '/f' },
              port: 8443,
              statusCode: 302,
            },
          },
        }),
        aRule<HttpMatch, RouteBackend>({ fault: { reason: 'UnsupportedValue', message: 'spec.rules[2]: new' } }),
      ],
    },
  ],
};

const GRPC: RouteGroup = {
  kind: 'grpc',
  routes: [
    {
      ...ORIGIN,
      rules: [
        aRule({
          matches: [
            { service: { kind: 'exact', value: 'a.B' }, method: { kind: 'regex', source: 'G.*' }, headers: [] },
            { service: null, method: null, headers: [{ name: 'x', value: { kind: 'exact', value: '1' } }] },
          ],
        }),
      ],
    },
  ],
};

const STREAM: RouteGroup = {
  kind: 'stream',
  routes: [
    {
      routeKey: 'shop/s',
      serverNames: ['*.example'],
      backends: [{ backend: V1, weight: 1, filters: NO_FILTERS }],
    },
  ],
};

/** Routes of a service that say something in every field that a rule has. */
export const SERVICE_ROUTES: ServiceRoutes = {
  service: parseServiceKey('shop/web.example'),
  ports: new Map([
    [
      80,
      {
        producer: HTTP,
        consumers: new Map<string, RouteGroup>([
          ['other', GRPC],
          ['third', STREAM],
        ]),
      },
    ],
    [90, { producer: null, consumers: new Map([['other', HTTP]]) }],
  ]),
};
