/** One YAML document of a file. */
export interface DocumentText {
  readonly text: string;
  /** Line of the file at which `text` begins, from 1. */
  readonly line: number;
}

const BOUNDARY = /^---(?=[ \t\r\n]|$)/gm;
const ONLY_DIRECTIVES = /^(?:[ \t]*(?:#[^\n]*)?\r?\n|%[^\n]*\n)*$/;

/**
 * Cuts a YAML stream at its document markers, which YAML allows nowhere else at the beginning of a line. So a document
 * that does not parse leaves the others of its file alone. Documents without content are left out.
 */
export function splitDocuments(text: string): readonly DocumentText[] {
  const starts = [0, ...[...text.matchAll(BOUNDARY)].map((match) => match.index)];
  const documents: DocumentText[] = [];
  let line = 1;
  let carried = '';
  for (const [index, start] of starts.entries()) {
    const part = text.slice(start, starts[index + 1] ?? text.length);
    if (part.startsWith('%') || (ONLY_DIRECTIVES.test(part) && part.includes('\n%'))) {
      carried = part; // Directives belong to the document that follows.
      continue;
    }
    const whole = carried + part;
    if (hasContent(part)) documents.push({ text: whole, line });
    line += countLines(whole);
    carried = '';
  }
  return documents;
}

function hasContent(part: string): boolean {
  const body = part.replace(/^---/, '');
  return /^[ \t]*[^\s#]/m.test(body) && body.trim() !== '...';
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
