/**
 * The hostnames of a route that a listener takes, as narrow as both say: a name for a wildcard that covers it. Empty when
 * neither says anything, null when they have nothing in common.
 */
export function intersectHostnames(route: readonly string[], listener: string | null): readonly string[] | null {
  if (listener === null) return route;
  if (route.length === 0) return [listener];
  const common = route.flatMap((hostname) => {
    if (covers(listener, hostname)) return [hostname];
    return covers(hostname, listener) ? [listener] : [];
  });
  return common.length === 0 ? null : [...new Set(common)];
}

/** Whether two sets of hostnames have any in common; an empty one is all. */
export function hostnamesMeet(a: readonly string[], b: readonly string[]): boolean {
  if (a.length === 0 || b.length === 0) return true;
  return a.some((left) => b.some((right) => covers(left, right) || covers(right, left)));
}

/** `*.` stands for one label or more. */
function covers(wide: string, narrow: string): boolean {
  if (wide === narrow) return true;
  const suffix = wide.startsWith('*.') ? wide.slice(1) : null;
  return suffix !== null && narrow.length > suffix.length && narrow.endsWith(suffix);
}
