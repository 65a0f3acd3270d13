import { type Brand, branded } from './brand.ts';

/** A path in the one form that routes and policies compare and that is sent on; begins with `/`, or is `*`. */
export type NormalPath = Brand<string, 'NormalPath'>;

export type PathFault =
  /** Not `/...`, nor the `*` of OPTIONS. */
  | 'not-absolute'
  /** A space, a control character, a byte beyond ASCII, or `?` and `#`, which end a path. */
  | 'character'
  /** A `%` that is not followed by two hexadecimal digits. */
  | 'percent-encoding'
  /** An encoded slash: some servers see a separator, others a letter. */
  | 'encoded-slash'
  /** A backslash, as it is or encoded: a separator for some servers. */
  | 'backslash'
  /** An encoded NUL ends the path for some servers. */
  | 'nul'
  /** A dot segment with parameters (`..;a`): servers that drop parameters go up, others do not. */
  | 'dot-segment-parameter'
  /** A segment of nothing but parameters (`/;a/b`): servers that drop parameters and merge slashes read `/b`, others do not. */
  | 'empty-segment-parameter';

export type PathNormalisation =
  | { readonly kind: 'path'; readonly path: NormalPath }
  /** To be answered with 400: two servers may read it in two ways. */
  | { readonly kind: 'refused'; readonly fault: PathFault };

/** Whatever a path may need work for; a path without any of it is normal. Dots and semicolons matter after a slash only. */
const SUSPECT = /[^!"$&->@-[\]-~]|\/[./;]/;
const SLASH = 0x2f;
const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const HEXADECIMAL = '0123456789ABCDEF';
/** RFC 3986 2.3: encoded or not, they are the same. */
const UNRESERVED = /[A-Za-z0-9\-._~]/;

/**
 * The path of a request, without its query, in normal form (RFC 3986 6.2.2): unreserved characters are not percent-encoded,
 * other escapes have capital digits, dot segments are resolved, and slashes that follow a slash are dropped, before dots
 * are resolved. A path that servers may read differently is refused. Case, a slash at the end and path parameters stay.
 * Idempotent. What is authorised is what must be sent on: the result, not the input.
 */
export function normalisePath(text: string): PathNormalisation {
  if (text === '*') return { kind: 'path', path: branded(text) };
  if (text.charCodeAt(0) !== SLASH) return { kind: 'refused', fault: 'not-absolute' };
  if (!SUSPECT.test(text)) return { kind: 'path', path: branded(text) };
  const decoded = decode(text);
  if (typeof decoded !== 'string') return decoded;
  if (/\/\.{1,2};/.test(decoded)) return { kind: 'refused', fault: 'dot-segment-parameter' };
  if (decoded.includes('/;')) return { kind: 'refused', fault: 'empty-segment-parameter' };
  return { kind: 'path', path: branded(resolveDots(decoded)) };
}

/** Unreserved characters decoded, slashes merged; or why not. */
function decode(text: string): string | Extract<PathNormalisation, { readonly kind: 'refused' }> {
  let result = '';
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === BACKSLASH) return { kind: 'refused', fault: 'backslash' };
    if (code <= 0x20 || code >= 0x7f || code === 0x3f || code === 0x23) return { kind: 'refused', fault: 'character' };
    if (code === SLASH && index > 0 && text.charCodeAt(index - 1) === SLASH) {
      result += text.slice(start, index);
      start = index + 1;
    }
    if (code !== PERCENT) continue;
    const byte = hexadecimalAt(text, index + 1);
    if (byte === null) return { kind: 'refused', fault: 'percent-encoding' };
    const fault = faultOfEscape(byte);
    if (fault !== null) return { kind: 'refused', fault };
    result += text.slice(start, index) + normalEscape(byte);
    start = index + 3;
    index += 2;
  }
  return result + text.slice(start);
}

function faultOfEscape(byte: number): PathFault | null {
  switch (byte) {
    case SLASH:
      return 'encoded-slash';
    case BACKSLASH:
      return 'backslash';
    case 0:
      return 'nul';
    default:
      return null;
  }
}

function normalEscape(byte: number): string {
  const character = String.fromCharCode(byte);
  return UNRESERVED.test(character) ? character : `%${HEXADECIMAL.charAt(byte >> 4)}${HEXADECIMAL.charAt(byte & 15)}`;
}

function hexadecimalAt(text: string, index: number): number | null {
  const digits = text.slice(index, index + 2);
  return /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : null;
}

/** RFC 3986 5.2.4: `..` at the top stays at the top. */
function resolveDots(path: string): string {
  if (!path.includes('/.')) return path;
  const kept: string[] = [];
  const segments = path.split('/');
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === '..') {
      if (kept.length > 1) kept.pop();
      if (isLast) kept.push('');
    } else if (segment === '.') {
      if (isLast) kept.push('');
    } else {
      kept.push(segment);
    }
  }
  return kept.join('/');
}
