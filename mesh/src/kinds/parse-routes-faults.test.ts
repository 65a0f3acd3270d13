import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsed } from '../testing/parsed-routes.ts';
import type { Json } from '../testing/route-manifests.ts';

test('parseObject keeps a rule with something unknown, with its fault and what could be read of its matches', () => {
  const faultOf = (rule: Json, kind = 'HTTPRoute'): unknown => {
    const rules = parsed(kind, { rules: [rule] })['rules'];
    return Array.isArray(rules) && [rules[0].fault, rules[0].matches.length];
  };
  const unsupported = (message: string, matches = 1): unknown => [{ reason: 'UnsupportedValue', message }, matches];
  const filter = (type: string, more: Json = {}): Json => ({ filters: [{ type, ...more }] });
  const known = 'RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite, RequestMirror, CORS';
  const table: readonly (readonly [found: unknown, expected: unknown])[] = [
    [
      faultOf(filter('ExtensionRef', { extensionRef: { group: 'x.example', kind: 'Y', name: 'z' } })),
      unsupported(
        `spec.rules[0].filters[0].type "ExtensionRef" is not supported: no filter is known by reference; use ${known}`,
      ),
    ],
    [
      faultOf(filter('ExternalAuth', { externalAuth: {} })),
      unsupported(`spec.rules[0].filters[0].type "ExternalAuth" is not supported: this version knows ${known}`),
    ],
    [
      faultOf(filter('URLRewrite', { urlRewrite: {} }), 'GRPCRoute'),
      unsupported(
        'spec.rules[0].filters[0].type "URLRewrite" is not supported: this version knows RequestHeaderModifier, ResponseHeaderModifier, RequestMirror',
      ),
    ],
    [
      faultOf({ backendRefs: [{ name: 'web', port: 80, filters: [{ type: 'New' }] }] }),
      unsupported(`spec.rules[0].backendRefs[0].filters[0].type "New" is not supported: this version knows ${known}`),
    ],
    [
      faultOf({ matches: [{ path: { type: 'Glob', value: '/a' } }, { method: 'GET' }] }),
      unsupported(
        'spec.rules[0].matches[0].path.type "Glob" is not supported: this version knows Exact, PathPrefix, RegularExpression',
      ),
    ],
    [
      faultOf({ matches: [{ headers: [{ name: 'a', type: 'RegularExpression', value: '(a' }] }] }),
      unsupported(
        'spec.rules[0].matches[0].headers[0].value "(a" is not supported: an RE2 expression is expected: error parsing regexp: missing closing ): `(a`',
        0,
      ),
    ],
    [
      faultOf({ matches: [{ method: 'PURGE' }] }),
      unsupported(
        'spec.rules[0].matches[0].method "PURGE" is not supported: this version knows GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH',
        0,
      ),
    ],
    [
      faultOf({
        filters: [
          { type: 'CORS', cors: {} },
          { type: 'CORS', cors: {} },
        ],
      }),
      unsupported('spec.rules[0].filters[1].type "CORS" is not supported: only RequestMirror may be repeated'),
    ],
    [
      faultOf(filter('RequestRedirect', { requestRedirect: { statusCode: 418 } })),
      unsupported(
        'spec.rules[0].filters[0].requestRedirect.statusCode 418 is not supported: this version knows 301, 302, 303, 307, 308',
      ),
    ],
    [
      faultOf(filter('RequestHeaderModifier', { requestHeaderModifier: { set: [{ name: 'Host', value: 'a' }] } })),
      unsupported(
        'spec.rules[0].filters[0].requestHeaderModifier.set [{"name":"Host","value":"a"}] is not supported: a host is changed by URLRewrite',
      ),
    ],
    [
      faultOf(filter('ResponseHeaderModifier', { responseHeaderModifier: { remove: ['Content-Length'] } })),
      unsupported(
        'spec.rules[0].filters[0].responseHeaderModifier.remove ["Content-Length"] is not supported: content-length belongs to the connection',
      ),
    ],
    [
      faultOf(
        filter('RequestHeaderModifier', {
          requestHeaderModifier: { set: [{ name: 'a', value: 'b' }], remove: ['A'] },
        }),
      ),
      unsupported(
        'spec.rules[0].filters[0].requestHeaderModifier.set [{"name":"a","value":"b"}] is not supported: a may be named once in set, add and remove together',
      ),
    ],
    [
      faultOf(filter('URLRewrite', { urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/a?b' } } })),
      unsupported(
        'spec.rules[0].filters[0].urlRewrite.path.replaceFullPath "/a?b" is not supported: a path begins with "/" and has neither query nor fragment',
      ),
    ],
    [
      faultOf({ retry: { attempts: 26 } }),
      unsupported('spec.rules[0].retry.attempts 26 is not supported: at most 25 are possible'),
    ],
    [
      faultOf({ sessionPersistence: { sessionName: 'a b' } }),
      unsupported(
        'spec.rules[0].sessionPersistence.sessionName "a b" is not supported: it becomes the name of a cookie or header, which has letters, digits and a few signs',
      ),
    ],
    [
      faultOf({
        filters: [
          { type: 'RequestRedirect', requestRedirect: {} },
          { type: 'URLRewrite', urlRewrite: {} },
        ],
      }),
      [
        { reason: 'IncompatibleFilters', message: 'spec.rules[0]: RequestRedirect and URLRewrite exclude each other' },
        1,
      ],
    ],
    [
      faultOf({
        matches: [{ path: { value: '/a' } }, { path: { value: '/b' } }],
        filters: [
          { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/c' } } },
        ],
      }),
      unsupported('spec.rules[0]: ReplacePrefixMatch needs exactly one match, of type PathPrefix', 2),
    ],
  ];
  for (const [found, expected] of table) assert.deepEqual(found, expected);
});
