import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { identifyObject, parseObject } from '../kinds/parse-object.ts';
import { KindError } from '../kinds/errors.ts';
import { refuseStray } from '../kinds/stray-object.ts';
import { type MeshObject, type ObjectKey, objectKey } from '../kinds/objects.ts';
import type { ManifestLimits } from './limits.ts';

/** An object of a document, with its line counted from the document's first. */
export interface ParsedObject {
  readonly object: MeshObject;
  readonly line: number;
}

export interface DocumentProblem {
  readonly line: number;
  readonly reason: string;
  /** Undefined when it cannot be told which object this would have been. */
  readonly key: ObjectKey | undefined;
}

export interface ParsedDocument {
  readonly objects: readonly ParsedObject[];
  readonly problems: readonly DocumentProblem[];
}

/** Depth of lists inside lists: `kubectl get -o yaml` gives one. */
const LIST_DEPTH_MAX = 2;

/** One YAML or JSON document with one object, or a `List` of them. Never throws: what is wrong becomes a problem. */
export function parseDocumentText(text: string, limits: ManifestLimits): ParsedDocument {
  const objects: ParsedObject[] = [];
  const problems: DocumentProblem[] = [];
  const problem = (line: number, reason: string, key?: ObjectKey): void => void problems.push({ line, reason, key });
  if (text.length > limits.documentBytesMax) {
    problem(1, `document is larger than ${limits.documentBytesMax} bytes`);
    return { objects, problems };
  }
  const lines = new LineCounter();
  let json: unknown;
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      merge: true,
      logLevel: 'error',
    });
    const error = document.errors[0];
    if (error !== undefined) {
      problem(lines.linePos(error.pos[0]).line, `not valid YAML: ${error.message}`);
      return { objects, problems };
    }
    refuseRepeatedKeys(document, lines, problem);
    if (problems.length > 0) return { objects, problems };
    json = document.toJS({ maxAliasCount: limits.aliasesMax });
  } catch (error) {
    problem(1, `not usable YAML: ${error instanceof Error ? error.message : 'unknown error'}`);
    return { objects, problems };
  }
  for (const item of itemsOf(json, [])) {
    const position = lineOf(document, lines, item.path);
    try {
      const object = parseObject(item.json);
      if (object === null) refuseStray(item.json);
      else objects.push({ object, line: position });
    } catch (error) {
      if (!(error instanceof KindError)) throw error;
      const identity = identifyObject(item.json);
      const key = identity === null ? undefined : objectKey(identity.kind, identity.namespace, identity.name);
      problem(lineOf(document, lines, [...item.path, ...segmentsOf(error.detail.field)]), error.message, key);
    }
  }
  return { objects, problems };
}

type Path = readonly (string | number)[];

function itemsOf(json: unknown, path: Path): readonly { readonly json: unknown; readonly path: Path }[] {
  if (json === null || json === undefined) return [];
  if (path.length / 2 < LIST_DEPTH_MAX && typeof json === 'object' && 'items' in json && Array.isArray(json.items)) {
    const kind = 'kind' in json && typeof json.kind === 'string' ? json.kind : '';
    if (kind.endsWith('List')) return json.items.flatMap((item, index) => itemsOf(item, [...path, 'items', index]));
  }
  return [{ json, path }];
}

/** The yaml package's own check compares every pair of keys, which a large map turns into minutes. */
function refuseRepeatedKeys(
  document: Document.Parsed,
  lines: LineCounter,
  problem: (line: number, reason: string) => void,
): void {
  visit(document, {
    Map(_key, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value) && key.value !== '<<') {
          problem(lines.linePos(key.range?.[0] ?? 0).line, `key ${JSON.stringify(key.value)} is there twice`);
          return visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
}

/** Line of the deepest part of `path` that the document has. */
function lineOf(document: Document.Parsed, lines: LineCounter, path: Path): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const segment of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(segment));
      if (pair === undefined) break;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else {
      const next: unknown =
        isNode(node) && 'get' in node ? (node as { get(key: unknown, keep: true): unknown }).get(segment, true) : null;
      if (!isNode(next)) break;
      offset = next.range?.[0] ?? offset;
      node = next;
    }
  }
  return lines.linePos(offset).line;
}

/** `spec.rules[0].from` as segments. Keys with dots end the search early, which only makes the line less exact. */
function segmentsOf(field: string): Path {
  return field
    .split(/[.[\]]+/)
    .filter((part) => part !== '')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}
