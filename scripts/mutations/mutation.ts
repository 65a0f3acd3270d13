/** What a mutation is about; each has its own minimum in list.test.ts. */
export type MutationArea =
  | 'authorization'
  | 'admission'
  | 'flow control'
  | 'framing'
  | 'hpack'
  | 'http1'
  | 'http2'
  | 'routes'
  | 'fields';

/** One wrong line, and the tests that must notice it. */
export interface Mutation {
  readonly area: MutationArea;
  readonly file: string;
  /** Text within one line, found exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** At least one test of these files must fail. */
  readonly tests: readonly string[];
}

/** The file's text with the mutation applied, or why it cannot be. */
export function applyMutation(
  text: string,
  mutation: Mutation,
): { readonly text: string } | { readonly problem: string } {
  const { find, replace } = mutation;
  if (find.includes('\n') || replace.includes('\n')) return { problem: 'a mutation changes one line' };
  if (find === replace) return { problem: 'it changes nothing' };
  const first = text.indexOf(find);
  if (first === -1) return { problem: 'its text is not in the file' };
  if (text.indexOf(find, first + 1) !== -1) return { problem: 'its text is in the file more than once' };
  return { text: text.slice(0, first) + replace + text.slice(first + find.length) };
}
