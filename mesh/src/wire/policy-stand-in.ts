import { type AccessPolicy, parsePolicyKey, type PolicyMatch } from '../model/access-policy.ts';
import { createCidr } from '../model/address.ts';
import { ModelError } from '../model/errors.ts';
import { decodeMessage } from './decode-message.ts';
import { AUTHORIZATION_TYPE_URL, type DiscoveryResource } from './discovery-messages.ts';
import { POLICY_SCOPE } from './enum-words.ts';
import { WireError } from './errors.ts';
import { type Authorization, AuthorizationSchema } from './gen/istio/security/authorization_pb.ts';

const ANYTHING = { any: [], none: [] } as const;

/** Holds for every connection. Not an empty match: that one is skipped. */
export const ALWAYS: PolicyMatch = {
  namespaces: ANYTHING,
  serviceAccounts: ANYTHING,
  principals: ANYTHING,
  sourceIps: ANYTHING,
  destinationIps: { any: [createCidr(new Uint8Array(4), 0), createCidr(new Uint8Array(16), 0)], none: [] },
  destinationPorts: ANYTHING,
};

/**
 * What to put in force for a pushed policy that cannot be read and of which no earlier version is held: nobody knows what
 * it forbids, so it forbids everything where it holds. That is the scope it states, if it can be read and is about the
 * policy of that name, else the namespace of the name. Undefined when nothing needs to stand in: a policy of single
 * workloads already denies at those that name it, one in dry run refuses nothing, and a name that is none says not where
 * it would hold.
 */
export function denyInPlaceOf(resource: DiscoveryResource): AccessPolicy | undefined {
  const key = readKey(resource.name);
  if (key === undefined) return undefined;
  const slash = key.indexOf('/');
  const [namespace, name] = [key.slice(0, slash), key.slice(slash + 1)];
  const message = resource.typeUrl === AUTHORIZATION_TYPE_URL ? readMessage(resource.value) : undefined;
  // The mesh-wide scope is also what nothing at all decodes to: only a message that knows its name is asked.
  const isOwn = message?.name === name && message.namespace === namespace;
  const stated = isOwn ? POLICY_SCOPE.words.get(message.scope) : undefined;
  if (stated === 'workload' || (isOwn && message.dryRun)) return undefined;
  return {
    key,
    name,
    namespace,
    scope: stated === 'mesh' || namespace === '' ? 'mesh' : 'namespace',
    action: 'deny',
    rules: [{ clauses: [{ matches: [ALWAYS] }] }],
    dryRun: false,
  };
}

function readKey(name: string): AccessPolicy['key'] | undefined {
  try {
    return parsePolicyKey(name);
  } catch (error) {
    if (error instanceof ModelError) return undefined;
    throw error;
  }
}

function readMessage(bytes: Uint8Array): Authorization | undefined {
  try {
    return decodeMessage(AuthorizationSchema, bytes);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
