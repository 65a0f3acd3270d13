/** What the suite's client prints of one response; names of headers in small letters, several lines of one joined by `, `. */
export interface Echoed {
  /** Null when there was none. */
  readonly status: number | null;
  readonly responseHeaders: ReadonlyMap<string, string>;
  /** As the server saw the request; empty when no server did. */
  readonly hostname: string;
  readonly host: string;
  readonly method: string;
  readonly protocol: string;
  readonly path: string;
  readonly requestHeaders: ReadonlyMap<string, string>;
  /** The whole of it. */
  readonly text: string;
}

/** Responses by their numbers in what the client printed: `[0] StatusCode=200`, `[0 body] Hostname=echo-v1-x`. */
export function parseEchoed(output: string): readonly Echoed[] {
  const lines = new Map<string, { readonly head: string[]; readonly body: string[] }>();
  for (const line of output.split('\n')) {
    const [, number, body, text] = /^\[(\d+)( body)?\] (.*)$/.exec(line) ?? [];
    if (number === undefined || text === undefined) continue;
    const response = lines.get(number) ?? { head: [], body: [] };
    lines.set(number, response);
    (body === undefined ? response.head : response.body).push(text);
  }
  return [...lines.values()].map(({ head, body }) => ({
    // Of a WebSocket the server says it, in what it sends back.
    status: numberOf(valueOf(head, 'StatusCode') ?? valueOf(body, '[^=]*StatusCode')),
    responseHeaders: headersOf(head, 'ResponseHeader'),
    hostname: valueOf(body, 'Hostname') ?? '',
    host: valueOf(body, 'Host') ?? '',
    method: valueOf(body, 'Method') ?? '',
    protocol: valueOf(body, 'Proto') ?? '',
    path: valueOf(body, 'URL') ?? '',
    requestHeaders: headersOf(body, 'RequestHeader'),
    text: [...head, ...body].join('\n'),
  }));
}

function valueOf(lines: readonly string[], field: string): string | undefined {
  const pattern = new RegExp(`^${field}=(.*)$`);
  for (const line of lines) {
    const value = pattern.exec(line)?.[1];
    if (value !== undefined) return value;
  }
  return undefined;
}

function headersOf(lines: readonly string[], field: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    if (!line.startsWith(`${field}=`)) continue;
    const [name = '', ...value] = line.slice(field.length + 1).split(':');
    const key = name.toLowerCase();
    const before = headers.get(key);
    headers.set(key, before === undefined ? value.join(':') : `${before}, ${value.join(':')}`);
  }
  return headers;
}

function numberOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}
