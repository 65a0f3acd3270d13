import { objectKey } from '@ambit/mesh/kinds';
import { policyKey } from '@ambit/mesh/model';
import { AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import type { NodeProgress } from '../push/push-server.ts';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import { exceptionsPolicyKey } from '../translate/mtls-mode-from-mutual-tls-policy.ts';
import { pushedPolicyPlace } from '../translate/policy-from-access-policy.ts';
import type { OwnObject } from './decide-findings.ts';
import type { Acknowledgement } from './decide-status.ts';
import type { MeshProgress } from './mesh-progress.ts';

/**
 * Which nodes have that version of an object. A node that several replicas know, since its agent moved or has several streams,
 * counts once and by the slowest; while the version is not in force at a replica none of its nodes has it.
 */
export function decideAcknowledgement(
  object: OwnObject,
  progress: MeshProgress,
  settings: Pick<MeshSettings, 'rootNamespace'>,
): Acknowledgement {
  const { kind, meta } = object;
  const key = objectKey(kind, meta.namespace, meta.name);
  const policy = policyResource(object, settings.rootNamespace);
  const pending = new Set<string>();
  const refused = new Set<string>();
  for (const { nodes, version: versionOf } of progress.replicas) {
    const version = versionOf(key);
    const isInForce = version?.uid === meta.uid && version.generation === meta.generation;
    const revisions = isInForce ? [...version.revisions] : null;
    for (const node of nodes) {
      if (revisions === null || !hasAll(node, revisions)) pending.add(node.node);
      else if (policy !== null && node.refused.get(AUTHORIZATION_TYPE_URL)?.has(policy)) refused.add(node.node);
    }
  }
  for (const node of pending) refused.delete(node);
  // Nearly always so: of many objects and nodes nothing is copied.
  const isEverywhere = pending.size + refused.size === 0;
  return {
    acknowledged: isEverywhere
      ? progress.nodes
      : progress.nodes.filter((node) => !pending.has(node) && !refused.has(node)),
    pending: [...pending].toSorted(),
    refused: [...refused].toSorted(),
    unheard: progress.unheard,
    missing: progress.missing,
    silent: progress.silent,
  };
}

function hasAll({ settled }: NodeProgress, revisions: readonly (readonly [string, number])[]): boolean {
  return revisions.every(([typeUrl, revision]) => (settled.get(typeUrl) ?? -1) >= revision);
}

/** The resource that carries a policy's rules; null when it has none of its own. */
function policyResource(object: OwnObject, rootNamespace: string): string | null {
  switch (object.kind) {
    case 'AccessPolicy':
      return policyKey(pushedPolicyPlace(object, rootNamespace));
    case 'MutualTLSPolicy':
      return object.ports.size === 0 ? null : exceptionsPolicyKey(object);
    case 'EgressPolicy':
    case 'ExternalService':
    case 'ExternalWorkload':
      return null;
  }
}
