import type { AccessVerdict } from '@ambit/mesh/policies';
import type { ExchangeFacts } from '../http/exchange-facts.ts';
import { FAILURES } from '../http/failures.ts';
import type { Caller } from '../http/pipeline.ts';

export type AccessLogFormat = 'text' | 'json';

/** A field of a line: what it says, for the reference page and for both formats. Absent values leave their field out. */
interface Field {
  readonly name: string;
  readonly describe: string;
  readonly value: (exchange: ExchangeFacts) => string | number | null;
}

/** In the order of the line. */
export const ACCESS_LOG_FIELDS: readonly Field[] = [
  { name: 'src.addr', describe: 'IP address of the client.', value: ({ caller }) => caller.address },
  {
    name: 'src.identity',
    describe: 'Identity of the client; absent in plaintext.',
    value: ({ caller }) => caller.identity,
  },
  { name: 'method', describe: 'Method.', value: ({ method }) => absent(method) },
  {
    name: 'authority',
    describe: 'Host and port as the client named them.',
    value: ({ authority }) => absent(authority),
  },
  { name: 'path', describe: 'Path and query as the client sent them.', value: ({ target }) => absent(target) },
  { name: 'protocol', describe: 'HTTP/1.0 or HTTP/1.1.', value: ({ versionMinor }) => `HTTP/1.${versionMinor}` },
  { name: 'status', describe: 'Status of the answer; 0 without one.', value: ({ status }) => status },
  {
    name: 'flags',
    describe: 'Response flag of the failure (see Failures); absent without one.',
    value: ({ reason }) => (reason === null ? null : FAILURES[reason].flag),
  },
  { name: 'reason', describe: 'The failure; absent without one.', value: ({ reason }) => reason },
  {
    name: 'policy',
    describe: 'The policy that refused the request; absent without one.',
    value: ({ access }) => (access === null ? null : refusedBy(access)),
  },
  {
    name: 'policy_notes',
    describe:
      'What policies of action Audit and in dry run had to tell: audit, dry-run-deny or dry-run-allow, a colon and the policy.',
    value: ({ access }) => (access === null ? null : absent(notesText(access))),
  },
  { name: 'bytes_recv', describe: 'Bytes of the request body.', value: ({ requestBytes }) => requestBytes },
  { name: 'bytes_sent', describe: 'Bytes of the body of the answer.', value: ({ responseBytes }) => responseBytes },
  {
    name: 'duration_ms',
    describe: 'From the head of the request to the end of the answer.',
    value: ({ durationMs }) => Math.round(durationMs * 1000) / 1000,
  },
  {
    name: 'dst.service',
    describe: 'Service and port that the request was sent to; absent when it was not.',
    value: ({ decision }) => (decision?.kind === 'forward' ? decision.cluster.name : null),
  },
  {
    name: 'dst.addr',
    describe: 'Endpoint that answered, or was tried last.',
    value: ({ endpoint }) => endpoint?.address ?? null,
  },
  {
    name: 'attempts',
    describe: 'How often the request was sent; absent when once.',
    value: (e) => (e.attempts > 1 ? e.attempts : null),
  },
  {
    name: 'route',
    describe: 'Namespace and name of the route; absent without one.',
    value: ({ decision }) => absent(decision?.route ?? ''),
  },
  {
    name: 'request_id',
    describe: 'x-request-id: of the client, or ours.',
    value: ({ requestId }) => absent(requestId),
  },
  { name: 'user_agent', describe: 'User-Agent.', value: ({ userAgent }) => absent(userAgent) },
];

function refusedBy({ refusal, by }: AccessVerdict): string | null {
  return refusal === null ? null : absent(by);
}

function notesText({ notes }: AccessVerdict): string {
  return notes.map(({ effect, policy }) => `${effect}:${policy}`).join(',');
}

/** Nothing for nearly all requests. */
function accessText(access: AccessVerdict | null): string {
  if (access === null || (access.refusal === null && access.notes.length === 0)) return '';
  return field('policy', refusedBy(access) ?? '') + field('policy_notes', notesText(access));
}

function absent(text: string): string | null {
  return text === '' ? null : text;
}

/** One line with its newline. Texts of clients are quoted where they could be taken for anything else. */
export function formatAccessLogLine(exchange: ExchangeFacts, timeMs: number, format: AccessLogFormat): string {
  return format === 'json' ? jsonLine(exchange, timeMs) : textLine(exchange, timeMs);
}

function textLine(e: ExchangeFacts, timeMs: number): string {
  const { decision, reason, endpoint } = e;
  const level = e.status === 0 || e.status >= 500 ? 'error' : 'info';
  return (
    `${timestamp(timeMs)}\t${level}\taccess\trequest\t` +
    callerFields(e.caller) +
    METHOD.text(e.method) +
    AUTHORITY.text(e.authority) +
    field('path', e.target) +
    ` protocol=HTTP/1.${e.versionMinor} status=${e.status}` +
    (reason === null ? '' : ` flags=${FAILURES[reason].flag} reason=${reason}`) +
    accessText(e.access) +
    ` bytes_recv=${e.requestBytes} bytes_sent=${e.responseBytes} duration_ms=${Math.round(e.durationMs * 1000) / 1000}` +
    (decision?.kind === 'forward' ? ` dst.service=${decision.cluster.name}` : '') +
    (endpoint === null ? '' : ` dst.addr=${endpoint.address}`) +
    (e.attempts > 1 ? ` attempts=${e.attempts}` : '') +
    (decision === null || decision.route === '' ? '' : ` route=${decision.route}`) +
    field('request_id', e.requestId) +
    USER_AGENT.text(e.userAgent) +
    '\n'
  );
}

const PLAIN = /^[!#-<>-[\]-~]+$/;

function field(name: string, text: string): string {
  if (text === '') return '';
  return PLAIN.test(text) ? ` ${name}=${text}` : ` ${name}=${JSON.stringify(text)}`;
}

/** A field whose value is most often that of the line before. */
class RepeatedField {
  readonly #name: string;
  #value = '';
  #text = '';

  constructor(name: string) {
    this.#name = name;
  }

  text(value: string): string {
    if (value !== this.#value) {
      this.#value = value;
      this.#text = field(this.#name, value);
    }
    return this.#text;
  }
}

const METHOD = new RepeatedField('method');
const AUTHORITY = new RepeatedField('authority');
const USER_AGENT = new RepeatedField('user_agent');

const textOfCaller = new WeakMap<Caller, string>();

/** A connection has one caller for all its requests. */
function callerFields(caller: Caller): string {
  const known = textOfCaller.get(caller);
  if (known !== undefined) return known;
  const text = `src.addr=${caller.address}${caller.identity === null ? '' : ` src.identity="${caller.identity}"`}`;
  textOfCaller.set(caller, text);
  return text;
}

function jsonLine(exchange: ExchangeFacts, timeMs: number): string {
  const line: Record<string, string | number> = { time: timestamp(timeMs), scope: 'access' };
  for (const { name, value } of ACCESS_LOG_FIELDS) {
    const found = value(exchange);
    if (found !== null) line[name] = found;
  }
  return `${JSON.stringify(line)}\n`;
}

let lastSecond = -1;
let lastPrefix = '';

/** RFC 3339 in UTC with milliseconds. Lines of one second share the text of everything above the milliseconds. */
function timestamp(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastPrefix = new Date(second * 1000).toISOString().slice(0, 20);
  }
  return `${lastPrefix}${String(Math.floor(timeMs - second * 1000)).padStart(3, '0')}Z`;
}
