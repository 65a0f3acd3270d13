/** One YAML document of a file. */
export interface DocumentText {
  readonly text: string;
  /** Line of the file at which `text` begins, from 1. */
  readonly line: number;
}

/** Start (`---`) or end (`...`) of a document. */
const MARKER = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm;
const END = '...';
const ONLY_DIRECTIVES = /^(?:[ \t]*(?:#[^\n]*)?\r?\n|%[^\n]*\n)*$/;

/**
 * Cuts a YAML stream at its document markers, which YAML allows nowhere else at the beginning of a line. So a document
 * that does not parse leaves the others of its file alone. Documents without content are left out.
 */
export function splitDocuments(text: string): readonly DocumentText[] {
  const starts = [0, ...[...text.matchAll(MARKER)].map((match) => match.index)];
  const documents: DocumentText[] = [];
  let line = 1;
  let directives = '';
  for (const [index, start] of starts.entries()) {
    const part = withoutEndMarker(text.slice(start, starts[index + 1] ?? text.length));
    if (part.includes('%') && ONLY_DIRECTIVES.test(part)) {
      directives = part; // They belong to the document that follows.
      continue;
    }
    const whole = directives + part;
    if (hasContent(part)) documents.push({ text: whole, line });
    line += countLines(whole);
    directives = '';
  }
  return documents;
}

function withoutEndMarker(part: string): string {
  return part.startsWith(END) ? part.slice(END.length) : part;
}

function hasContent(part: string): boolean {
  return /^[ \t]*[^\s#]/m.test(part.replace(/^---/, ''));
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
