import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMatch, aRequest, aRule, normalPath } from '../testing/route-builder.ts';
import { literalPrefix } from './candidate.ts';
import { queryParam } from './query-param.ts';
import type { RouteRequest } from './route-request.ts';
import { type AttachedHttpRoute, compileGrpcRoutes, compileHttpRoutes } from './route-table.ts';
import type { GrpcMatch, HttpMatch, PathMatch, TextMatch } from './rule.ts';

const exact = (path: string): PathMatch => ({ kind: 'exact', path: normalPath(path) });
const prefix = (path: string): PathMatch => ({ kind: 'prefix', path: normalPath(path) });
const regex = (source: string): PathMatch => ({ kind: 'regex', source });
const text = (value: string): TextMatch => ({ kind: 'exact', value });
const header = (name: string, value: string) => ({ name, value: text(value) });

/** A route whose rules are named by what they are for; each rule has the matches given. */
function route(
  rules: Readonly<Record<string, readonly Partial<HttpMatch>[]>>,
  fields: Partial<AttachedHttpRoute<string>> = {},
): AttachedHttpRoute<string> {
  const built = Object.entries(rules).map(([name, matches]) => aRule({ name, matches: matches.map(aMatch) }));
  return { namespace: 'shop', name: 'r', createdMs: 0, hostnames: [], rules: built, ...fields };
}

function matched(routes: readonly AttachedHttpRoute<string>[], request: RouteRequest): string | null {
  return compileHttpRoutes(routes).match(request)?.rule.name ?? null;
}

test('match() compares paths by whole segments and prefers the more specific', () => {
  const routes = [
    route({
      root: [{}],
      foo: [{ path: prefix('/foo') }],
      'foo/bar': [{ path: prefix('/foo/bar') }],
      'exactly foo': [{ path: exact('/foo') }],
      'exactly root': [{ path: exact('/') }],
      regex: [{ path: regex('/foo/[a-z]+/x|/[0-9]+') }],
    }),
  ];
  const table: readonly (readonly [path: string, expected: string])[] = [
    ['/', 'exactly root'],
    ['/other', 'root'],
    ['/foo', 'exactly foo'],
    ['/foo/', 'foo'],
    ['/foobar', 'root'],
    ['/FOO', 'root'],
    ['/foo/baz', 'foo'],
    ['/foo/bar', 'foo/bar'],
    ['/foo/bar/', 'foo/bar'],
    ['/foo/bar/x', 'foo/bar'],
    ['/foo/barx', 'foo'],
    ['/42', 'regex'],
    ['/42/', 'root'],
    ['/%66oo/./bar', 'foo/bar'],
  ];
  for (const [path, expected] of table) assert.equal(matched(routes, aRequest(path)), expected, path);
  assert.equal(matched([route({ foo: [{ path: prefix('/foo') }] })], aRequest('/')), null);
  assert.equal(matched([], aRequest('/')), null);
});

test('match() goes by path, method, headers, query, age, name and order, in this order', () => {
  const v1 = header('version', 'one');
  const animal = header('animal', 'whale');
  const get = aRequest('/a/b?animal=whale', { headers: { version: 'one', x: '1' } });
  const older = { createdMs: 1, namespace: 'z', name: 'z' };
  const table: readonly (readonly [what: string, expected: string, routes: readonly AttachedHttpRoute<string>[]])[] = [
    [
      'a longer prefix wins over a method',
      'long',
      [route({ method: [{ path: prefix('/a'), method: 'GET' }], long: [{ path: prefix('/a/b') }] })],
    ],
    [
      'a method over headers',
      'method',
      [route({ headers: [{ headers: [v1, header('x', '1')] }], method: [{ method: 'GET' }] })],
    ],
    [
      'more headers over fewer',
      'two',
      [route({ one: [{ headers: [v1], queryParams: [animal] }], two: [{ headers: [v1, header('x', '1')] }] })],
    ],
    [
      'headers over query parameters',
      'header',
      [route({ query: [{ queryParams: [animal] }], header: [{ headers: [v1] }] })],
    ],
    ['a query parameter over none', 'query', [route({ none: [{}], query: [{ queryParams: [animal] }] })]],
    [
      'an older route over the names',
      'old',
      [route({ young: [{}] }, { createdMs: 2, name: 'a' }), route({ old: [{}] }, older)],
    ],
    [
      'the first namespace, then name',
      'first',
      [
        route({ second: [{}] }, { name: 'b' }),
        route({ first: [{}] }, { name: 'a' }),
        route({ third: [{}] }, { namespace: 'zoo', name: 'a' }),
      ],
    ],
    ['the first rule of one route', 'first', [route({ first: [{}], second: [{}] })]],
    [
      'a rule whose second match is the better one',
      'second',
      [route({ first: [{ path: prefix('/a') }], second: [{}, { path: prefix('/a/b') }] })],
    ],
    [
      'what does not hold does not count',
      'plain',
      [route({ plain: [{}], post: [{ method: 'POST' }], header: [{ headers: [header('version', 'two')] }] })],
    ],
  ];
  for (const [what, expected, routes] of table) {
    assert.equal(matched(routes, get), expected, what);
    assert.equal(matched(routes.toReversed(), get), expected, `${what}, the other way round`);
  }
});

test('match() prefers the hostname that says more, and falls back when no rule of it matches', () => {
  const routes = [
    route({ all: [{}] }),
    route({ wide: [{}] }, { name: 'wide', hostnames: ['*.example'] }),
    route({ narrow: [{ path: prefix('/n') }] }, { name: 'narrow', hostnames: ['*.shop.example', 'shop.example'] }),
    route({ one: [{ path: prefix('/one') }] }, { name: 'one', hostnames: ['web.shop.example'] }),
  ];
  const table: readonly (readonly [host: string, path: string, expected: string])[] = [
    ['web.shop.example', '/one', 'one'],
    ['web.shop.example', '/n', 'narrow'],
    ['web.shop.example', '/', 'wide'],
    ['a.b.shop.example', '/n', 'narrow'],
    ['shop.example', '/n', 'narrow'],
    ['shop.example', '/', 'wide'],
    ['.example', '/', 'all'],
    ['example', '/', 'all'],
    ['10.0.0.1', '/', 'all'],
    ['', '/', 'all'],
  ];
  for (const [host, path, expected] of table) {
    assert.equal(matched(routes, aRequest(path, { host })), expected, `${host}${path}`);
  }
});

test('match() compares headers and query parameters', () => {
  const one = (match: Partial<HttpMatch>, request: RouteRequest): boolean =>
    matched([route({ one: [match] })], request) !== null;
  const userAgent = { name: 'user-agent', value: { kind: 'regex', source: '.*Chrome/[0-9]+.*' } } as const;
  const table: readonly (readonly [match: Partial<HttpMatch>, request: RouteRequest, expected: boolean])[] = [
    [{ headers: [header('a', '1')] }, aRequest('/', { headers: { a: '1' } }), true],
    [{ headers: [header('a', '1')] }, aRequest('/', { headers: { a: '1, 2' } }), false],
    [{ headers: [header('a', '1')] }, aRequest('/'), false],
    [{ headers: [userAgent] }, aRequest('/', { headers: { 'user-agent': 'X Chrome/126 Y' } }), true],
    [{ headers: [userAgent] }, aRequest('/', { headers: { 'user-agent': 'Firefox' } }), false],
    [{ queryParams: [header('a', '1')] }, aRequest('/?b=2&a=1'), true],
    [{ queryParams: [header('a', '1')] }, aRequest('/?a=2&a=1'), false],
    [{ queryParams: [header('a', 'x y')] }, aRequest('/?a=x%20y'), true],
    [{ queryParams: [header('a', 'x y')] }, aRequest('/?a=x+y'), true],
    [{ queryParams: [header('A', '1')] }, aRequest('/?a=1'), false],
    [{ queryParams: [{ name: 'a', value: { kind: 'regex', source: '[0-9]*' } }] }, aRequest('/?a'), true],
    [{ queryParams: [header('a', '1')] }, aRequest('/'), false],
  ];
  for (const [match, request, expected] of table) {
    assert.equal(one(match, request), expected, `${JSON.stringify(match)} ${request.query}`);
  }
});

test('match() finds among many rules of one path the one whose header says so, in order of precedence', () => {
  const tenants = Array.from({ length: 50 }, (_, index) => `t${index}`);
  const rules: Record<string, readonly Partial<HttpMatch>[]> = { rest: [{}] };
  for (const tenant of tenants) rules[tenant] = [{ headers: [header('tenant', tenant)] }];
  rules['t7 of the beta'] = [{ headers: [header('tenant', 't7'), header('beta', 'yes')] }];
  rules['any beta'] = [{ headers: [header('beta', 'yes')] }];
  const routes = [route(rules)];
  const table: readonly (readonly [headers: Readonly<Record<string, string>>, expected: string])[] = [
    [{ tenant: 't7' }, 't7'],
    [{ tenant: 't49' }, 't49'],
    [{ tenant: 't7', beta: 'yes' }, 't7 of the beta'],
    [{ tenant: 't8', beta: 'yes' }, 't8'],
    [{ tenant: 'nobody', beta: 'yes' }, 'any beta'],
    [{ tenant: 'nobody' }, 'rest'],
    [{}, 'rest'],
  ];
  for (const [headers, expected] of table) assert.equal(matched(routes, aRequest('/', { headers })), expected);
});

test('match() finds among many rules of one path the one whose query says so', () => {
  const rules: Record<string, readonly Partial<HttpMatch>[]> = {
    rest: [{}],
    mobile: [{ headers: [header('app', 'm')] }],
  };
  for (let page = 0; page < 50; page++) rules[`p${page}`] = [{ queryParams: [header('page', `${page}`)] }];
  const routes = [route(rules)];
  const table: readonly (readonly [url: string, headers: Readonly<Record<string, string>>, expected: string])[] = [
    ['/?page=7', {}, 'p7'],
    ['/?a=b&page=%34%39', {}, 'p49'],
    ['/?page=7', { app: 'm' }, 'mobile'],
    ['/?page=50', {}, 'rest'],
    ['/', {}, 'rest'],
  ];
  for (const [url, headers, expected] of table)
    assert.equal(matched(routes, aRequest(url, { headers })), expected, url);
});

test('a match tells the prefix that matched', () => {
  const table = compileHttpRoutes([
    route({ a: [{ path: prefix('/a/b') }], x: [{ path: exact('/x') }], r: [{ path: regex('/r.*') }], rest: [{}] }),
  ]);
  const found = ['/a/b/c', '/x', '/rest', '/'].map((path) => table.match(aRequest(path))?.prefix);
  assert.deepEqual(found, ['/a/b', '/x', '/', '/']);
});

test('compileGrpcRoutes() prefers service, then method, then headers', () => {
  const call = (
    service: TextMatch | null,
    method: TextMatch | null = null,
    headers: HttpMatch['headers'] = [],
  ): GrpcMatch => ({
    service,
    method,
    headers,
  });
  const regexOf = (source: string): TextMatch => ({ kind: 'regex', source });
  const rules: readonly (readonly [string, GrpcMatch])[] = [
    ['all', call(null)],
    ['method', call(null, text('Add'))],
    ['service', call(text('shop.Cart'))],
    ['service and header', call(text('shop.Cart'), null, [header('v', '2')])],
    ['both', call(text('shop.Cart'), text('Add'))],
    ['regex', call(regexOf('admin\\..*'))],
    ['both regex', call(regexOf('admin\\..*'), regexOf('Get.*'))],
  ];
  const table = compileGrpcRoutes([
    {
      namespace: 'shop',
      name: 'r',
      createdMs: 0,
      hostnames: [],
      rules: rules.map(([name, match]) => aRule<GrpcMatch>({ name, matches: [match] })),
    },
  ]);
  const cases: readonly (readonly [path: string, headers: Readonly<Record<string, string>>, expected: string])[] = [
    ['/shop.Cart/Add', {}, 'both'],
    ['/shop.Cart/Add', { v: '2' }, 'both'],
    ['/shop.Cart/Get', {}, 'service'],
    ['/shop.Cart/Get', { v: '2' }, 'service and header'],
    ['/shop.Carts/Get', {}, 'all'],
    ['/shop.Other/Add', {}, 'method'],
    ['/admin.Users/Delete', {}, 'regex'],
    ['/admin.Users/GetOne', {}, 'both regex'],
    ['/admin.Users/Add', {}, 'regex'],
    ['/nonsense', {}, 'all'],
  ];
  for (const [path, headers, expected] of cases) {
    assert.equal(table.match(aRequest(path, { headers }))?.rule.name, expected, path);
  }
});

test('queryParam() and literalPrefix() read what is there', () => {
  const params: readonly (readonly [query: string, name: string, expected: string | null])[] = [
    ['', 'a', null],
    ['a=1', 'a', '1'],
    ['a', 'a', ''],
    ['a=', 'a', ''],
    ['&&a=1', 'a', '1'],
    ['b&a=1=2', 'a', '1=2'],
    ['%61=%31', 'a', '1'],
    ['a=%zz', 'a', '%zz'],
    ['a=%ff', 'a', '%ff'],
    ['aa=1', 'a', null],
    ['=x', '', 'x'],
  ];
  for (const [query, name, expected] of params) assert.equal(queryParam(query, name), expected, query);
  const prefixes: readonly (readonly [source: string, expected: string])[] = [
    ['/api/v[0-9]+', '/api/v'],
    ['^/api/.*', '/api/'],
    ['/ab*', '/a'],
    ['/ab?c', '/a'],
    ['/ab{0,2}', '/a'],
    ['/ab+', '/a'],
    ['/a|/b', ''],
    ['(?i)/a', ''],
    ['.*', ''],
    ['*', ''],
    ['/a\\.b', '/a'],
    ['/plain', '/plain'],
    ['/é?', '/'],
    ['/😀?x', '/'],
  ];
  for (const [source, expected] of prefixes) assert.equal(literalPrefix(source), expected, source);
});
