import type { HeaderPolicyMatch, HttpPolicyMatch, StringMatch } from '../model/access-policy.ts';
import { parsePathTemplate, type PathTemplate } from '../model/path-template.ts';
import type { FieldReader } from './field-reader.ts';
import {
  HEADER_MATCH,
  HEADER_MATCH_LENGTH_MAX,
  HOST_LENGTH_MAX,
  HOST_MATCH,
  KIND_LIMITS,
  METHOD,
  POLICY_HEADER_NAME,
  POLICY_HEADER_NAME_LENGTH_MAX,
} from './limits.ts';
import type { OneOf } from './objects.ts';
import { allowPairs, pair, toMatch } from './policy-pairs.ts';

const EXPECTED_PATH = 'a path whose segments are names, "*" or "{name}" for any one, and at the end "**" for all below';

/** What an entry of `to` says of requests; null for nothing. @throws KindError. */
export function parseHttpConditions(reader: FieldReader): HttpPolicyMatch | null {
  const http: HttpPolicyMatch = {
    methods: pair(reader, 'methods', 'a method such as GET', parseMethod),
    paths: pair(reader, 'paths', EXPECTED_PATH, parsePath),
    hosts: pair(reader, 'hosts', 'a host name in lower case, "*.name" or "*"', parseHost),
    headers: parseHeaders(reader),
  };
  return httpPairs(http).some(({ any, none }) => any.length + none.length > 0) ? http : null;
}

/** All lists of values in it. */
export function httpPairs(http: HttpPolicyMatch | null): readonly OneOf<unknown>[] {
  if (http === null) return [];
  return [http.methods, http.paths, http.hosts, ...http.headers.map(({ values }) => values)];
}

function parseHeaders(reader: FieldReader): readonly HeaderPolicyMatch[] {
  reader.refuseEmptyList('headers');
  return reader.objects(
    'headers',
    (header) => {
      allowPairs(header, ['values'], ['name']);
      const name = header.text('name');
      if (!POLICY_HEADER_NAME.test(name) || name.length > POLICY_HEADER_NAME_LENGTH_MAX) {
        header.fail('name', 'the name of a header');
      }
      // Its value has case, a port and a dot that do not count, which only `hosts` knows: a Deny would be evaded.
      if (name.toLowerCase() === 'host') header.fail('name', 'the name of another header: hosts are named in "hosts"');
      if (!header.has('values') && !header.has('notValues')) header.fail('values', 'a list, unless notValues is one');
      const expected = 'a value, "prefix*", "*suffix" or "*"';
      return { name: name.toLowerCase(), values: pair(header, 'values', expected, parseHeaderValue) };
    },
    KIND_LIMITS.ruleHeaders,
  );
}

function parseMethod(text: string): string {
  if (!METHOD.test(text)) throw new RangeError('no method');
  return text;
}

function parsePath(text: string): PathTemplate {
  const template = parsePathTemplate(text);
  if (template === null) throw new RangeError('no template');
  return template;
}

/** `*.example.com` becomes the suffix `.example.com`. */
function parseHost(text: string): StringMatch {
  if (!HOST_MATCH.test(text) || text.length > HOST_LENGTH_MAX) throw new RangeError('no host');
  return toMatch(text);
}

function parseHeaderValue(text: string): StringMatch {
  if (!HEADER_MATCH.test(text) || text.length > HEADER_MATCH_LENGTH_MAX) throw new RangeError('no value');
  return toMatch(text);
}
