import type { FieldMatch, HttpPolicyMatch, StringMatch } from '../model/access-policy.ts';
import { hostWithoutDot, type RequestFacts, textMatches } from '../model/authorize.ts';
import type { NormalPath } from '../model/normal-path.ts';
import type { PathTemplate } from '../model/path-template.ts';

const SLASH = 0x2f;
const SEMICOLON = 0x3b;

/** What a match says of a request, all of it. Makes nothing but what reading a header makes. */
export class RequestMatch {
  readonly #methods: HttpPolicyMatch['methods'] | null;
  readonly #paths: HttpPolicyMatch['paths'] | null;
  readonly #hosts: HttpPolicyMatch['hosts'] | null;
  readonly #headers: HttpPolicyMatch['headers'];

  constructor({ methods, paths, hosts, headers }: HttpPolicyMatch) {
    this.#methods = saysNothing(methods) ? null : methods;
    this.#paths = saysNothing(paths) ? null : paths;
    this.#hosts = saysNothing(hosts) ? null : hosts;
    this.#headers = headers;
  }

  /** What each path that it names begins with, up to the first segment that may be any; null when a path with any may match. */
  get literalPrefixes(): readonly (readonly string[])[] | null {
    if (this.#paths === null || this.#paths.any.length === 0) return null;
    const prefixes: string[][] = [];
    for (const { segments } of this.#paths.any) {
      const prefix: string[] = [];
      for (const segment of segments) {
        if (segment === null) break;
        prefix.push(segment);
      }
      if (prefix.length === 0) return null;
      prefixes.push(prefix);
    }
    return prefixes;
  }

  /** `unread`: whether what nobody can tell counts as met, as of which of several lines a server takes. */
  holds(request: RequestFacts, unread: boolean): boolean {
    const methods = this.#methods;
    if (methods !== null) {
      const { method } = request;
      if ((methods.any.length > 0 && !methods.any.includes(method)) || methods.none.includes(method)) return false;
    }
    const paths = this.#paths;
    if (paths !== null) {
      const { path } = request;
      if ((paths.any.length > 0 && !anyTemplate(paths.any, path)) || anyTemplate(paths.none, path)) return false;
    }
    if (this.#hosts !== null && !textHolds(this.#hosts, hostWithoutDot(request.host))) return false;
    for (const { name, values } of this.#headers) {
      if (!headerHolds(values, name, request, unread)) return false;
    }
    return true;
  }
}

function saysNothing({ any, none }: { readonly any: readonly unknown[]; readonly none: readonly unknown[] }): boolean {
  return any.length === 0 && none.length === 0;
}

function textHolds({ any, none }: FieldMatch<StringMatch>, text: string | undefined): boolean {
  return (any.length === 0 || anyText(any, text)) && !anyText(none, text);
}

/** What refuses holds for all lines of a name together or any, what admits for all together and each. */
function headerHolds(values: FieldMatch<StringMatch>, name: string, request: RequestFacts, unread: boolean): boolean {
  const joined = request.header(name) ?? undefined;
  const isHeld = textHolds(values, joined);
  if (isHeld === unread || joined === undefined || !joined.includes(', ')) return isHeld;
  for (const line of request.lines(name)) if (textHolds(values, line) === unread) return unread;
  return isHeld;
}

function anyText(matches: readonly StringMatch[], text: string | undefined): boolean {
  for (const match of matches) if (textMatches(match, text)) return true;
  return false;
}

function anyTemplate(templates: readonly PathTemplate[], path: NormalPath): boolean {
  for (const template of templates) if (pathMatches(template, path)) return true;
  return false;
}

/** `templateMatches` without making anything; a property test holds the two together. */
export function pathMatches({ segments, open }: PathTemplate, path: NormalPath): boolean {
  if (path === '*') return open && segments.length === 0;
  const end = path.charCodeAt(path.length - 1) === SLASH ? path.length - 1 : path.length;
  // One past the end of the segment before; at the end there is no further one.
  let at = 1;
  for (const segment of segments) {
    if (at > end) return false;
    const segmentEnd = endOfSegment(path, at, end);
    const contentEnd = endOfContent(path, at, segmentEnd);
    // Any one will do for none; no segment of a normal path is empty without its parameters.
    if (segment !== null && (contentEnd - at !== segment.length || !path.startsWith(segment, at))) return false;
    at = segmentEnd + 1;
  }
  return open || at > end;
}

function endOfSegment(path: string, from: number, end: number): number {
  const slash = path.indexOf('/', from);
  return slash === -1 || slash > end ? end : slash;
}

/** Without path parameters. */
function endOfContent(path: string, from: number, end: number): number {
  for (let at = from; at < end; at++) if (path.charCodeAt(at) === SEMICOLON) return at;
  return end;
}
