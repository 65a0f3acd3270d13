/** A ConfigMap of the trust bundle's name as it is found in a namespace. */
export interface PresentBundle {
  /** Null when it has no bundle. */
  readonly pem: string | null;
  /** It carries our label: made by us, so ours to remove. */
  readonly isOurs: boolean;
}

/** What the decision depends on. */
export interface TrustBundleWorld {
  /** Roots that workloads must trust, PEM. */
  readonly pem: string;
  /** Namespaces that need it. */
  readonly wanted: ReadonlySet<string>;
  /** By namespace. */
  readonly present: ReadonlyMap<string, PresentBundle>;
}

export interface TrustBundleWrites {
  /** Namespaces whose ConfigMap is missing, unlabelled or says something else, in order. */
  readonly apply: readonly string[];
  /** Namespaces that left the mesh and still have ours, in order. */
  readonly remove: readonly string[];
}

/** What has to be written so that exactly the wanted namespaces have the bundle. One of somebody else's is never removed. */
export function decideTrustBundles({ pem, wanted, present }: TrustBundleWorld): TrustBundleWrites {
  const isRight = (namespace: string): boolean => {
    const found = present.get(namespace);
    return found !== undefined && found.isOurs && found.pem === pem;
  };
  return {
    apply: [...wanted].filter((namespace) => !isRight(namespace)).toSorted(),
    remove: [...present]
      .filter(([namespace, { isOurs }]) => isOurs && !wanted.has(namespace))
      .map(([namespace]) => namespace)
      .toSorted(),
  };
}
