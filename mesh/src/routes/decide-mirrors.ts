import type { MirrorFilter } from './rule.ts';

/** The backends that get a copy of a request; `draw` gives a number in [0, 1) for each that gets only some. */
export function decideMirrors<B>(mirrors: readonly MirrorFilter<B>[], draw: () => number): readonly B[] {
  if (mirrors.length === 0) return [];
  return mirrors
    .filter(
      ({ numerator, denominator }) => numerator >= denominator || (numerator > 0 && draw() * denominator < numerator),
    )
    .map(({ backend }) => backend);
}
