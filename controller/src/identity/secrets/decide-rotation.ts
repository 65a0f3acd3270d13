/** A certificate of an authority, as far as its replacement goes. */
export interface AuthorityLife {
  /** Tells certificates apart. */
  readonly fingerprint: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** The Secret that signs. */
export interface IntermediateState extends AuthorityLife {
  /** Fingerprint of the root that signed it; empty when that is none of those published. */
  readonly signedBy: string;
  /** Roots that everybody is told to believe, first the one in charge. */
  readonly published: readonly AuthorityLife[];
  /** An operator asks for a new root. */
  readonly rotationWanted: boolean;
}

/** The Secret that holds the root's key. */
export interface RootState extends AuthorityLife {
  /** A root that is published but signs nothing yet. */
  readonly next: AuthorityLife | null;
}

export interface RotationWorld {
  readonly root: RootState | null;
  readonly intermediate: IntermediateState | null;
  readonly nowMs: number;
  /** Time until everybody who will ever hear of a new root has: longer than a workload's certificate lives. */
  readonly overlapMs: number;
}

export type RotationStep =
  | { readonly kind: 'none' }
  | { readonly kind: 'create-root' }
  /** Make a root that takes over later. */
  | { readonly kind: 'prepare-root' }
  /** The prepared root takes over. */
  | { readonly kind: 'switch-root' }
  /** A new intermediate, signed by the root. Fingerprints of the roots to publish with it. */
  | { readonly kind: 'sign'; readonly roots: readonly string[] }
  /** The same intermediate with other roots beside it. */
  | { readonly kind: 'publish'; readonly roots: readonly string[] };

/** A root is replaced when this share of its life is over, an intermediate at half of it. */
const ROOT_DUE_SHARE = 0.8;
const INTERMEDIATE_DUE_SHARE = 0.5;

/** Whether anything may be due that needs the root's key: otherwise it is not even read. */
export function isRootNeeded(intermediate: IntermediateState | null, nowMs: number): boolean {
  if (intermediate === null || intermediate.rotationWanted || intermediate.published.length !== 1) return true;
  const [root] = intermediate.published;
  return isDue(intermediate, INTERMEDIATE_DUE_SHARE, nowMs) || root === undefined || isDue(root, ROOT_DUE_SHARE, nowMs);
}

/**
 * The next step of keeping the authorities alive. A new root is published, signs only when everybody has heard of it, and
 * the old one stays published until nothing it stands for is in use. Times come from the certificates themselves, so that it
 * does not matter who takes a step, nor how often it is interrupted.
 */
export function decideRotation({ root, intermediate, nowMs, overlapMs }: RotationWorld): RotationStep {
  if (root === null) return { kind: 'create-root' };
  const { next } = root;
  const own = next === null ? [root.fingerprint] : [root.fingerprint, next.fingerprint];
  if (intermediate === null) return { kind: 'sign', roots: own };
  const published = intermediate.published.map(({ fingerprint }) => fingerprint);
  const all = [...new Set([...own, ...published])];
  if (next === null && (intermediate.rotationWanted || isDue(root, ROOT_DUE_SHARE, nowMs)))
    return { kind: 'prepare-root' };
  if (own.some((fingerprint) => !published.includes(fingerprint))) return { kind: 'publish', roots: all };
  if (next !== null && nowMs >= next.notBeforeMs + overlapMs) return { kind: 'switch-root' };
  if (intermediate.signedBy !== root.fingerprint) {
    const isKnown = nowMs >= root.notBeforeMs + overlapMs;
    const isUrgent = nowMs + overlapMs >= intermediate.notAfterMs;
    return isKnown || isUrgent ? { kind: 'sign', roots: all } : { kind: 'none' };
  }
  if (isDue(intermediate, INTERMEDIATE_DUE_SHARE, nowMs)) return { kind: 'sign', roots: all };
  if (all.length > own.length && nowMs >= intermediate.notBeforeMs + overlapMs) return { kind: 'publish', roots: own };
  return { kind: 'none' };
}

function isDue({ notBeforeMs, notAfterMs }: AuthorityLife, share: number, nowMs: number): boolean {
  return nowMs >= notBeforeMs + (notAfterMs - notBeforeMs) * share;
}
