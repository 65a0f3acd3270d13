/** What a record is looked up by; the same text hashes differently for each. */
export const KEY = {
  uid: 1,
  address: 2,
  service: 3,
  hostname: 4,
  vip: 5,
  block: 6,
  endpoints: 7,
  part: 8,
  name: 9,
} as const;
export type KeyKind = (typeof KEY)[keyof typeof KEY];

const PRIME = 0x01000193;

/**
 * Hash of a key, as a number of 32 bits with a sign. The seed is secret to the process, so that whoever names things in the mesh cannot make
 * many of them meet.
 */
export function hashKey(seed: number, kind: KeyKind, text: string, more = ''): number {
  let hash = Math.imul(seed, PRIME) ^ kind;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  // Between the two: no text holds it.
  hash = Math.imul(hash ^ 0x10000, PRIME);
  for (let i = 0; i < more.length; i++) hash = Math.imul(hash ^ more.charCodeAt(i), PRIME);
  return mix(hash);
}

export function hashBytes(seed: number, kind: KeyKind, bytes: Uint8Array): number {
  let hash = Math.imul(seed, PRIME) ^ kind;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), PRIME);
  return mix(hash);
}

/** Lets every bit depend on every other: tables use the low ones. */
function mix(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
