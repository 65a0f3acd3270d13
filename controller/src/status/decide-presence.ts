import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import type { NodeProgress } from '../push/push-server.ts';
import type { MeshProgress, ReplicaProgress } from './mesh-progress.ts';

/** What carries our own objects: who has these up to a revision has every object that was in force then. */
export const PROGRESS_TYPES: readonly string[] = [ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL];

/** What is known at one moment. */
export interface Look {
  /** This replica and those that answer. */
  readonly replicas: readonly ReplicaProgress[];
  /** Names of those that do not. */
  readonly silent: readonly string[];
  /** Nodes with an agent that is ready. */
  readonly expected: Iterable<string>;
  readonly nowMs: number;
  /** How long an agent may be away before that is told. */
  readonly awayMs: number;
}

/** Progress of a node at a replica. */
interface Connection {
  readonly replica: string;
  readonly progress: NodeProgress;
}

/** What is remembered of one node. */
interface Remembered {
  /** Since when its agent has not been connected, or has answered nothing; null while all is well. */
  readonly awaySinceMs: number | null;
  /** What counts of it; empty for a node that does not count. */
  readonly connections: readonly Connection[];
}

/** What a look must remember of the ones before it. */
export interface Presence {
  readonly nodes: ReadonlyMap<string, Remembered>;
  /** By id: the replicas at which nodes count. */
  readonly replicas: ReadonlyMap<string, ReplicaProgress>;
}

/** Before the first look. */
export const NOBODY_SEEN: Presence = { nodes: new Map(), replicas: new Map() };

type Verdict = Remembered & { readonly kind: 'counts' | 'awaited' | 'missing' | 'unheard' };

/**
 * Who counts, and as what. Agents come and go with every restart of theirs and of replicas, and each coming and going would
 * be told in the status of every policy. So a node whose agent goes, or comes and has answered nothing yet, counts for a while
 * as it was; the versions it had are compared with those in force as before, so that it is never taken to have a later one.
 * After that it is missing until it has answered: it may come and go meanwhile as fast as it likes.
 */
export function decidePresence(
  before: Presence,
  look: Look,
): { readonly presence: Presence; readonly progress: MeshProgress } {
  const { replicas, silent } = look;
  const answering = new Map(replicas.map((replica) => [replica.id, replica]));
  const connected = connectionsByNode(replicas);
  const expected = new Set(look.expected);
  const nodes = new Map<string, Verdict>();
  for (const node of new Set([...before.nodes.keys(), ...connected.keys(), ...expected])) {
    const verdict = decideNode(before.nodes.get(node), connected.get(node) ?? [], expected.has(node), look, answering);
    if (verdict !== null) nodes.set(node, verdict);
  }
  const counting = replicasThatCount(nodes, [...before.replicas.values(), ...replicas], answering);
  const named = (kind: Verdict['kind']): readonly string[] =>
    [...nodes].flatMap(([node, verdict]) => (verdict.kind === kind ? [node] : [])).toSorted();
  const progress: MeshProgress = {
    replicas: counting,
    nodes: named('counts'),
    silent,
    unheard: named('unheard'),
    missing: named('missing'),
    changesAtMs: nextChange(nodes, look.awayMs),
  };
  return { presence: { nodes, replicas: new Map(counting.map((replica) => [replica.id, replica])) }, progress };
}

/** Null for a node that is forgotten. */
function decideNode(
  before: Remembered | undefined,
  now: readonly Connection[],
  isExpected: boolean,
  { nowMs, awayMs, silent }: Look,
  answering: ReadonlyMap<string, unknown>,
): Verdict | null {
  if (now.length > 0 && now.every(hasAnswered)) return { kind: 'counts', awaySinceMs: null, connections: now };
  const awaySinceMs = before?.awaySinceMs ?? nowMs;
  const isOver = nowMs - awaySinceMs >= awayMs;
  const known = isOver ? [] : (before?.connections ?? []);
  // It may be connected to one that does not answer: then nobody knows, and nothing is to be waited for.
  if (
    now.length === 0 &&
    silent.length > 0 &&
    !(known.length > 0 && known.every((one) => answering.has(one.replica)))
  ) {
    return isExpected ? { kind: 'unheard', awaySinceMs: nowMs, connections: [] } : null;
  }
  if (isOver) return isExpected || now.length > 0 ? { kind: 'missing', awaySinceMs, connections: [] } : null;
  const connections = known.length > 0 && (now.length === 0 || known.every(hasAnswered)) ? known : now;
  return { kind: connections.length > 0 ? 'counts' : 'awaited', awaySinceMs, connections };
}

/** A client that has just connected has answered nothing, whatever it still has from before. */
function hasAnswered({ progress }: Connection): boolean {
  return PROGRESS_TYPES.every((typeUrl) => (progress.settled.get(typeUrl) ?? -1) >= 0);
}

function connectionsByNode(replicas: readonly ReplicaProgress[]): ReadonlyMap<string, readonly Connection[]> {
  const byNode = new Map<string, Connection[]>();
  for (const { id: replica, nodes } of replicas) {
    for (const progress of nodes) {
      const connections = byNode.get(progress.node);
      if (connections === undefined) byNode.set(progress.node, [{ replica, progress }]);
      else connections.push({ replica, progress });
    }
  }
  return byNode;
}

/** Those that answer, and of the ones before those at which nodes still count; each as it was last seen. */
function replicasThatCount(
  nodes: ReadonlyMap<string, Verdict>,
  seen: readonly ReplicaProgress[],
  answering: ReadonlyMap<string, unknown>,
): readonly ReplicaProgress[] {
  const counting = new Map<string, NodeProgress[]>();
  for (const { connections } of nodes.values()) {
    for (const { replica, progress } of connections) {
      const ofReplica = counting.get(replica);
      if (ofReplica === undefined) counting.set(replica, [progress]);
      else ofReplica.push(progress);
    }
  }
  const last = new Map(seen.map((replica) => [replica.id, replica]));
  return [...last.values()].flatMap(({ id, version }) => {
    const ofReplica = counting.get(id);
    return ofReplica !== undefined || answering.has(id) ? [{ id, version, nodes: ofReplica ?? [] }] : [];
  });
}

function nextChange(nodes: ReadonlyMap<string, Verdict>, awayMs: number): number | null {
  let next: number | null = null;
  for (const { kind, awaySinceMs } of nodes.values()) {
    if (awaySinceMs === null || kind === 'missing' || kind === 'unheard') continue;
    next = Math.min(next ?? Infinity, awaySinceMs + awayMs);
  }
  return next;
}
