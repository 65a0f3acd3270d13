import { KubeApiError } from './errors.ts';
import type { KubeResource } from './kube-client.ts';

/** What a path leads to: a collection, one object, or a part of one. */
export interface ApiTarget {
  /** Empty: all namespaces, or the kind has none. */
  readonly namespace: string;
  readonly name?: string;
  readonly subresource?: string;
}

export type ApiQuery = Readonly<Record<string, string | undefined>>;

/** The API server decodes a path before it splits it, so these would change which object is meant. */
const SEGMENT = /^(?!\.{1,2}$)[^/%]{1,253}$/;

/** @throws KubeApiError `invalid` when a part is empty or could be read as more than one part. */
export function apiPath(resource: KubeResource, target: ApiTarget, query: ApiQuery = {}): string {
  const { group, version, plural, scope } = resource;
  const segments = group === '' ? ['api', version] : ['apis', group, version];
  if (scope === 'namespaced' && target.namespace !== '') segments.push('namespaces', target.namespace);
  else if (scope === 'namespaced' && target.name !== undefined) refuse(plural, 'namespace', target.namespace);
  segments.push(plural);
  if (target.name !== undefined) segments.push(target.name);
  if (target.subresource !== undefined) segments.push(target.subresource);
  for (const segment of segments) if (!SEGMENT.test(segment)) refuse(plural, 'name', segment);
  const parameters = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  const path = `/${segments.map(encodeURIComponent).join('/')}`;
  return parameters.length === 0 ? path : `${path}?${parameters.join('&')}`;
}

function refuse(plural: string, field: string, value: string): never {
  const data = { resource: plural, field, value: value.slice(0, 300), expected: 'a name without "/" and "%"' };
  throw new KubeApiError('invalid', { data });
}
