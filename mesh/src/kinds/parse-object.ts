import { KindError } from './errors.ts';
import { FieldReader } from './field-reader.ts';
import { AMBIT_API_VERSION, AMBIT_DOMAIN } from './labels.ts';
import type { MeshKind, MeshObject, Namespace } from './objects.ts';
import { parseAccessPolicy } from './parse-access-policy.ts';
import { parseExternalWorkload } from './parse-external-workload.ts';
import { parseGateway } from './parse-gateway.ts';
import { checkMode, parseMeta } from './parse-meta.ts';
import { parseMutualTlsPolicy } from './parse-mutual-tls-policy.ts';
import { parseNode } from './parse-node.ts';
import { parsePod } from './parse-pod.ts';
import { parseEndpointSlice, parseService } from './parse-service.ts';
import { suggest } from './suggest.ts';

/** JSON as a YAML or JSON parser gives it. */
export type RawObject = unknown;

interface KindEntry {
  readonly apiVersion: string;
  readonly scope: 'cluster' | 'namespaced';
  readonly parse: (object: FieldReader) => MeshObject;
}

const KINDS: Readonly<Record<MeshKind, KindEntry>> = {
  Namespace: {
    apiVersion: 'v1',
    scope: 'cluster',
    parse: parseNamespace,
  },
  Node: {
    apiVersion: 'v1',
    scope: 'cluster',
    parse: parseNode,
  },
  ServiceAccount: {
    apiVersion: 'v1',
    scope: 'namespaced',
    parse: (object) => ({ kind: 'ServiceAccount', meta: parseMeta(object, 'namespaced') }),
  },
  Pod: { apiVersion: 'v1', scope: 'namespaced', parse: parsePod },
  Service: { apiVersion: 'v1', scope: 'namespaced', parse: parseService },
  EndpointSlice: { apiVersion: 'discovery.k8s.io/v1', scope: 'namespaced', parse: parseEndpointSlice },
  Gateway: { apiVersion: 'gateway.networking.k8s.io/v1', scope: 'namespaced', parse: parseGateway },
  AccessPolicy: { apiVersion: AMBIT_API_VERSION, scope: 'namespaced', parse: parseAccessPolicy },
  MutualTLSPolicy: { apiVersion: AMBIT_API_VERSION, scope: 'namespaced', parse: parseMutualTlsPolicy },
  ExternalWorkload: { apiVersion: AMBIT_API_VERSION, scope: 'namespaced', parse: parseExternalWorkload },
};

const KIND_NAMES = [
  'Namespace',
  'Node',
  'ServiceAccount',
  'Pod',
  'Service',
  'EndpointSlice',
  'Gateway',
  'AccessPolicy',
  'MutualTLSPolicy',
  'ExternalWorkload',
] as const satisfies readonly MeshKind[];

/**
 * One object of a kind that Ambit reads, or null for any other kind. A kind of Ambit's own group that does not exist, or a
 * version that is not served, is an error: nobody else will read it. @throws KindError.
 */
export function parseObject(json: RawObject): MeshObject | null {
  const object = new FieldReader(json);
  const apiVersion = object.text('apiVersion');
  const kind = object.text('kind');
  const entry = entryOf(kind, apiVersion);
  if (entry !== undefined) return entry.parse(object);
  if (!apiVersion.startsWith(`${AMBIT_DOMAIN}/`)) return null;
  const ours = KIND_NAMES.filter((name) => KINDS[name].apiVersion === AMBIT_API_VERSION);
  if (ours.some((name) => name === kind)) {
    throw new KindError('unsupported-version', {
      field: 'apiVersion',
      value: JSON.stringify(apiVersion),
      expected: AMBIT_API_VERSION,
    });
  }
  const hint = suggest(kind, ours);
  const detail = { field: 'kind', value: JSON.stringify(kind), expected: `one of ${ours.join(', ')}` };
  throw new KindError('invalid-value', hint === undefined ? detail : { ...detail, hint });
}

/** What an object would be called, as far as can be told without parsing it; for reporting broken objects. */
export function identifyObject(
  json: RawObject,
): { readonly kind: MeshKind; readonly namespace: string; readonly name: string } | null {
  try {
    const object = new FieldReader(json);
    const kind = KIND_NAMES.find((name) => name === object.text('kind'));
    if (kind === undefined || entryOf(kind, object.text('apiVersion')) === undefined) return null;
    const { namespace, name } = parseMeta(object, KINDS[kind].scope);
    return { kind, namespace, name };
  } catch {
    return null;
  }
}

/** Whether `parseObject` would read this kind. */
export function isReadKind(kind: string, apiVersion: string): boolean {
  return entryOf(kind, apiVersion) !== undefined;
}

function parseNamespace(object: FieldReader): Namespace {
  checkMode(object);
  return { kind: 'Namespace', meta: parseMeta(object, 'cluster') };
}

function entryOf(kind: string, apiVersion: string): KindEntry | undefined {
  const name = KIND_NAMES.find((candidate) => candidate === kind);
  if (name === undefined) return undefined;
  return KINDS[name].apiVersion === apiVersion ? KINDS[name] : undefined;
}
