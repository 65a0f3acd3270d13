import { type GrpcProbe, type HttpProbe, isSameTarget, type Probe } from '@ambit/mesh/model';

/** What a kubelet's HTTP probe says: the request line's target and every header line. */
export interface ProbeRequest {
  readonly target: string;
  /** Names in lower case. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

/** `incomplete` asks for more bytes. `refused` is final; its reason is for our own log. */
export type ParsedRequest =
  | { readonly kind: 'request'; readonly request: ProbeRequest }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly reason: string };

const HEAD_BYTES_MAX = 16_384;
const HEADERS_MAX = 100;
const METHOD = 'GET ';
const REQUEST_LINE = /^GET (\/[\u0021-\u007e]*) HTTP\/1\.[01]$/;
const HEADER_LINE =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*((?:[\u0021-\u007e\u0080-\u00ff](?:[\t\u0020-\u007e\u0080-\u00ff]*[\u0021-\u007e\u0080-\u00ff])?)?)[\t ]*$/;
/** Whoever sends one of these wants more than one answer, or gives more than a question. */
const FORBIDDEN = new Set(['transfer-encoding', 'upgrade', 'expect', 'http2-settings', 'trailer', 'te']);

/** Reads the one request that a probing connection may hold: a GET without body and with nothing behind it. */
export function parseProbeRequest(bytes: Buffer): ParsedRequest {
  const text = bytes.toString('latin1');
  if (!METHOD.startsWith(text.slice(0, METHOD.length))) return { kind: 'refused', reason: 'not a GET' };
  const end = text.indexOf('\r\n\r\n');
  if (end === -1 || end > HEAD_BYTES_MAX) {
    return text.length > HEAD_BYTES_MAX ? { kind: 'refused', reason: 'too large' } : { kind: 'incomplete' };
  }
  if (end + 4 !== text.length) return { kind: 'refused', reason: 'something behind the request' };
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const target = REQUEST_LINE.exec(first)?.[1];
  if (target === undefined || lines.length > HEADERS_MAX) return { kind: 'refused', reason: 'malformed' };
  const headers: { readonly name: string; readonly value: string }[] = [];
  for (const line of lines) {
    const [, name, value = ''] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined) return { kind: 'refused', reason: 'malformed' };
    // Declared values are text, which a kubelet sends as UTF-8.
    headers.push({ name: name.toLowerCase(), value: Buffer.from(value, 'latin1').toString('utf8') });
  }
  const isForbidden = headers.some(({ name, value }) =>
    name === 'content-length' ? value !== '0' : FORBIDDEN.has(name),
  );
  return isForbidden
    ? { kind: 'refused', reason: 'more than a probe' }
    : { kind: 'request', request: { target, headers } };
}

/**
 * The declared probe that a request is, or undefined. A declared header must be there as declared: it may be a secret that tells
 * the kubelet from others who share its address.
 */
export function matchHttpProbe(
  probes: readonly Probe[],
  secure: boolean,
  { target, headers }: ProbeRequest,
): HttpProbe | undefined {
  return probes.find((probe): probe is HttpProbe => {
    if (probe.kind !== 'http' || probe.secure !== secure || !isSameTarget(probe.target, target)) return false;
    return probe.headers.every(
      (declared) =>
        isKubeletsOwn(declared, probe) ||
        headers.some(({ name, value }) => name === declared.name && value === declared.value),
    );
  });
}

/** The declared probe of that service of a gRPC server, or undefined. */
export function matchGrpcProbe(probes: readonly Probe[], service: string): GrpcProbe | undefined {
  return probes.find((probe): probe is GrpcProbe => probe.kind === 'grpc' && probe.service === service);
}

/** An empty text takes the kubelet's own header away or leaves it; of several hosts it sends the first. */
function isKubeletsOwn({ name, value }: { readonly name: string; readonly value: string }, probe: HttpProbe): boolean {
  if (name === 'host') return value === '' || probe.headers.find((header) => header.name === 'host')?.value !== value;
  return value === '' && (name === 'accept' || name === 'user-agent');
}
