import assert from 'node:assert/strict';
import { parseObject } from '../kinds/parse-object.ts';
import { type Json, routeManifest } from './route-manifests.ts';

/** The route without what every object has. */
export function parsed(kind: string, spec: Json): Json {
  const object = parseObject(routeManifest(kind, spec));
  assert.ok(object !== null);
  const { kind: _kind, meta: _meta, ...rest } = object;
  return rest;
}

/** The filters of a rule, or of a backend, that has none. */
export const NO_FILTERS: Json = {
  requestHeaders: null,
  responseHeaders: null,
  redirect: null,
  rewrite: null,
  mirrors: [],
  cors: null,
};
