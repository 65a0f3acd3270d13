import type { GrpcMatch, HttpMatch } from '../routes/rule.ts';
import { FieldReader } from './field-reader.ts';
import type { ObjectMeta } from './objects.ts';
import { parseMeta } from './parse-meta.ts';
import { GRPC_FILTERS, HTTP_FILTERS } from './parse-route-filters.ts';
import { MATCH_EVERYTHING, parseGrpcMatch, parseHttpMatch } from './parse-route-matches.ts';
import { parseHostnames, parseParentRefs, parseSectionName } from './parse-route-refs.ts';
import { parseRules, parseStreamBackends, type RuleShape } from './parse-route-rules.ts';
import { ROUTE_LIMITS } from './route-limits.ts';
import type { GrpcRoute, HttpRoute, ParentRef, StreamRule, TcpRoute, TlsRoute } from './route-objects.ts';

const COMMON_FIELDS = ['parentRefs', 'useDefaultGateways', 'rules'] as const;

const HTTP_RULES: RuleShape<HttpMatch> = {
  fields: ['name', 'matches', 'filters', 'backendRefs', 'timeouts', 'retry', 'sessionPersistence'],
  filters: HTTP_FILTERS,
  parseMatch: parseHttpMatch,
  everything: [MATCH_EVERYTHING],
  isPrefixMatch: ({ path }) => path.kind === 'prefix',
};
const GRPC_RULES: RuleShape<GrpcMatch> = {
  fields: ['name', 'matches', 'filters', 'backendRefs', 'sessionPersistence'],
  filters: GRPC_FILTERS,
  parseMatch: parseGrpcMatch,
  everything: [{ service: null, method: null, headers: [] }],
  isPrefixMatch: () => false,
};

/** What an HTTPRoute without rules has. */
const DEFAULT_RULES = new FieldReader({ rules: [{}] }, 'spec');

/** gateway.networking.k8s.io/v1 HTTPRoute. @throws KindError. */
export function parseHttpRoute(object: FieldReader): HttpRoute {
  const { meta, parents, spec } = parseRoute(object, ['hostnames']);
  spec.refuseEmptyList('rules');
  const rules = parseRules(spec.has('rules') ? spec : DEFAULT_RULES, HTTP_RULES, meta.namespace);
  return { kind: 'HTTPRoute', meta, parents, hostnames: parseHostnames(spec, ROUTE_LIMITS.hostnames), rules };
}

/** gateway.networking.k8s.io/v1 GRPCRoute. @throws KindError. */
export function parseGrpcRoute(object: FieldReader): GrpcRoute {
  const { meta, parents, spec } = parseRoute(object, ['hostnames']);
  const rules = parseRules(spec, GRPC_RULES, meta.namespace);
  return { kind: 'GRPCRoute', meta, parents, hostnames: parseHostnames(spec, ROUTE_LIMITS.hostnames), rules };
}

/** gateway.networking.k8s.io/v1 TCPRoute. @throws KindError. */
export function parseTcpRoute(object: FieldReader): TcpRoute {
  const { meta, parents, spec } = parseRoute(object, []);
  return { kind: 'TCPRoute', meta, parents, rule: parseStreamRule(spec, meta.namespace) };
}

/** gateway.networking.k8s.io/v1 TLSRoute. @throws KindError. */
export function parseTlsRoute(object: FieldReader): TlsRoute {
  const { meta, parents, spec } = parseRoute(object, ['hostnames']);
  const hostnames = parseHostnames(spec, ROUTE_LIMITS.serverNames);
  if (hostnames.length === 0) spec.fail('hostnames', 'a list with at least one server name');
  return { kind: 'TLSRoute', meta, parents, hostnames, rule: parseStreamRule(spec, meta.namespace) };
}

function parseRoute(
  object: FieldReader,
  fields: readonly string[],
): { readonly meta: ObjectMeta; readonly parents: readonly ParentRef[]; readonly spec: FieldReader } {
  object.allowOnly(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const meta = parseMeta(object, 'namespaced');
  const spec = object.object('spec') ?? object.fail('spec', 'an object with parentRefs');
  spec.allowOnly([...COMMON_FIELDS, ...fields]);
  return { meta, parents: parseParentRefs(spec, meta.namespace), spec };
}

function parseStreamRule(spec: FieldReader, namespace: string): StreamRule {
  const [rule, ...more] = spec.objects('rules', (reader) => {
    reader.allowOnly(['name', 'backendRefs']);
    return { name: parseSectionName(reader, 'name'), backends: parseStreamBackends(reader, namespace) };
  });
  return rule === undefined || more.length > 0 ? spec.fail('rules', 'a list with exactly one rule') : rule;
}
