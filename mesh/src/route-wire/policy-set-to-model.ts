import { METHOD } from '../kinds/limits.ts';
import {
  type FieldMatch,
  type HttpPolicyMatch,
  parsePolicyKey,
  policyKey,
  type PolicyMatch,
  type RequestPolicy,
  type ServiceAccountMatch,
  type StringMatch,
} from '../model/access-policy.ts';
import { type Cidr, formatCidr, parseCidr } from '../model/address.ts';
import { isObjectName } from '../model/name.ts';
import { parsePathTemplate, type PathTemplate } from '../model/path-template.ts';
import type { PolicySet, PolicySetName } from '../policies/policy-set.ts';
import { decodeMessage } from '../wire/decode-message.ts';
import type { DiscoveryResource } from '../wire/discovery-messages.ts';
import { invalidField, readEnum, readList, readModel, readName } from '../wire/field-reader.ts';
import * as pb from '../wire/gen/ambit/waypoint/v1/policies_pb.ts';
import { POLICY_SET_TYPE_URL, REQUEST_POLICY_ACTION } from './encode-policy-set.ts';
import { POLICY_WIRE_LIMITS } from './limits.ts';
import { readLowerHeaderName, readPort, refuseRepeated } from './read-field.ts';
import { refuseUnknown } from './refuse-unknown.ts';

const SET_NAME = /^(?:mesh|namespace\/[^/]+|(?:gateway|service)\/[^/]+\/[^/]+|workload\/.+)$/;

/**
 * The policies of one place, ready to be enforced. Nothing of a resource that is not right in every field is used: what can
 * be read of it might let somebody through. @throws WireError with the path of the first field that is not allowed.
 */
export function parsePolicySet({ name, typeUrl, value }: DiscoveryResource): PolicySet {
  if (typeUrl !== POLICY_SET_TYPE_URL) invalidField('resource.type_url', 'not a type that was asked for');
  const message = decodeMessage(pb.PolicySetSchema, value);
  refuseUnknown(message, 'policy_set');
  const own = readSetName(message.name, 'policy_set.name');
  if (own !== name) invalidField('resource.name', `its content is named ${JSON.stringify(own)}`);
  const { policies: max, includes: includesMax } = POLICY_WIRE_LIMITS;
  const includes = readList('policy_set.includes', includesMax, message.includes, readSetName);
  const policies = readList('policy_set.policies', max, message.policies, readPolicy);
  refuseRepeated(
    'policy_set.policies',
    policies.map(({ key }) => key),
  );
  return { name: own, includes, policies };
}

function readSetName(text: string, path: string): PolicySetName {
  if (!SET_NAME.test(readName(path, text))) return invalidField(path, 'not the name of a set of policies');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the expression says what the type does
  return text as PolicySetName;
}

function readPolicy({ namespace, name, action, dryRun, rules }: pb.Policy, path: string): RequestPolicy {
  const key = readModel(`${path}.name`, () => parsePolicyKey(policyKey({ namespace, name })));
  if (!isObjectName(namespace)) invalidField(`${path}.namespace`, 'not a namespace');
  const { rules: rulesMax, clauses: clausesMax, matches: matchesMax } = POLICY_WIRE_LIMITS;
  return {
    key,
    name,
    namespace,
    action: readEnum(`${path}.action`, action, REQUEST_POLICY_ACTION),
    rules: readList(`${path}.rules`, rulesMax, rules, ({ clauses }, rulePath) => ({
      clauses: readList(`${rulePath}.clauses`, clausesMax, clauses, ({ matches }, clausePath) => ({
        // Empty would be a clause that holds for everybody.
        matches:
          matches.length === 0
            ? invalidField(`${clausePath}.matches`, 'empty')
            : readList(`${clausePath}.matches`, matchesMax, matches, readMatch),
      })),
    })),
    dryRun,
  };
}

function readMatch(message: pb.PolicyMatch, path: string): PolicyMatch {
  const http = readHttp(message, path);
  const match: PolicyMatch = {
    principals: readTexts(message.principals, `${path}.principals`),
    namespaces: readTexts(message.namespaces, `${path}.namespaces`),
    serviceAccounts: readField(message.serviceAccounts, `${path}.service_accounts`, readAccount),
    sourceIps: readField(message.sourceIps, `${path}.source_ips`, readBlock),
    destinationIps: readField(message.destinationIps, `${path}.destination_ips`, readBlock),
    destinationPorts: readField(message.destinationPorts, `${path}.destination_ports`, readPort),
  };
  const says = http !== null || Object.values(match).some(({ any, none }) => any.length + none.length > 0);
  if (!says) invalidField(path, 'says nothing');
  return http === null ? match : { ...match, http };
}

/** Null when nothing is said of requests. */
function readHttp({ methods, paths, hosts, headers }: pb.PolicyMatch, path: string): HttpPolicyMatch | null {
  if (methods === undefined && paths === undefined && hosts === undefined && headers.length === 0) return null;
  return {
    methods: readField(methods, `${path}.methods`, readMethod),
    paths: readField(paths, `${path}.paths`, readTemplate),
    hosts: readTexts(hosts, `${path}.hosts`),
    headers: readList(`${path}.headers`, POLICY_WIRE_LIMITS.headers, headers, ({ name, values }, at) => ({
      name: readLowerHeaderName(name, `${at}.name`),
      values: values === undefined ? invalidField(`${at}.values`, 'absent') : readTexts(values, `${at}.values`),
    })),
  };
}

interface Condition<T> {
  readonly any: readonly T[];
  readonly none: readonly T[];
}

/** Absent says nothing; what is there says something. */
function readField<In, Out>(
  condition: Condition<In> | undefined,
  path: string,
  read: (value: In, path: string) => Out,
): FieldMatch<Out> {
  if (condition === undefined) return { any: [], none: [] };
  const { any, none } = condition;
  if (any.length === 0 && none.length === 0) invalidField(path, 'says nothing');
  const { values } = POLICY_WIRE_LIMITS;
  return { any: readList(`${path}.any`, values, any, read), none: readList(`${path}.none`, values, none, read) };
}

function readTexts(condition: pb.TextCondition | undefined, path: string): FieldMatch<StringMatch> {
  return readField(condition, path, readText);
}

function readText({ kind }: pb.PolicyText, path: string): StringMatch {
  switch (kind.case) {
    case 'exact':
    case 'prefix':
    case 'suffix':
      return { kind: kind.case, value: readName(path, kind.value) };
    case 'presence':
      return kind.value ? { kind: 'presence' } : invalidField(path, 'presence of nothing');
    case undefined:
      return invalidField(path, 'absent');
  }
}

function readAccount(text: string, path: string): ServiceAccountMatch {
  const [namespace = '', serviceAccount = '', ...more] = text.split('/');
  if (!isObjectName(namespace) || !isObjectName(serviceAccount) || more.length > 0)
    invalidField(path, 'not namespace/name of a service account');
  return { namespace, serviceAccount };
}

function readBlock(text: string, path: string): Cidr {
  const block = readModel(path, () => parseCidr(text));
  return formatCidr(block) === text ? block : invalidField(path, 'not in canonical form');
}

function readMethod(text: string, path: string): string {
  return METHOD.test(text) ? text : invalidField(path, 'not a method');
}

function readTemplate(text: string, path: string): PathTemplate {
  return parsePathTemplate(text) ?? invalidField(path, 'not a template of paths');
}
