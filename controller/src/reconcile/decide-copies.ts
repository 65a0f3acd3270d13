/** Where revocation lists are: ConfigMap and key as Istio has them but for the prefix of the name. */
export const REVOCATION_LISTS = { name: 'ambit-ca-crl', key: 'ca-crl.pem' } as const;

/** A ConfigMap of our name as it is found in a namespace. */
export interface PresentCopy {
  /** Null when it has not our key. */
  readonly text: string | null;
  /** It carries our label: made by us, so ours to remove. */
  readonly isOurs: boolean;
}

/** What the decision depends on. */
export interface CopiesWorld {
  /** What every copy says. */
  readonly text: string;
  /** Namespaces that need it. */
  readonly wanted: ReadonlySet<string>;
  /** By namespace. */
  readonly present: ReadonlyMap<string, PresentCopy>;
}

export interface CopiesWrites {
  /** Namespaces whose ConfigMap is missing, unlabelled or says something else, in order. */
  readonly apply: readonly string[];
  /** Namespaces that need none any more and still have ours, in order. */
  readonly remove: readonly string[];
}

/** What has to be written so that exactly the wanted namespaces have a copy. One of somebody else's is never removed. */
export function decideCopies({ text, wanted, present }: CopiesWorld): CopiesWrites {
  const isRight = (namespace: string): boolean => {
    const found = present.get(namespace);
    return found !== undefined && found.isOurs && found.text === text;
  };
  return {
    apply: [...wanted].filter((namespace) => !isRight(namespace)).toSorted(),
    remove: [...present]
      .filter(([namespace, { isOurs }]) => isOurs && !wanted.has(namespace))
      .map(([namespace]) => namespace)
      .toSorted(),
  };
}
