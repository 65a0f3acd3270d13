type Labels = ReadonlyMap<string, string>;

/**
 * Key under which a selector is indexed: one of its labels, the same one every time. Whoever has that label looks here and
 * then compares the whole selector, so that a change touches only objects that could match. `scope` is a namespace, or
 * empty for selectors that look into all of them.
 */
export function selectorKey(scope: string, selector: Labels): string | null {
  const first = [...selector].sort(([a], [b]) => (a < b ? -1 : 1))[0];
  return first === undefined ? null : labelKey(scope, first[0], first[1]);
}

/** The keys under which selectors that may match these labels are found. */
export function labelKeys(scope: string, labels: Labels): readonly string[] {
  return [...labels].map(([name, value]) => labelKey(scope, name, value));
}

function labelKey(scope: string, name: string, value: string): string {
  return `${scope}|${name}=${value}`;
}
