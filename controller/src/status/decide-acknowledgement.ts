import { objectKey } from '@ambit/mesh/kinds';
import type { NodeProgress } from '../push/push-server.ts';
import { type Carriers, decideCarriers, UNNAMED } from './decide-carriers.ts';
import type { OwnObject } from './decide-findings.ts';
import type { Acknowledgement } from './decide-status.ts';
import type { MeshProgress } from './mesh-progress.ts';
import type { PolicyWorld } from './policy-world.ts';

/**
 * Which nodes have that version of an object. A node that several replicas know, since its agent moved or has several streams,
 * counts once and by the slowest; while the version is not in force at a replica none of its nodes has it.
 */
export function decideAcknowledgement(object: OwnObject, progress: MeshProgress, world: PolicyWorld): Acknowledgement {
  const { kind, meta } = object;
  const key = objectKey(kind, meta.namespace, meta.name);
  const carriers = decideCarriers(object, world);
  const pending = new Set<string>();
  const refused = new Set<string>();
  for (const { nodes, version: versionOf } of progress.replicas) {
    const version = versionOf(key);
    const isInForce = version?.uid === meta.uid && version.generation === meta.generation;
    const revisions = isInForce ? [...version.revisions] : null;
    for (const node of nodes) {
      if (revisions === null || !hasAll(node, revisions)) pending.add(node.node);
      else if (carriers !== null && refusesOne(node, carriers)) refused.add(node.node);
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

/** Whether it refuses what carries the object to it, as far as it is known what it refuses. */
function refusesOne({ node, refused }: NodeProgress, { typeUrl, on }: Carriers): boolean {
  const names = refused.get(typeUrl);
  if (names === undefined || names.size === 0) return false;
  const carriers = on(node);
  if (names.has(UNNAMED)) return carriers.size > 0;
  for (const name of carriers) if (names.has(name)) return true;
  return false;
}
