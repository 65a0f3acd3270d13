import type { FieldReader } from './field-reader.ts';
import { parseMeta } from './parse-meta.ts';
import { parseGroup, parseKindName, parseName, parseNamespace } from './parse-route-refs.ts';
import { ROUTE_LIMITS } from './route-limits.ts';
import type { ReferenceGrant } from './route-objects.ts';

/** gateway.networking.k8s.io/v1 ReferenceGrant. An unknown field is an error: a grant must not be wider than meant. @throws KindError. */
export function parseReferenceGrant(object: FieldReader): ReferenceGrant {
  object.allowOnly(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const meta = parseMeta(object, 'namespaced');
  const spec = object.object('spec') ?? object.fail('spec', 'an object with from and to');
  spec.allowOnly(['from', 'to']);
  const from = spec.objects(
    'from',
    (reader) => {
      reader.allowOnly(['group', 'kind', 'namespace']);
      return { group: parseGroup(reader), kind: parseKindName(reader), namespace: parseNamespace(reader) };
    },
    ROUTE_LIMITS.grantEntries,
  );
  const to = spec.objects(
    'to',
    (reader) => {
      reader.allowOnly(['group', 'kind', 'name']);
      const name = reader.text('name', '') === '' ? null : parseName(reader);
      return { group: parseGroup(reader), kind: parseKindName(reader), name };
    },
    ROUTE_LIMITS.grantEntries,
  );
  if (from.length === 0) spec.fail('from', 'a list with at least one entry');
  if (to.length === 0) spec.fail('to', 'a list with at least one entry');
  return { kind: 'ReferenceGrant', meta, from, to };
}
