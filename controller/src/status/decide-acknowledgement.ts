import { policyKey } from '@ambit/mesh/model';
import { AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import type { NodeProgress } from '../push/push-server.ts';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import { exceptionsPolicyKey } from '../translate/mtls-mode-from-mutual-tls-policy.ts';
import { pushedPolicyPlace } from '../translate/policy-from-access-policy.ts';
import type { OwnObject } from './decide-findings.ts';
import type { Acknowledgement } from './decide-status.ts';
import type { VersionInForce } from './policy-versions.ts';

/** Which nodes have that version of an object. While it is not in force none has. */
export function decideAcknowledgement(
  object: OwnObject,
  version: VersionInForce | undefined,
  nodes: readonly NodeProgress[],
  settings: Pick<MeshSettings, 'rootNamespace'>,
): Acknowledgement {
  const { uid, generation } = object.meta;
  const isInForce = version !== undefined && version.uid === uid && version.generation === generation;
  const revisions = isInForce ? [...version.revisions] : [];
  const policy = policyResource(object, settings.rootNamespace);
  const byState = Object.groupBy(nodes, (node): keyof Acknowledgement => {
    if (!isInForce || !revisions.every(([typeUrl, revision]) => node.hasSettled(typeUrl, revision))) return 'pending';
    return policy !== null && node.refuses(AUTHORIZATION_TYPE_URL, policy) ? 'refused' : 'acknowledged';
  });
  const named = (state: keyof Acknowledgement): readonly string[] => (byState[state] ?? []).map(({ node }) => node);
  return { acknowledged: named('acknowledged'), pending: named('pending'), refused: named('refused') };
}

/** The resource that carries a policy's rules; null when it has none of its own. */
function policyResource(object: OwnObject, rootNamespace: string): string | null {
  switch (object.kind) {
    case 'AccessPolicy':
      return policyKey(pushedPolicyPlace(object, rootNamespace));
    case 'MutualTLSPolicy':
      return object.ports.size === 0 ? null : exceptionsPolicyKey(object);
    case 'ExternalWorkload':
      return null;
  }
}
