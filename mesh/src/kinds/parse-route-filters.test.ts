import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_FILTERS, parsed } from '../testing/parsed-routes.ts';
import type { Json } from '../testing/route-manifests.ts';

test('parseObject reads redirects and lists that are only "*"', () => {
  const filters = (filter: Json): unknown => {
    const rules = parsed('HTTPRoute', { rules: [{ filters: [filter] }] })['rules'];
    return Array.isArray(rules) && rules[0]?.filters;
  };
  const redirect = (requestRedirect: Json): unknown => filters({ type: 'RequestRedirect', requestRedirect });
  const none = { scheme: null, hostname: null, path: null, port: null, statusCode: 302 };
  const table: readonly (readonly [found: unknown, expected: Json])[] = [
    [redirect({}), { redirect: none }],
    [
      redirect({ scheme: 'https', hostname: 'a.example', port: 8443, statusCode: 308 }),
      { redirect: { ...none, scheme: 'https', hostname: 'a.example', port: 8443, statusCode: 308 } },
    ],
    [
      redirect({ path: { type: 'ReplaceFullPath', replaceFullPath: '' } }),
      { redirect: { ...none, path: { kind: 'full', path: '/' } } },
    ],
    [
      redirect({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new/' } }),
      { redirect: { ...none, path: { kind: 'prefix', prefix: '/new' } } },
    ],
    [
      filters({
        type: 'CORS',
        cors: { allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], exposeHeaders: ['*', 'a'] },
      }),
      {
        cors: {
          allowOrigins: null,
          allowCredentials: false,
          allowMethods: null,
          allowHeaders: null,
          exposeHeaders: null,
          maxAgeSeconds: 5,
        },
      },
    ],
  ];
  for (const [found, expected] of table) assert.deepEqual(found, { ...NO_FILTERS, ...expected });
});
