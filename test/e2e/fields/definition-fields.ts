import { readFileSync } from 'node:fs';
import { fieldOf } from './fields.ts';

/** Kinds of Gateway API of which fields have scenarios, by how their definitions are named. */
export const DEFINITIONS: Readonly<Record<string, string>> = {
  backendtlspolicies: 'BackendTLSPolicy',
  gateways: 'Gateway',
  grpcroutes: 'GRPCRoute',
  httproutes: 'HTTPRoute',
  referencegrants: 'ReferenceGrant',
  tcproutes: 'TCPRoute',
  tlsroutes: 'TLSRoute',
};

const FILE = new URL('gateway-api-fields.json', import.meta.url);

/**
 * Fields of a kind of Gateway API, in the version that Ambit is for and in whichever channel. `gateway-api-fields.kube.test.ts`
 * compares the file with the definitions themselves.
 */
export function definedFields(kind: string): readonly string[] {
  const fields: unknown = Object(JSON.parse(readFileSync(FILE, 'utf8')))[kind];
  if (!Array.isArray(fields)) throw new Error(`no definition of ${kind} is known`);
  return fields.map(String);
}

/** Fields that an OpenAPI schema at `path` has below it. */
export function schemaFields(schema: unknown, path: string): readonly string[] {
  const { items, properties } = Object(schema);
  if (items !== undefined) return schemaFields(items, `${path}[]`);
  const found = Object.entries(Object(properties)).flatMap(([name, inner]) => {
    const field = fieldOf(`${path}.${name}`);
    return [field, ...schemaFields(inner, field)];
  });
  return [...new Set(found)].sort();
}
