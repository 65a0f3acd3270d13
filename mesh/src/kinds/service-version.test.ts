import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsed } from '../testing/parsed-routes.ts';
import { type Json, versionRef } from '../testing/route-manifests.ts';
import { parseServiceVersion } from './service-version.ts';

test('parseServiceVersion() parts the name of a Service from its version', () => {
  const table: readonly (readonly [name: string, service: string, version: string])[] = [
    ['web.v2', 'web', 'v2'],
    ['web.1.2.3', 'web', '1.2.3'],
    ['my-web.A_b', 'my-web', 'A_b'],
  ];
  for (const [name, service, text] of table) {
    assert.deepEqual(parseServiceVersion(name), { service, version: text });
    const rules = [{ backendRefs: [versionRef(name)] }];
    const { name: kept } = pick(parsed('HTTPRoute', { rules }));
    assert.equal(kept, name);
  }
});

function pick(spec: Json): Json {
  const { rules } = spec as { readonly rules: readonly { readonly backends: readonly { readonly backend: Json }[] }[] };
  return rules[0]?.backends[0]?.backend ?? {};
}
