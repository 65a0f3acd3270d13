import { keyOf, type ObjectKey } from '../kinds/objects.ts';
import type { MeshObject } from '../kinds/objects.ts';
import type { ManifestLimits } from './limits.ts';
import { type ParsedDocument, parseDocumentText } from './parse-document.ts';
import { splitDocuments } from './split-documents.ts';

export interface FileObject {
  readonly object: MeshObject;
  /** Line in the file, from 1. */
  readonly line: number;
}

export interface FileProblem {
  readonly line: number;
  readonly reason: string;
  readonly key: ObjectKey | undefined;
}

/** What one version of a file says. */
export interface ParsedFile {
  readonly objects: ReadonlyMap<ObjectKey, FileObject>;
  readonly problems: readonly FileProblem[];
  /** By text, so that the next version of the file parses only what changed and unchanged objects stay the same values. */
  readonly documents: ReadonlyMap<string, ParsedDocument>;
}

export const EMPTY_FILE: ParsedFile = { objects: new Map(), problems: [], documents: new Map() };

/** Never throws. `previous` is the version before, or EMPTY_FILE. */
export function parseFile(text: string, previous: ParsedFile, limits: ManifestLimits): ParsedFile {
  const objects = new Map<ObjectKey, FileObject>();
  const problems: FileProblem[] = [];
  const documents = new Map<string, ParsedDocument>();
  for (const part of splitDocuments(text)) {
    const known = documents.get(part.text) ?? previous.documents.get(part.text);
    const parsed = known ?? parseDocumentText(part.text, limits);
    documents.set(part.text, parsed);
    const lineOf = (line: number): number => part.line + line - 1;
    for (const problem of parsed.problems) problems.push({ ...problem, line: lineOf(problem.line) });
    for (const { object, line } of parsed.objects) {
      const key = keyOf(object);
      const first = objects.get(key);
      if (first === undefined) objects.set(key, { object, line: lineOf(line) });
      else
        problems.push({
          line: lineOf(line),
          reason: `${key} is already defined at line ${first.line} of this file`,
          key,
        });
    }
  }
  return { objects, problems, documents };
}

/**
 * Objects in force after a file changed from `inForce` to `now`: its good objects, and the last good version of those that
 * broke. A document that cannot be told apart from any object keeps every object that went missing.
 */
export function keepLastGood(
  inForce: ReadonlyMap<ObjectKey, FileObject>,
  now: ParsedFile,
): ReadonlyMap<ObjectKey, FileObject> {
  if (now.problems.length === 0) return now.objects;
  const anyUnknown = now.problems.some((problem) => problem.key === undefined);
  const broken = new Set(now.problems.map((problem) => problem.key));
  const result = new Map(now.objects);
  for (const [key, object] of inForce) {
    if (!result.has(key) && (anyUnknown || broken.has(key))) result.set(key, object);
  }
  return result;
}
