import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { FieldMatch, PolicyMatch, RequestPolicy, StringMatch } from '../model/access-policy.ts';
import { formatCidr } from '../model/address.ts';
import type { PolicySet } from '../policies/policy-set.ts';
import { type EnumWords, enumWords } from '../wire/enum-words.ts';
import * as pb from '../wire/gen/ambit/waypoint/v1/policies_pb.ts';
import type { EncodedResource } from '../wire/model-to-push.ts';

export const POLICY_SET_TYPE_URL: string = `type.googleapis.com/${pb.PolicySetSchema.typeName}`;

export const REQUEST_POLICY_ACTION: EnumWords<RequestPolicy['action'], pb.PolicyAction> = enumWords({
  allow: pb.PolicyAction.ALLOW,
  deny: pb.PolicyAction.DENY,
  audit: pb.PolicyAction.AUDIT,
});

/** The resource of one set of policies. The same value gives the same bytes, so that a version can be a hash of them. */
export function encodePolicySet({ name, includes, policies }: PolicySet): EncodedResource {
  const message = create(pb.PolicySetSchema, {
    name,
    includes: [...includes],
    policies: policies.map((policy) => ({
      namespace: policy.namespace,
      name: policy.name,
      action: REQUEST_POLICY_ACTION.numbers[policy.action],
      dryRun: policy.dryRun,
      rules: policy.rules.map(({ clauses }) => ({
        clauses: clauses.map(({ matches }) => ({ matches: matches.map(encodeMatch) })),
      })),
    })),
  });
  return { name, aliases: [], typeUrl: POLICY_SET_TYPE_URL, value: toBinary(pb.PolicySetSchema, message) };
}

function encodeMatch(match: PolicyMatch): MessageInitShape<typeof pb.PolicyMatchSchema> {
  const { http } = match;
  return {
    ...field('principals', match.principals, encodeText),
    ...field('namespaces', match.namespaces, encodeText),
    ...field(
      'serviceAccounts',
      match.serviceAccounts,
      ({ namespace, serviceAccount }) => `${namespace}/${serviceAccount}`,
    ),
    ...field('sourceIps', match.sourceIps, formatCidr),
    ...field('destinationIps', match.destinationIps, formatCidr),
    ...field('destinationPorts', match.destinationPorts, (port) => port),
    ...(http === undefined
      ? {}
      : {
          ...field('methods', http.methods, (method) => method),
          ...field('paths', http.paths, ({ source }) => source),
          ...field('hosts', http.hosts, encodeText),
          headers: http.headers.map(({ name, values }) => ({ name, ...field('values', values, encodeText) })),
        }),
  };
}

/** Absent when it says nothing. */
function field<Name extends string, In, Out>(
  name: Name,
  { any, none }: FieldMatch<In>,
  encode: (value: In) => Out,
): { [K in Name]?: { any: Out[]; none: Out[] } };
function field<In, Out>(name: string, { any, none }: FieldMatch<In>, encode: (value: In) => Out): object {
  return any.length === 0 && none.length === 0 ? {} : { [name]: { any: any.map(encode), none: none.map(encode) } };
}

function encodeText(match: StringMatch): MessageInitShape<typeof pb.PolicyTextSchema> {
  return match.kind === 'presence'
    ? { kind: { case: 'presence', value: true } }
    : { kind: { case: match.kind, value: match.value } };
}
