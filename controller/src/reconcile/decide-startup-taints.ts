/** One entry of a node's `spec.taints`, with everything it had. */
export interface Taint {
  readonly key: string;
  readonly [field: string]: unknown;
}

export interface TaintedNode {
  readonly name: string;
  readonly taints: readonly Taint[];
}

/** What the decision depends on. */
export interface StartupTaintWorld {
  /** Key of the taint that keeps pods away until the node's parts of the mesh run. */
  readonly key: string;
  readonly nodes: readonly TaintedNode[];
  /** DaemonSets that must have a ready pod on a node. */
  readonly required: readonly string[];
  /** Names of the DaemonSets with a ready pod, by node. */
  readonly ready: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The nodes that may take pods now, with the taints they keep. */
export function decideStartupTaints({ key, nodes, required, ready }: StartupTaintWorld): readonly TaintedNode[] {
  return nodes
    .filter(({ taints }) => taints.some((taint) => taint.key === key))
    .filter(({ name }) => required.every((daemonSet) => ready.get(name)?.has(daemonSet) === true))
    .map(({ name, taints }) => ({ name, taints: taints.filter((taint) => taint.key !== key) }));
}
