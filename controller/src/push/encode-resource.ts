import { hash } from 'node:crypto';
import { type DiscoveryResource, encodePushedObject, type PushedObject } from '@ambit/mesh/wire';
import type { PushResource } from './resource-store.ts';

/** Characters of a version: 96 bits of the content's hash, too many for two contents ever to share one by chance. */
const VERSION_LENGTH = 16;

/**
 * Encodes once for all subscribers. The same content has the same version, in every process. What only the node of a
 * workload may know is in the bytes for that node alone.
 */
export function encodeResource(object: PushedObject): PushResource {
  if (object.kind !== 'workload') return { ...encodeVersioned(object), backs: [] };
  const { probes, ...workload } = object.workload;
  const forAll = { ...encodeVersioned({ kind: 'workload', workload }), backs: [...workload.services.keys()] };
  if (probes === undefined || workload.node === '') return forAll;
  const { version, value } = encodeVersioned(object);
  return { ...forAll, forNode: { node: workload.node, version, value } };
}

function encodeVersioned(object: PushedObject): DiscoveryResource {
  const encoded = encodePushedObject(object);
  return { ...encoded, version: hash('sha256', encoded.value, 'base64url').slice(0, VERSION_LENGTH) };
}

export function sameResource(before: PushResource, after: PushResource): boolean {
  return (
    before.version === after.version &&
    before.name === after.name &&
    before.forNode?.node === after.forNode?.node &&
    before.forNode?.version === after.forNode?.version
  );
}
