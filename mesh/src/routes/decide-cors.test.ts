import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsFacts, decideCors } from './decide-cors.ts';
import type { CorsFilter } from './rule.ts';

const FILTER: CorsFilter = {
  allowOrigins: ['https://www.foo.com', 'https://*.bar.com'],
  allowCredentials: true,
  allowMethods: ['GET', 'OPTIONS'],
  allowHeaders: ['x-header-1', 'x-header-2'],
  exposeHeaders: ['x-header-3', 'x-header-4'],
  maxAgeSeconds: 3600,
};
const EVERYTHING: CorsFilter = {
  allowOrigins: null,
  allowCredentials: false,
  allowMethods: null,
  allowHeaders: null,
  exposeHeaders: null,
  maxAgeSeconds: 5,
};
const PREFLIGHT: CorsFacts = {
  method: 'OPTIONS',
  origin: 'https://www.foo.com',
  requestMethod: 'PUT',
  requestHeaders: 'x-header-1, x-header-2',
};
const SIMPLE: CorsFacts = { method: 'GET', origin: 'https://www.foo.com', requestMethod: null, requestHeaders: null };

/** The answer's headers, without `access-control-`, one a line. */
function told(filter: CorsFilter, facts: CorsFacts): readonly string[] {
  const decision = decideCors(filter, facts);
  const lines =
    decision.kind === 'none' ? [] : decision.kind === 'preflight' ? decision.headers : decision.edits.appended;
  return [decision.kind, ...lines.map(({ name, value }) => `${name.replace('access-control-', '')}: ${value}`)];
}

const VARY = 'vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers';

test('decideCors() answers preflight requests', () => {
  const table: readonly (readonly [
    what: string,
    filter: CorsFilter,
    facts: Partial<CorsFacts>,
    expected: readonly string[],
  ])[] = [
    [
      'an allowed origin',
      FILTER,
      {},
      [
        'preflight',
        'allow-origin: https://www.foo.com',
        'allow-credentials: true',
        'expose-headers: x-header-3, x-header-4',
        'allow-methods: GET, OPTIONS',
        'allow-headers: x-header-1, x-header-2',
        'max-age: 3600',
        VARY,
      ],
    ],
    ['another origin', FILTER, { origin: 'https://foobar.com' }, ['preflight', VARY]],
    [
      'everything, without credentials',
      EVERYTHING,
      {},
      ['preflight', 'allow-origin: *', 'expose-headers: *', 'allow-methods: *', 'allow-headers: *', 'max-age: 5', VARY],
    ],
    [
      'everything, with credentials: never a star',
      { ...EVERYTHING, allowCredentials: true },
      {},
      [
        'preflight',
        'allow-origin: https://www.foo.com',
        'allow-credentials: true',
        'allow-methods: PUT',
        'allow-headers: x-header-1, x-header-2',
        'max-age: 5',
        VARY,
      ],
    ],
    [
      'no headers asked for',
      EVERYTHING,
      { requestHeaders: null },
      ['preflight', 'allow-origin: *', 'expose-headers: *', 'allow-methods: *', 'max-age: 5', VARY],
    ],
    [
      'nothing listed',
      { ...FILTER, allowCredentials: false, allowMethods: [], allowHeaders: [], exposeHeaders: [] },
      {},
      ['preflight', 'allow-origin: https://www.foo.com', 'max-age: 3600', VARY],
    ],
    [
      'words that would become headers are not said back',
      { ...EVERYTHING, allowCredentials: true },
      { requestMethod: 'GET\r\nx: y', requestHeaders: 'a\r\nb: c' },
      ['preflight', 'allow-origin: https://www.foo.com', 'allow-credentials: true', 'max-age: 5', VARY],
    ],
    ['nor an origin', EVERYTHING, { origin: 'https://a\r\nb: c' }, ['preflight', VARY]],
  ];
  for (const [what, filter, facts, expected] of table) {
    assert.deepEqual(told(filter, { ...PREFLIGHT, ...facts }), expected, what);
  }
});

test('decideCors() changes responses to allowed and to other origins, and leaves the rest', () => {
  const allowed = [
    'response',
    'allow-origin: https://www.foo.com',
    'allow-credentials: true',
    'expose-headers: x-header-3, x-header-4',
    'vary: Origin',
  ];
  assert.deepEqual(told(FILTER, SIMPLE), allowed);
  assert.deepEqual(told(FILTER, { ...SIMPLE, method: 'OPTIONS' }), allowed);
  assert.deepEqual(told(FILTER, { ...SIMPLE, origin: 'https://foobar.com' }), ['response', 'vary: Origin']);
  assert.deepEqual(told(FILTER, { ...SIMPLE, origin: null }), ['none']);
  assert.deepEqual(told(FILTER, { ...PREFLIGHT, origin: null }), ['none']);
  const decision = decideCors(FILTER, SIMPLE);
  assert.deepEqual(decision.kind === 'response' && [...decision.edits.dropped], [
    'access-control-allow-origin',
    'access-control-allow-credentials',
    'access-control-expose-headers',
  ]);
});

test('decideCors() compares origins by scheme, host and port', () => {
  const table: readonly (readonly [allowed: string, origin: string, expected: boolean])[] = [
    ['https://www.foo.com', 'https://www.foo.com', true],
    ['https://www.foo.com', 'https://www.foo.com:443', true],
    ['https://www.foo.com:443', 'https://www.foo.com', true],
    ['https://www.foo.com', 'http://www.foo.com', false],
    ['https://www.foo.com', 'https://www.foo.com:8443', false],
    ['http://www.foo.com', 'http://www.foo.com:80', true],
    ['https://WWW.foo.com', 'https://www.foo.com', true],
    ['https://www.foo.com', 'https://www.foo.com.evil.com', false],
    ['https://www.foo.com', 'https://xwww.foo.com', false],
    ['https://*.bar.com', 'https://www.bar.com', true],
    ['https://*.bar.com', 'https://xpto.www.bar.com', true],
    ['https://*.bar.com', 'https://bar.com', false],
    ['https://*.bar.com', 'https://.bar.com', false],
    ['https://*.bar.com', 'https://evilbar.com', false],
    ['https://*.bar.com:8443', 'https://a.bar.com:8443', true],
    ['https://*', 'https://anything.example', true],
    ['https://*', 'http://anything.example', false],
    ['https://*', 'https://[fd00::1]', true],
    ['https://a.b', 'null', false],
    ['https://a.b', 'https://a.b/path', false],
    ['https://a.b', 'https://user@a.b', false],
  ];
  for (const [allowed, origin, expected] of table) {
    const lines = told({ ...FILTER, allowOrigins: [allowed] }, { ...SIMPLE, origin });
    assert.equal(lines.length > 2, expected, `${allowed} ${origin}`);
  }
  // A page without an origin of its own: everyone is everyone.
  assert.deepEqual(told(EVERYTHING, { ...SIMPLE, origin: 'null' })[1], 'allow-origin: *');
});
