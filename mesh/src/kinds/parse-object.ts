import { KindError } from './errors.ts';
import { FieldReader } from './field-reader.ts';
import { AMBIT_API_VERSION, AMBIT_DOMAIN } from './labels.ts';
import type { MeshKind, MeshObject, Namespace } from './objects.ts';
import { parseAccessPolicy } from './parse-access-policy.ts';
import { parseBackendTlsPolicy } from './parse-backend-tls-policy.ts';
import { parseConfigMap } from './parse-config-map.ts';
import { parseEgressPolicy } from './parse-egress-policy.ts';
import { parseExternalService } from './parse-external-service.ts';
import { parseExternalWorkload } from './parse-external-workload.ts';
import { parseGateway } from './parse-gateway.ts';
import { checkMode, parseMeta } from './parse-meta.ts';
import { parseMutualTlsPolicy } from './parse-mutual-tls-policy.ts';
import { parseNode } from './parse-node.ts';
import { parsePod } from './parse-pod.ts';
import { parseReferenceGrant } from './parse-reference-grant.ts';
import { GATEWAY_GROUP } from './parse-route-refs.ts';
import { parseGrpcRoute, parseHttpRoute, parseTcpRoute, parseTlsRoute } from './parse-routes.ts';
import { parseServiceImport } from './parse-service-import.ts';
import { parseEndpointSlice, parseService } from './parse-service.ts';
import { suggest } from './suggest.ts';

/** JSON as a YAML or JSON parser gives it. */
export type RawObject = unknown;

interface KindEntry {
  readonly apiVersion: string;
  /** Older or newer versions with the same fields. */
  readonly also?: readonly string[];
  readonly scope: 'cluster' | 'namespaced';
  readonly parse: (object: FieldReader) => MeshObject;
}

/** Gateway API 1.6 serves all of these, TCPRoute and TLSRoute among them, in this version. */
const GATEWAY_VERSION = `${GATEWAY_GROUP}/v1`;
const GATEWAY_BETA = [`${GATEWAY_GROUP}/v1beta1`];

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
  ConfigMap: { apiVersion: 'v1', scope: 'namespaced', parse: parseConfigMap },
  Gateway: { apiVersion: GATEWAY_VERSION, also: GATEWAY_BETA, scope: 'namespaced', parse: parseGateway },
  HTTPRoute: { apiVersion: GATEWAY_VERSION, also: GATEWAY_BETA, scope: 'namespaced', parse: parseHttpRoute },
  GRPCRoute: { apiVersion: GATEWAY_VERSION, scope: 'namespaced', parse: parseGrpcRoute },
  TCPRoute: { apiVersion: GATEWAY_VERSION, scope: 'namespaced', parse: parseTcpRoute },
  TLSRoute: { apiVersion: GATEWAY_VERSION, scope: 'namespaced', parse: parseTlsRoute },
  ReferenceGrant: { apiVersion: GATEWAY_VERSION, also: GATEWAY_BETA, scope: 'namespaced', parse: parseReferenceGrant },
  BackendTLSPolicy: { apiVersion: GATEWAY_VERSION, scope: 'namespaced', parse: parseBackendTlsPolicy },
  ServiceImport: {
    apiVersion: 'multicluster.x-k8s.io/v1alpha1',
    also: ['multicluster.x-k8s.io/v1beta1'],
    scope: 'namespaced',
    parse: parseServiceImport,
  },
  AccessPolicy: { apiVersion: AMBIT_API_VERSION, scope: 'namespaced', parse: parseAccessPolicy },
  MutualTLSPolicy: { apiVersion: AMBIT_API_VERSION, scope: 'namespaced', parse: parseMutualTlsPolicy },
  EgressPolicy: { apiVersion: AMBIT_API_VERSION, scope: 'namespaced', parse: parseEgressPolicy },
  ExternalService: { apiVersion: AMBIT_API_VERSION, scope: 'namespaced', parse: parseExternalService },
  ExternalWorkload: { apiVersion: AMBIT_API_VERSION, scope: 'namespaced', parse: parseExternalWorkload },
};

/** Every kind that `parseObject` reads. */
export const KIND_NAMES: readonly MeshKind[] = [
  'Namespace',
  'Node',
  'ServiceAccount',
  'Pod',
  'Service',
  'EndpointSlice',
  'ConfigMap',
  'Gateway',
  'HTTPRoute',
  'GRPCRoute',
  'TCPRoute',
  'TLSRoute',
  'ReferenceGrant',
  'BackendTLSPolicy',
  'ServiceImport',
  'AccessPolicy',
  'MutualTLSPolicy',
  'EgressPolicy',
  'ExternalService',
  'ExternalWorkload',
];

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

/** The values of `apiVersion` with which `parseObject` reads this kind, the usual one first. */
export function versionsOf(kind: MeshKind): readonly string[] {
  const { apiVersion, also = [] } = KINDS[kind];
  return [apiVersion, ...also];
}

function parseNamespace(object: FieldReader): Namespace {
  checkMode(object);
  return { kind: 'Namespace', meta: parseMeta(object, 'cluster') };
}

function entryOf(kind: string, apiVersion: string): KindEntry | undefined {
  const name = KIND_NAMES.find((candidate) => candidate === kind);
  if (name === undefined) return undefined;
  const entry: KindEntry = KINDS[name];
  return entry.apiVersion === apiVersion || entry.also?.includes(apiVersion) === true ? entry : undefined;
}
