import { type NormalPath, normalisePath } from './normal-path.ts';

/** A pattern of paths: `/users/{id}/orders`, `/files/*`, `/admin/**`. */
export interface PathTemplate {
  readonly source: string;
  /** Null: any one segment. */
  readonly segments: readonly (string | null)[];
  /** Ends with `**`: everything below counts too. */
  readonly open: boolean;
}

/** A segment of a template that stands for itself: no dot segment, and no escape that a request may not have. */
const ESCAPE = '%(?:0[1-9A-Fa-f]|[1346-9A-Fa-f][0-9A-Fa-f]|2[0-9A-Da-d]|5[0-9ABabD-Fd-f])';
const CHARACTER = `(?:[-A-Za-z0-9_~!$&'()+,=:@]|${ESCAPE})`;
const LITERAL = `(?:\\.{0,2}${CHARACTER}(?:${CHARACTER}|\\.)*|\\.{3,})`;
const SEGMENT = `(?:${LITERAL}|\\*|\\{[A-Za-z0-9_-]+\\})`;

/** What `parsePathTemplate` takes; also for schemas. */
export const PATH_TEMPLATE: RegExp = new RegExp(`^/(?:${SEGMENT}/)*(?:${SEGMENT}|\\*\\*)?$`);
export const PATH_TEMPLATE_LENGTH_MAX = 1024;

/**
 * A template: segments that stand for themselves, `*` or `{name}` for any one segment, and at the end `**` for any number of
 * them. Null for anything else.
 */
export function parsePathTemplate(text: string): PathTemplate | null {
  if (!PATH_TEMPLATE.test(text) || text.length > PATH_TEMPLATE_LENGTH_MAX) return null;
  const parts = segmentsOf(text);
  const open = parts.at(-1) === '**';
  const segments: (string | null)[] = [];
  for (const part of open ? parts.slice(0, -1) : parts) {
    const normal = normalisePath(`/${part}`);
    if (normal.kind === 'refused') return null;
    segments.push(part === '*' || part.startsWith('{') ? null : normal.path.slice(1));
  }
  return { source: text, segments, open };
}

/**
 * Whether a path is one of the template's. A slash at the end does not count, nor do path parameters (`/a;v=1` is `/a`): many
 * servers take them for the same. The `*` of OPTIONS is matched by `/**` alone.
 */
export function templateMatches(template: PathTemplate, path: NormalPath): boolean {
  const { segments, open } = template;
  if (path === '*') return open && segments.length === 0;
  const parts = segmentsOf(path);
  if (open ? parts.length < segments.length : parts.length !== segments.length) return false;
  return segments.every((segment, index) => {
    const part = withoutParameters(parts[index] ?? '');
    // No segment of a normal path is empty without its parameters.
    return segment === null || segment === part;
  });
}

function segmentsOf(path: string): readonly string[] {
  const end = path.endsWith('/') ? -1 : undefined;
  return path === '/' ? [] : path.slice(1, end).split('/');
}

function withoutParameters(segment: string): string {
  const semicolon = segment.indexOf(';');
  return semicolon === -1 ? segment : segment.slice(0, semicolon);
}
