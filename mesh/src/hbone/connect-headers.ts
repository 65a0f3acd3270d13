import type { HeaderField } from './hpack-table.ts';
import type { DecodedHeaders } from './hpack-decoder.ts';

/** Header lists of CONNECT and its answers (RFC 9113 8.2, 8.3 and 8.5). Pure. */

export type ConnectVerdict =
  | { readonly kind: 'connect'; readonly authority: string; readonly headers: readonly HeaderField[] }
  /** Well formed, but no tunnel: answer with the status. */
  | { readonly kind: 'refused'; readonly status: 400 | 431 }
  /** A stream error of type PROTOCOL_ERROR. */
  | { readonly kind: 'malformed'; readonly rule: string };

export type AnswerVerdict =
  | { readonly kind: 'final'; readonly status: number; readonly headers: readonly HeaderField[] }
  | { readonly kind: 'interim' }
  | { readonly kind: 'malformed'; readonly rule: string };

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** No control characters, and no white space at either end (RFC 9113 8.2.1). */
const VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;
const STATUS = /^[1-9][0-9][0-9]$/;
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

interface SplitFields {
  readonly pseudo: ReadonlyMap<string, string>;
  readonly headers: readonly HeaderField[];
  readonly rule?: string;
}

/** What a server makes of a request's header list. */
export function matchConnect(decoded: DecodedHeaders): ConnectVerdict {
  if (decoded.oversized) return { kind: 'refused', status: 431 };
  const { pseudo, headers, rule } = splitFields(decoded.fields);
  if (rule !== undefined) return { kind: 'malformed', rule };
  const method = pseudo.get(':method');
  if (method === undefined) return { kind: 'malformed', rule: 'no :method' };
  if (method !== 'CONNECT') return { kind: 'refused', status: 400 };
  for (const name of pseudo.keys()) {
    if (name !== ':method' && name !== ':authority')
      return { kind: 'malformed', rule: 'CONNECT with other pseudo fields' };
  }
  const authority = pseudo.get(':authority') ?? '';
  if (authority === '') return { kind: 'refused', status: 400 };
  return { kind: 'connect', authority, headers };
}

/** What a client makes of an answer's header list. */
export function matchAnswer(decoded: DecodedHeaders): AnswerVerdict {
  if (decoded.oversized) return { kind: 'malformed', rule: 'header list too large' };
  const { pseudo, headers, rule } = splitFields(decoded.fields);
  if (rule !== undefined) return { kind: 'malformed', rule };
  const status = pseudo.get(':status');
  if (status === undefined || pseudo.size !== 1 || !STATUS.test(status))
    return { kind: 'malformed', rule: 'no :status' };
  if (status.startsWith('1')) return { kind: 'interim' };
  return { kind: 'final', status: Number(status), headers };
}

function splitFields(fields: readonly HeaderField[]): SplitFields {
  const pseudo = new Map<string, string>();
  const headers: HeaderField[] = [];
  for (const field of fields) {
    const [name, value] = field;
    if (!VALUE.test(value)) return { pseudo, headers, rule: 'illegal header value' };
    if (name.startsWith(':')) {
      if (headers.length > 0) return { pseudo, headers, rule: 'pseudo field after a regular one' };
      if (pseudo.has(name)) return { pseudo, headers, rule: 'pseudo field twice' };
      pseudo.set(name, value);
      continue;
    }
    if (!NAME.test(name)) return { pseudo, headers, rule: 'illegal header name' };
    if (CONNECTION_SPECIFIC.has(name) || (name === 'te' && value !== 'trailers')) {
      return { pseudo, headers, rule: 'connection-specific header' };
    }
    headers.push(field);
  }
  return { pseudo, headers };
}
