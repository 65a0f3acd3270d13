/** One backend by weight; `draw` is in [0, 1). Null when the rule has none, or none with a weight: that is 500. */
export function pickBackend<W extends { readonly weight: number }>(
  rule: { readonly backends: readonly W[]; readonly weightTotal: number },
  draw: number,
): W | null {
  let left = draw * rule.weightTotal;
  for (const backend of rule.backends) {
    left -= backend.weight;
    if (left < 0) return backend;
  }
  // Rounding may leave a trace of the last one's share.
  return rule.weightTotal > 0 ? (rule.backends.findLast(({ weight }) => weight > 0) ?? null) : null;
}
