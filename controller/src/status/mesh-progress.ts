import type { ObjectKey } from '@ambit/mesh/kinds';
import type { NodeProgress } from '../push/push-server.ts';
import type { VersionInForce } from './policy-versions.ts';

/** What one replica has in force and who has it, as of one moment. Its revisions mean nothing beside another's. */
export interface ReplicaProgress {
  /** Of the process: one that begins anew counts its revisions anew. */
  readonly id: string;
  /** Undefined when no version is in force there. */
  readonly version: (key: ObjectKey) => VersionInForce | undefined;
  readonly nodes: readonly NodeProgress[];
}

/** What is known of the node agents of the whole mesh. */
export interface MeshProgress {
  /** This one and those that answer, with the nodes that count at each. */
  readonly replicas: readonly ReplicaProgress[];
  /** Nodes with an agent that is connected to any of them, or was a moment ago: each once, by name. */
  readonly nodes: readonly string[];
  /** Names of replicas that do not answer: nobody here knows who is connected to them. */
  readonly silent: readonly string[];
  /** Nodes whose agents should be connected and are to no replica that answers; empty while all answer. */
  readonly unheard: readonly string[];
  /** Nodes whose agents have been connected to no replica for too long, or have said nothing there; none of `nodes`. */
  readonly missing: readonly string[];
  /** When it is another with no news at all, by the monotonic clock; null for never. */
  readonly changesAtMs: number | null;
}
