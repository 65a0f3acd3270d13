import type { ObjectMeta } from '../kinds/objects.ts';
import type { Json } from './route-manifests.ts';

/** An object of the core group as it is written. */
export function core(kind: string, rest: Json = {}, metadata: Json = {}): Json {
  return { apiVersion: 'v1', kind, metadata: { name: 'a', namespace: 'ns', ...metadata }, ...rest };
}

/** What is read of metadata that has a name and a namespace only. */
export const META: ObjectMeta = {
  name: 'a',
  namespace: 'ns',
  uid: '',
  labels: new Map(),
  annotations: new Map(),
  creationTimestampMs: 0,
  generation: 0,
};
