import { certificateBlocks } from './certificate-blocks.ts';
import type { FieldReader } from './field-reader.ts';
import type { ConfigMap } from './objects.ts';
import { parseMeta } from './parse-meta.ts';

/** Of the text of key `ca.crt`: twice the public authorities of a browser. */
export const AUTHORITIES_LENGTH_MAX: number = 512 * 1024;

const AUTHORITIES_KEY = 'ca.crt';
const NOTHING: ReadonlyMap<string, string> = new Map();

/**
 * v1 ConfigMap. Most of them are not meant for us: what cannot be used of one is no error, and nothing but its certificates
 * is kept. @throws KindError when it has no name, or data that no ConfigMap has.
 */
export function parseConfigMap(object: FieldReader): ConfigMap {
  const { name, namespace, uid } = parseMeta(object, 'namespaced');
  return {
    kind: 'ConfigMap',
    meta: { name, namespace, uid, labels: NOTHING, annotations: NOTHING, creationTimestampMs: 0, generation: 0 },
    authorities: readAuthorities(object),
  };
}

function readAuthorities(object: FieldReader): ConfigMap['authorities'] {
  const text = object.object('data')?.raw(AUTHORITIES_KEY);
  if (typeof text !== 'string') return { kind: 'none', reason: `it has no text under key ${AUTHORITIES_KEY}` };
  if (text.length > AUTHORITIES_LENGTH_MAX) {
    return { kind: 'none', reason: `its ${AUTHORITIES_KEY} is longer than ${AUTHORITIES_LENGTH_MAX} characters` };
  }
  const blocks = certificateBlocks(text);
  return blocks === null
    ? { kind: 'none', reason: `its ${AUTHORITIES_KEY} is not made of certificates in PEM` }
    : { kind: 'pem', pem: blocks.join('') };
}
