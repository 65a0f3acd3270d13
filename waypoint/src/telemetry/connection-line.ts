import { FAILURES } from '../http/failures.ts';
import type { RelayFacts } from '../listener/relay-facts.ts';
import { relayFlag } from '../listener/relay-facts.ts';
import type { AccessLogFormat } from './access-log-line.ts';
import { timestamp } from './access-log-text.ts';
import { textField } from './line-writer.ts';

/** A field of the line of a connection of bytes. Absent values leave their field out. */
interface Field {
  readonly name: string;
  readonly describe: string;
  readonly value: (connection: RelayFacts) => string | number | null;
}

/** In the order of the line. */
export const CONNECTION_LOG_FIELDS: readonly Field[] = [
  { name: 'src.addr', describe: 'IP address of the client.', value: ({ caller }) => caller.address },
  {
    name: 'src.identity',
    describe: 'Identity of the client; absent in plaintext.',
    value: ({ caller }) => caller.identity,
  },
  { name: 'protocol', describe: 'TCP.', value: () => 'TCP' },
  {
    name: 'server_name',
    describe: 'Server name of the TLS hello, where a TLSRoute asked for it; absent without one.',
    value: ({ serverName }) => serverName,
  },
  {
    name: 'flags',
    describe: 'Response flag of the failure (see Failures); absent without one.',
    value: ({ failure }) => (relayFlag(failure) === '-' ? null : relayFlag(failure)),
  },
  {
    name: 'reason',
    describe:
      'What ended the connection before both sides had: a failure, or stopped, as this waypoint was; absent without one.',
    value: ({ failure }) => failure,
  },
  { name: 'bytes_recv', describe: 'Bytes from the client.', value: ({ bytesReceived }) => bytesReceived },
  { name: 'bytes_sent', describe: 'Bytes to the client.', value: ({ bytesSent }) => bytesSent },
  {
    name: 'duration_ms',
    describe: 'From when it was taken to its end.',
    value: ({ durationMs }) => Math.round(durationMs * 1000) / 1000,
  },
  { name: 'dst.service', describe: 'Service and port that it was carried to.', value: ({ cluster }) => cluster.name },
  {
    name: 'dst.addr',
    describe: 'Endpoint that it was joined to, or that was tried last; absent when there is none.',
    value: ({ endpoint }) => endpoint?.address ?? null,
  },
  {
    name: 'attempts',
    describe: 'How many endpoints were tried; absent when one.',
    value: ({ attempts }) => (attempts > 1 ? attempts : null),
  },
  {
    name: 'route',
    describe: 'Namespace and name of the route; absent without one.',
    value: ({ route }) => (route === '' ? null : route),
  },
];

/** One line with its newline. */
export function formatConnectionLine(connection: RelayFacts, timeMs: number, format: AccessLogFormat): string {
  const fields = CONNECTION_LOG_FIELDS.flatMap(({ name, value }) => {
    const found = value(connection);
    return found === null ? [] : [[name, found] as const];
  });
  if (format === 'json') {
    return `${JSON.stringify({ time: timestamp(timeMs), scope: 'access', ...Object.fromEntries(fields) })}\n`;
  }
  const texts = fields.map(([name, value]) =>
    // As of requests: what is no word of clients needs no look.
    name === 'src.identity' ? ` src.identity="${value}"` : textField(name, String(value)),
  );
  return `${timestamp(timeMs)}\t${levelOf(connection)}\taccess\tconnection\t${texts.join('').slice(1)}\n`;
}

function levelOf({ failure }: RelayFacts): string {
  if (failure === null || failure === 'stopped') return 'info';
  const { status } = FAILURES[failure];
  return status === 0 || status >= 500 ? 'error' : 'info';
}
