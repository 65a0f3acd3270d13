import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalPath } from '../testing/route-builder.ts';
import { decideRedirect, type RedirectFacts } from './decide-redirect.ts';
import { decideRewrite } from './decide-rewrite.ts';
import type { RedirectFilter } from './rule.ts';

const FILTER: RedirectFilter = { scheme: null, hostname: null, path: null, port: null, statusCode: 302 };
const FACTS: RedirectFacts = {
  scheme: 'http',
  host: 'web',
  listenerPort: 80,
  path: normalPath('/a/b'),
  query: '',
  matched: '/a',
};

test('decideRedirect() says where to', () => {
  const table: readonly (readonly [
    filter: Partial<RedirectFilter>,
    facts: Partial<RedirectFacts>,
    location: string,
  ])[] = [
    [{}, {}, 'http://web/a/b'],
    [{}, { query: 'x=1&y' }, 'http://web/a/b?x=1&y'],
    [{}, { host: 'Web.Example' }, 'http://Web.Example/a/b'],
    [{}, { host: '[fd00::1]', listenerPort: 8080 }, 'http://[fd00::1]:8080/a/b'],
    [{ hostname: 'example.org' }, {}, 'http://example.org/a/b'],
    [{ hostname: 'example.org' }, { listenerPort: 8080 }, 'http://example.org:8080/a/b'],
    [{}, { scheme: 'https', listenerPort: 443 }, 'https://web/a/b'],
    [{}, { scheme: 'https', listenerPort: 80 }, 'https://web:80/a/b'],
    [{ scheme: 'https' }, {}, 'https://web/a/b'],
    [{ scheme: 'https' }, { listenerPort: 8080 }, 'https://web/a/b'],
    [{ scheme: 'http' }, { scheme: 'https', listenerPort: 443 }, 'http://web/a/b'],
    [{ port: 8083 }, {}, 'http://web:8083/a/b'],
    [{ port: 80 }, { listenerPort: 8080 }, 'http://web/a/b'],
    [{ port: 443 }, {}, 'http://web:443/a/b'],
    [{ scheme: 'https', port: 443 }, {}, 'https://web/a/b'],
    [{ scheme: 'https', port: 80 }, {}, 'https://web:80/a/b'],
    [{ path: { kind: 'full', path: '/new' } }, { query: 'q' }, 'http://web/new?q'],
    [{ path: { kind: 'prefix', prefix: '/new' } }, {}, 'http://web/new/b'],
    [{ path: { kind: 'prefix', prefix: '' } }, { path: normalPath('/a') }, 'http://web/'],
  ];
  for (const [filter, facts, location] of table) {
    const answer = decideRedirect({ ...FILTER, ...filter }, { ...FACTS, ...facts });
    assert.deepEqual(answer, { status: 302, location }, JSON.stringify([filter, facts]));
  }
  assert.equal(decideRedirect({ ...FILTER, statusCode: 308 }, FACTS).status, 308);
});

test('decideRewrite() says what the backend gets', () => {
  const path = normalPath('/a/b');
  assert.deepEqual(decideRewrite(null, path, '/a'), { host: null, path: '/a/b' });
  assert.deepEqual(decideRewrite({ hostname: 'x.example', path: null }, path, '/a'), {
    host: 'x.example',
    path: '/a/b',
  });
  assert.deepEqual(decideRewrite({ hostname: null, path: { kind: 'prefix', prefix: '/c' } }, path, '/a'), {
    host: null,
    path: '/c/b',
  });
});
