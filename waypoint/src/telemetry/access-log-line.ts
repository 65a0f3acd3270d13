import type { ExchangeFacts } from '../http/exchange-facts.ts';
import { FAILURES } from '../http/failures.ts';
import { notesText, refusedBy, timestamp } from './access-log-text.ts';

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
  { name: 'protocol', describe: 'HTTP/1.0, HTTP/1.1 or HTTP/2.', value: ({ protocol }) => protocol },
  {
    name: 'status',
    describe: 'Status of the answer; 0 without one, as for what is no request of HTTP/2: its stream is reset.',
    value: ({ status }) => status,
  },
  {
    name: 'grpc_status',
    describe: 'Status of a call of gRPC, -1 when it got none; absent for other requests.',
    value: ({ grpcStatus }) => grpcStatus,
  },
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

function absent(text: string): string | null {
  return text === '' ? null : text;
}

/** One line in JSON, with its newline. */
export function jsonLine(exchange: ExchangeFacts, timeMs: number): string {
  const line: Record<string, string | number> = { time: timestamp(timeMs), scope: 'access' };
  for (const { name, value } of ACCESS_LOG_FIELDS) {
    const found = value(exchange);
    if (found !== null) line[name] = found;
  }
  return `${JSON.stringify(line)}\n`;
}
