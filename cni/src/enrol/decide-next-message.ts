/** What one node agent was told about a pod. */
export interface ToldPod<Netns> {
  readonly netns: Netns;
  readonly serviceAccount: string;
  /** Set while the node agent could not take the pod: when it is asked again, on a monotonic clock. */
  readonly askAgainAtMs: number | null;
}

export interface MessageSituation<Netns> {
  /** Pods that have to be captured, by uid, with their namespaces and what makes their identity. */
  readonly announced: ReadonlyMap<
    string,
    { readonly netns: Netns; readonly names: { readonly serviceAccount: string } }
  >;
  /** What this connection was told. */
  readonly told: ReadonlyMap<string, ToldPod<Netns>>;
  /** No node agent connected later in its slot; only the latest one is given pods. */
  readonly isLatest: boolean;
  /** The snapshot is complete: only changes follow. */
  readonly snapshotSent: boolean;
  readonly nowMs: number;
}

export type NextMessage =
  | { readonly kind: 'delete' | 'add'; readonly uid: string }
  | { readonly kind: 'snapshot-sent' }
  /** Nothing to say until something changes, or until `untilMs`. */
  | { readonly kind: 'wait'; readonly untilMs: number | null };

/**
 * What a connection says next so that in the end its node agent holds what is announced. Deletions come first, and go to
 * every node agent; a pod whose namespace or service account changed is added again, which replaces it.
 */
export function decideNextMessage<Netns>(situation: MessageSituation<Netns>): NextMessage {
  const { announced, told, isLatest, snapshotSent, nowMs } = situation;
  for (const uid of told.keys()) if (!announced.has(uid)) return { kind: 'delete', uid };
  let untilMs: number | null = null;
  if (isLatest) {
    for (const [uid, pod] of announced) {
      const before = told.get(uid);
      if (before === undefined || before.netns !== pod.netns) return { kind: 'add', uid };
      if (before.serviceAccount !== pod.names.serviceAccount) return { kind: 'add', uid };
      if (before.askAgainAtMs === null) continue;
      if (before.askAgainAtMs <= nowMs && snapshotSent) return { kind: 'add', uid };
      untilMs = Math.min(untilMs ?? before.askAgainAtMs, before.askAgainAtMs);
    }
  }
  // The snapshot does not wait for pods that were refused: the others must not suffer.
  return snapshotSent ? { kind: 'wait', untilMs } : { kind: 'snapshot-sent' };
}
