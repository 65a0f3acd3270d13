/** What stands in the way of a pod's traffic now. `Netns` compares namespaces. */
export type EnrolmentState<Netns> =
  | { readonly kind: 'absent' }
  /** An earlier run of this process put rules there, or was about to. */
  | { readonly kind: 'recorded'; readonly netns: Netns }
  /** Rules are there and the pod is announced. */
  | { readonly kind: 'enrolled'; readonly netns: Netns };

/**
 * `enrol`: put rules in, announce. `leave`: the namespace is gone, or another one stands in its place; forget what was done to
 * the old one. `release`: withdraw, take rules out. `forget`: nothing is left to do for this pod, ever. `none`: all is well.
 */
export type NextStep = 'enrol' | 'leave' | 'release' | 'forget' | 'none';

/** The next step from what is (`state`, and the namespace `found` at the pod's path) to what should be. */
export function decideNextStep<Netns>(
  desired: boolean,
  state: EnrolmentState<Netns>,
  found: Netns | null,
  isSame: (a: Netns, b: Netns) => boolean,
): NextStep {
  const unchanged = state.kind !== 'absent' && found !== null && isSame(state.netns, found);
  switch (state.kind) {
    case 'absent':
      return desired ? 'enrol' : 'forget';
    case 'recorded':
      return desired ? 'enrol' : unchanged ? 'release' : 'forget';
    case 'enrolled':
      return unchanged ? (desired ? 'none' : 'release') : 'leave';
  }
}
