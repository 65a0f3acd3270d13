import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServiceKey } from '../model/service.ts';
import { aRule } from '../testing/route-builder.ts';
import type { RouteBackend, ServiceBackend } from './backend.ts';
import { compileRule } from './compile-rule.ts';
import type { Session } from './decide-session.ts';
import { decideSessionBackend, type SessionPlace, sessionBackendName } from './decide-session-backend.ts';
import { type HttpMatch, NO_FILTERS } from './rule.ts';

const backend = (name: string, version: string | null = null): ServiceBackend => ({
  ...{ kind: 'service', service: parseServiceKey(`shop/${name}`), port: 80, version },
});
const to = (one: RouteBackend, weight: number) => ({ backend: one, weight, filters: NO_FILTERS });
const bound = (name: string): Session => ({
  ...{ kind: 'bound', target: { backend: name, endpoint: 'web-1' }, beganMs: 0, token: '', isCurrent: true },
});

test('decideSessionBackend() keeps to a backend of the rule, whatever its weight, as long as there is a place', () => {
  const backends = [
    to(backend('web', 'v1'), 9),
    to(backend('web', 'v2'), 0),
    to(backend('twice'), 0),
    to(backend('twice'), 3),
    to({ kind: 'invalid', reason: 'BackendNotFound' }, 1),
  ];
  const rule = compileRule(aRule<HttpMatch, RouteBackend>({ backends }), 'shop/r', 0);
  const table: readonly (readonly [what: string, session: Session, place: SessionPlace, index: number])[] = [
    ['its endpoint', bound('shop/web:80@v1'), 'endpoint', 0],
    ['its endpoint at weight 0', bound('shop/web:80@v2'), 'endpoint', 1],
    ['another endpoint of the same backend', bound('shop/web:80@v1'), 'others', 0],
    ['another endpoint at weight 0', bound('shop/web:80@v2'), 'others', -1],
    ['no endpoint', bound('shop/web:80@v1'), 'none', -1],
    ['named twice: the one with a weight', bound('shop/twice:80'), 'endpoint', 3],
    ['another version', bound('shop/web:80@v3'), 'endpoint', -1],
    ['no version', bound('shop/web:80'), 'endpoint', -1],
    ['another port', bound('shop/web:81@v1'), 'endpoint', -1],
    ['no session', { kind: 'none' }, 'endpoint', -1],
    ['one that does not count', { kind: 'refused', reason: 'expired' }, 'endpoint', -1],
  ];
  for (const [what, session, place, index] of table) {
    assert.equal(
      decideSessionBackend(rule, session, () => place),
      rule.backends[index] ?? null,
      what,
    );
  }
});

test('decideSessionBackend() asks for the endpoint by its name', () => {
  const rule = compileRule(aRule<HttpMatch, RouteBackend>({ backends: [to(backend('web'), 1)] }), 'shop/r', 0);
  const asked: unknown[] = [];
  decideSessionBackend(rule, bound('shop/web:80'), (...args) => {
    asked.push(args);
    return 'none';
  });
  assert.deepEqual(asked, [[backend('web'), 'web-1']]);
  assert.equal(sessionBackendName(backend('web', 'v1')), 'shop/web:80@v1');
});
