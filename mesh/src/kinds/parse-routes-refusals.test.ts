import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Json, routeManifest, versionRef } from '../testing/route-manifests.ts';
import { KindError } from './errors.ts';
import { parseObject } from './parse-object.ts';

test('parseObject refuses routes that no version of Gateway API allows', () => {
  const rule = (fields: Json): Json => ({ rules: [fields] });
  const match = (fields: Json): Json => rule({ matches: [fields] });
  const path = (value: string): Json => match({ path: { value } });
  const many = <T>(count: number, item: T): readonly T[] => Array.from({ length: count }, () => item);
  const plainPath = 'a path that begins with "/", without "//", "/./", "/../", "%2F" and characters that no path has';
  const table: readonly (readonly [spec: Json, message: string, kind?: string])[] = [
    [
      { rule: [] },
      'spec.rule is not a known field (did you mean rules?): expected one of parentRefs, useDefaultGateways, rules, hostnames',
    ],
    [{ rules: [] }, 'spec.rules must be left out, or at least one entry but is []'],
    [{ rules: many(17, {}) }, 'spec.rules must be a list of at most 16 but is'],
    [
      { hostnames: ['10.0.0.1'] },
      'spec.hostnames[0] must be a host name in lower case, which may begin with "*." and is no IP address but is "10.0.0.1"',
    ],
    [{ hostnames: ['a.*.b'] }, 'spec.hostnames[0] must be a host name in lower case'],
    [{ hostnames: ['Shop.example'] }, 'spec.hostnames[0] must be a host name in lower case'],
    [{ parentRefs: [{ name: 'A' }] }, 'spec.parentRefs[0].name must be the name of an object but is "A"'],
    [
      { parentRefs: [{ name: 'a', port: 0 }] },
      'spec.parentRefs[0].port must be a whole number from 1 to 65535 but is 0',
    ],
    [
      { parentRefs: [{ name: 'a' }, { name: 'a' }] },
      'spec.parentRefs must be a list whose references to one object all differ',
    ],
    [{ parentRefs: [{ name: 'a', port: 1 }, { name: 'a' }] }, 'spec.parentRefs must be a list whose references'],
    [{ parentRefs: many(33, { name: 'a' }) }, 'spec.parentRefs must be a list of at most 32'],
    [{ rules: [{ name: 'a' }, { name: 'a' }] }, 'spec.rules must be a list in which each name is used once'],
    [{ rules: many(3, { matches: many(64, {}) }) }, 'spec.rules'],
    [rule({ matches: many(65, {}) }), 'spec.rules[0].matches must be a list of at most 64'],
    [
      match({ headers: many(17, { name: 'a', value: 'b' }) }),
      'spec.rules[0].matches[0].headers must be a list of at most 16',
    ],
    [path('a'), `spec.rules[0].matches[0].path.value must be ${plainPath} but is "a"`],
    [path('/a//b'), `spec.rules[0].matches[0].path.value must be ${plainPath}`],
    [path('/a/../b'), `spec.rules[0].matches[0].path.value must be ${plainPath}`],
    [path('/a/.'), `spec.rules[0].matches[0].path.value must be ${plainPath}`],
    [path('/a%2fb'), `spec.rules[0].matches[0].path.value must be ${plainPath}`],
    [path('/a%5cb'), 'spec.rules[0].matches[0].path.value must be a path that servers can read in one way only'],
    [path('/a?b'), `spec.rules[0].matches[0].path.value must be ${plainPath}`],
    [path(`/${'a'.repeat(1024)}`), 'spec.rules[0].matches[0].path.value must be at most 1024 characters'],
    [
      match({ headers: [{ name: ':path', value: 'a' }] }),
      'spec.rules[0].matches[0].headers[0].name must be at most 256 of the characters',
    ],
    [match({ headers: [{ name: 'a' }] }), 'spec.rules[0].matches[0].headers[0].value is missing'],
    [
      match({ queryParams: [{ name: 'a', value: '' }] }),
      'spec.rules[0].matches[0].queryParams[0].value must be 1 to 1024 characters but is ""',
    ],
    [
      rule({ backendRefs: [{ name: 'a' }] }),
      'spec.rules[0].backendRefs[0].port is missing: expected the port of the Service',
    ],
    [rule({ backendRefs: [versionRef('a.v2', { port: undefined })] }), 'spec.rules[0].backendRefs[0].port is missing'],
    ...['a', 'a.', '.v2', 'A.v2', 'a.v2-', 'a.v 2', `a.${'v'.repeat(64)}`].map((name): readonly [Json, string] => [
      rule({ backendRefs: [versionRef(name)] }),
      'spec.rules[0].backendRefs[0].name must be SERVICE.VERSION',
    ]),
    [
      rule({ backendRefs: [{ name: 'a', port: 1, weight: -1 }] }),
      'spec.rules[0].backendRefs[0].weight must be a whole number from 0 to 1000000',
    ],
    [rule({ backendRefs: many(17, { name: 'a', port: 1 }) }), 'spec.rules[0].backendRefs must be a list of at most 16'],
    [
      rule({ filters: [{ type: 'RequestRedirect', requestRedirect: {} }], backendRefs: [{ name: 'a', port: 1 }] }),
      'spec.rules[0].backendRefs must be absent, when a RequestRedirect filter answers',
    ],
    [
      rule({ filters: [{ type: 'CORS' }] }),
      'spec.rules[0].filters[0].cors is missing: expected the settings of type CORS',
    ],
    [
      rule({ filters: [{ type: 'CORS', cors: {}, urlRewrite: {} }] }),
      'spec.rules[0].filters[0].urlRewrite must be absent, for type CORS',
    ],
    [
      rule({ filters: [{ type: 'CORS', cors: { allowOrigins: ['*', 'http://a'] } }] }),
      'spec.rules[0].filters[0].cors.allowOrigins must be only "*"',
    ],
    [
      rule({ filters: [{ type: 'CORS', cors: { allowOrigins: ['a.example'] } }] }),
      'spec.rules[0].filters[0].cors.allowOrigins[0] must be "*", or http://',
    ],
    [
      rule({ filters: [{ type: 'CORS', cors: { allowMethods: ['get'] } }] }),
      'spec.rules[0].filters[0].cors.allowMethods[0] must be one of *, GET',
    ],
    [
      rule({
        filters: [
          {
            type: 'RequestMirror',
            requestMirror: { backendRef: { name: 'a', port: 1 }, percent: 1, fraction: { numerator: 1 } },
          },
        ],
      }),
      'spec.rules[0].filters[0].requestMirror.percent must be absent beside fraction',
    ],
    [
      rule({
        filters: [
          {
            type: 'RequestMirror',
            requestMirror: { backendRef: { name: 'a', port: 1 }, fraction: { numerator: 2, denominator: 1 } },
          },
        ],
      }),
      'spec.rules[0].filters[0].requestMirror.fraction.numerator must be a whole number from 0 to 1',
    ],
    [
      rule({
        filters: [
          { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'a', value: 'b\r\nc: d' }] } },
        ],
      }),
      'spec.rules[0].filters[0].requestHeaderModifier.set[0].value must be 1 to 4096 visible characters, spaces inside',
    ],
    [
      rule({ filters: [{ type: 'URLRewrite', urlRewrite: { hostname: '*.a' } }] }),
      'spec.rules[0].filters[0].urlRewrite.hostname must be a host name in lower case, without "*" and no IP address',
    ],
    [
      rule({
        filters: [{ type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replacePrefixMatch: '/' } } }],
      }),
      'spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch must be absent, for type ReplaceFullPath',
    ],
    [
      rule({ timeouts: { request: '1' } }),
      'spec.rules[0].timeouts.request must be a duration such as 1m30s or 500ms but is "1"',
    ],
    [
      rule({ timeouts: { request: '1s', backendRequest: '2s' } }),
      'spec.rules[0].timeouts.backendRequest must be at most as long as request',
    ],
    [rule({ retry: { codes: [200] } }), 'spec.rules[0].retry.codes[0] must be a status from 400 to 599 but is 200'],
    [rule({ retry: { attempts: 0 } }), 'spec.rules[0].retry.attempts must be a whole number from 1'],
    [
      rule({ sessionPersistence: { type: 'Header', cookieConfig: {} } }),
      'spec.rules[0].sessionPersistence.cookieConfig must be absent, for type Header',
    ],
    [
      rule({ sessionPersistence: { cookieConfig: { lifetimeType: 'Permanent' } } }),
      'spec.rules[0].sessionPersistence.absoluteTimeout is missing: expected a duration, for a permanent cookie',
    ],
    [
      match({ method: {} }),
      'spec.rules[0].matches[0].method.service is missing: expected a text, unless method is one',
      'GRPCRoute',
    ],
    [
      match({ method: { service: 'a/b' } }),
      'spec.rules[0].matches[0].method.service must be the name of a gRPC service',
      'GRPCRoute',
    ],
    [{}, 'spec.rules is missing: expected a list with exactly one rule', 'TCPRoute'],
    [
      { rules: [{}, {}] },
      'spec.rules[0].backendRefs is missing: expected a list with at least one backend',
      'TCPRoute',
    ],
    [{ rules: [] }, 'spec.hostnames is missing: expected a list with at least one server name', 'TLSRoute'],
  ];
  for (const [spec, message, kind = 'HTTPRoute'] of table) {
    assert.throws(
      () => parseObject(routeManifest(kind, spec)),
      (error) => {
        assert.ok(error instanceof KindError, String(error));
        assert.ok(error.message.startsWith(message), `${error.message}\nis not\n${message}`);
        return true;
      },
    );
  }
});
