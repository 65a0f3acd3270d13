import {
  type AccessPolicy,
  type FieldMatch,
  type PolicyMatch,
  parsePolicyKey,
  policyKey,
  type ServiceAccountMatch,
  type StringMatch,
} from '../model/access-policy.ts';
import { type Cidr, createCidr } from '../model/address.ts';
import { POLICY_ACTION, POLICY_SCOPE } from './enum-words.ts';
import { invalidField, overLimit, readEnum, readModel, readName, readText, readWirePort } from './field-reader.ts';
import type * as pb from './gen/istio/security/authorization_pb.ts';
import { LIMITS } from './limits.ts';
import { ALWAYS } from './policy-stand-in.ts';

const ANYTHING: FieldMatch<never> = { any: [], none: [] };

/** Without any condition, so authorize() skips it: it never holds. */
const NEVER: PolicyMatch = {
  namespaces: ANYTHING,
  serviceAccounts: ANYTHING,
  principals: ANYTHING,
  sourceIps: ANYTHING,
  destinationIps: ANYTHING,
  destinationPorts: ANYTHING,
};

/**
 * A condition that Ambit does not know is read so that the policy gets stricter, as Istio does with HTTP conditions at
 * L4: the match of an ALLOW never holds, that of a DENY holds without the condition.
 * @throws WireError with the path of the first field that is not allowed.
 */
export function policyToModel(message: pb.Authorization): AccessPolicy {
  const at = (field: string): string => `authorization.${field}`;
  const name = readName(at('name'), message.name);
  const namespace = readText(at('namespace'), message.namespace);
  const action = readEnum(at('action'), message.action, POLICY_ACTION);
  const budget = new NodeBudget(at('rules'));
  return {
    key: readModel(at('namespace or name'), () => parsePolicyKey(policyKey({ namespace, name }))),
    name,
    namespace,
    scope: readEnum(at('scope'), message.scope, POLICY_SCOPE),
    action,
    rules: budget.read(at('rules'), message.rules, (rule, rulePath) => {
      if (action === 'allow' && hasUnknownField(rule)) return { clauses: [{ matches: [NEVER] }] };
      const clauses = budget.read(`${rulePath}.clauses`, rule.clauses, (clause, clausePath) => ({
        matches:
          action === 'allow' && hasUnknownField(clause)
            ? [NEVER]
            : budget.read(`${clausePath}.matches`, clause.matches, (match, path) =>
                matchToModel(match, path, action, budget),
              ),
      }));
      return { clauses };
    }),
    dryRun: message.dryRun,
  };
}

function matchToModel(message: pb.Match, path: string, action: 'allow' | 'deny', budget: NodeBudget): PolicyMatch {
  const hasUnknownCondition = message.extensions.length > 0 || hasUnknownField(message);
  if (hasUnknownCondition && action === 'allow') return NEVER;
  const field = <In, Out>(
    name: string,
    any: readonly In[],
    none: readonly In[],
    read: (item: In, path: string) => Out,
  ): FieldMatch<Out> => ({
    any: budget.read(`${path}.${name}`, any, read),
    none: budget.read(`${path}.not_${name}`, none, read),
  });
  const read: PolicyMatch = {
    namespaces: field('namespaces', message.namespaces, message.notNamespaces, stringMatchToModel),
    serviceAccounts: field(
      'service_accounts',
      message.serviceAccounts,
      message.notServiceAccounts,
      accountMatchToModel,
    ),
    principals: field('principals', message.principals, message.notPrincipals, stringMatchToModel),
    sourceIps: field('source_ips', message.sourceIps, message.notSourceIps, blockToModel),
    destinationIps: field('destination_ips', message.destinationIps, message.notDestinationIps, blockToModel),
    destinationPorts: field(
      'destination_ports',
      message.destinationPorts,
      message.notDestinationPorts,
      (port, portPath) => readWirePort(portPath, port),
    ),
  };
  // authorize() skips a match without conditions: a DENY of unknown conditions alone would deny nobody.
  return hasUnknownCondition && Object.values(read).every(({ any, none }) => any.length + none.length === 0)
    ? ALWAYS
    : read;
}

/** Of a later version of the protocol: it may well be a condition. */
function hasUnknownField({ $unknown }: pb.Rule | pb.Clause | pb.Match): boolean {
  return $unknown !== undefined && $unknown.length > 0;
}

function stringMatchToModel({ matchType }: pb.StringMatch, path: string): StringMatch {
  switch (matchType.case) {
    case 'exact':
    case 'prefix':
    case 'suffix':
      return { kind: matchType.case, value: readText(path, matchType.value) };
    case 'presence':
      return { kind: 'presence' };
    case undefined:
      return invalidField(path, 'absent, or of a kind that Ambit does not know');
  }
}

function accountMatchToModel(message: pb.ServiceAccountMatch, path: string): ServiceAccountMatch {
  return {
    namespace: readName(`${path}.namespace`, message.namespace),
    serviceAccount: readName(`${path}.serviceAccount`, message.serviceAccount),
  };
}

function blockToModel(message: pb.Address, path: string): Cidr {
  return readModel(path, () => createCidr(message.address, message.length));
}

/** Counts every rule, clause, match and value of one policy. */
class NodeBudget {
  readonly #path: string;
  #left: number = LIMITS.policyNodes;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws WireError `over-limit` once the policy as a whole has too many. */
  read<In, Out>(path: string, items: readonly In[], read: (item: In, path: string) => Out): Out[] {
    this.#left -= items.length;
    if (this.#left < 0) overLimit(this.#path, LIMITS.policyNodes, 'rules, clauses, matches and values');
    return items.map((item, i) => read(item, `${path}[${i}]`));
  }
}
