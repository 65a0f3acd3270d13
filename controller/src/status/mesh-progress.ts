import type { ObjectKey } from '@ambit/mesh/kinds';
import type { NodeProgress } from '../push/push-server.ts';
import type { VersionInForce } from './policy-versions.ts';

/** What one replica has in force and who has it, as of one moment. Its revisions mean nothing beside another replica's. */
export interface ReplicaProgress {
  /** Undefined when no version is in force there. */
  version(key: ObjectKey): VersionInForce | undefined;
  readonly nodes: readonly NodeProgress[];
}

/** What is known of the node agents of the whole mesh. */
export interface MeshProgress {
  /** This one and those that answer. */
  readonly replicas: readonly ReplicaProgress[];
  /** Nodes with an agent that is connected to any of them: each once, by name. */
  readonly nodes: readonly string[];
  /** Names of replicas that do not answer: nobody here knows who is connected to them. */
  readonly silent: readonly string[];
  /** Nodes whose agents should be connected and are to no replica that answers; empty while all answer. */
  readonly unheard: readonly string[];
}

/** `expected` are the nodes with an agent that is ready; asked for only when a replica is silent. */
export function combineProgress(
  replicas: readonly ReplicaProgress[],
  silent: readonly string[],
  expected: () => Iterable<string>,
): MeshProgress {
  const nodes = new Set(replicas.flatMap((replica) => replica.nodes.map(({ node }) => node)));
  const unheard = silent.length === 0 ? [] : [...new Set(expected())].filter((node) => !nodes.has(node));
  return { replicas, nodes: [...nodes].toSorted(), silent, unheard: unheard.toSorted() };
}
