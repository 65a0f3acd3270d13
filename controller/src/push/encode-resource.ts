import { hash } from 'node:crypto';
import { encodePushedObject, type PushedObject } from '@ambit/mesh/wire';
import type { PushResource } from './resource-store.ts';

/** Characters of a version: 96 bits of the content's hash, too many for two contents ever to share one by chance. */
const VERSION_LENGTH = 16;

/** Encodes once for all subscribers. The same content has the same version, in every process. */
export function encodeResource(object: PushedObject): PushResource {
  const encoded = encodePushedObject(object);
  const version = hash('sha256', encoded.value, 'base64url').slice(0, VERSION_LENGTH);
  return { ...encoded, version, backs: object.kind === 'workload' ? [...object.workload.services.keys()] : [] };
}

export function sameResource(before: PushResource, after: PushResource): boolean {
  return before.version === after.version && before.name === after.name;
}
