import { RE2JS } from 're2js';

/** As written; the whole text must match it. */
export interface Regex {
  readonly source: string;
  /** Takes time in proportion to the length of `text`, whatever the expression. */
  matches(text: string): boolean;
}

/** Nested repetitions multiply: 1,000 characters can become millions of instructions. */
const INSTRUCTIONS_MAX = 5_000;

export type RegexOrFault =
  | { readonly kind: 'regex'; readonly regex: Regex }
  /** What is wrong with the expression, for its author. */
  | { readonly kind: 'fault'; readonly fault: string };

/**
 * A regular expression in RE2's syntax: no back-references and no lookarounds, which need exponential time. Case counts, and
 * `.` is any character but a line's end. The caller bounds the length of `source`.
 */
export function parseRegex(source: string): RegexOrFault {
  try {
    const compiled = RE2JS.compile(source);
    const instructions = compiled.programSize();
    if (instructions > INSTRUCTIONS_MAX) {
      return { kind: 'fault', fault: `too large: ${instructions} instructions, at most ${INSTRUCTIONS_MAX}` };
    }
    return { kind: 'regex', regex: { source, matches: (text) => compiled.testExact(text) } };
  } catch (cause) {
    return { kind: 'fault', fault: cause instanceof Error ? cause.message : String(cause) };
  }
}
