import { formatSocketAddress, type Service, type SocketAddress, type SpiffeId } from '@ambit/mesh/model';
import { logField, type Party } from './party.ts';

export type AccessLogFormat = 'text' | 'json';

/** Everything one line says about one connection (protocol.md 4.3). Absent values leave their field out. */
export interface AccessLogEntry {
  readonly timeMs: number;
  /** `connection failed` is a refusal before anything was carried; `opened` and `probed` are for debugging. */
  readonly event: 'opened' | 'complete' | 'failed' | 'probed';
  readonly direction: 'inbound' | 'outbound';
  readonly sourceAddress: SocketAddress;
  readonly source: Party;
  readonly sourceIdentity: SpiffeId | null;
  /** The address the socket went to: port 15008 for a tunnel. */
  readonly destinationAddress: SocketAddress;
  /** `:authority` of the tunnel. */
  readonly hboneAddress?: string | undefined;
  readonly service?: Pick<Service, 'hostname'> | undefined;
  readonly destination: Party;
  readonly destinationIdentity: SpiffeId | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly durationMs: number;
  /** What a probe was and what came of it. */
  readonly probe?: { readonly kind: string; readonly verdict: string } | undefined;
  /** How the bytes went, where that is not by tunnel or plain TCP as the addresses say. */
  readonly via?: 'same-node' | undefined;
  readonly error?: string | undefined;
}

/** One line with its newline. */
export function formatAccessLogEntry(entry: AccessLogEntry, format: AccessLogFormat): string {
  return format === 'json' ? jsonLine(entry) : textLine(entry);
}

/** How much an access log says; `off` says nothing. */
export type AccessLogLevel = 'debug' | 'info' | 'warn' | 'error' | 'off';

const RANK: Readonly<Record<AccessLogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, off: 4 };

/** The level that a log filter sets for the scope `access`; info, whatever the rest of the log says, when it names none. */
export function accessLogLevelOf(filter: string): AccessLogLevel {
  const level = /(?:^|,)access=([a-z]+)/.exec(filter)?.[1] ?? 'info';
  return isLevel(level) ? level : 'info';
}

function isLevel(text: string): text is AccessLogLevel {
  return text in RANK;
}

/** Whether a log of `threshold` holds a line about this event. */
export function isLogged(threshold: AccessLogLevel, event: AccessLogEntry['event'], isFailure: boolean): boolean {
  return RANK[levelOf(event, isFailure)] >= RANK[threshold];
}

function levelOf(event: AccessLogEntry['event'], isFailure: boolean): 'debug' | 'info' | 'warn' | 'error' {
  if (event === 'opened' || event === 'probed') return 'debug';
  if (event === 'failed') return 'warn';
  return isFailure ? 'error' : 'info';
}

function textLine(entry: AccessLogEntry): string {
  const { source, destination } = entry;
  return (
    `${timestamp(entry.timeMs)}\t${levelOf(entry.event, entry.error !== undefined)}\taccess\tconnection ${entry.event}\t` +
    `src.addr=${formatSocketAddress(entry.sourceAddress)}${source.logNames.source}` +
    `${identityField('src.identity', entry.sourceIdentity)}${source.logCluster.source}` +
    ` dst.addr=${formatSocketAddress(entry.destinationAddress)}` +
    `${entry.hboneAddress === undefined ? '' : ` dst.hbone_addr=${plain(entry.hboneAddress)}`}` +
    `${entry.service === undefined ? '' : logField('dst.service', entry.service.hostname)}${destination.logNames.destination}` +
    `${identityField('dst.identity', entry.destinationIdentity)}${destination.logCluster.destination}` +
    ` direction="${entry.direction}" bytes_sent=${entry.bytesSent} bytes_recv=${entry.bytesReceived}` +
    ` duration="${Math.round(entry.durationMs)}ms"${entry.probe === undefined ? '' : logField('probe', entry.probe.kind) + logField('probe.result', entry.probe.verdict)}` +
    `${entry.via === undefined ? '' : logField('via', entry.via)}` +
    `${entry.error === undefined ? '' : logField('error', entry.error)}\n`
  );
}

// An identity is made of characters that need no escaping.
function identityField(key: string, identity: SpiffeId | null): string {
  return identity === null ? '' : ` ${key}="${identity}"`;
}

/** The authority comes from a peer: anything but its usual characters is quoted, so that a line stays a line. */
function plain(authority: string): string {
  return /^[A-Za-z0-9.:_[\]-]+$/.test(authority) ? authority : JSON.stringify(authority);
}

function jsonLine(entry: AccessLogEntry): string {
  const { description: source } = entry.source;
  const { description: destination } = entry.destination;
  const line = {
    level: levelOf(entry.event, entry.error !== undefined),
    time: timestamp(entry.timeMs),
    scope: 'access',
    message: `connection ${entry.event}`,
    'src.addr': formatSocketAddress(entry.sourceAddress),
    'src.workload': present(source.workload),
    'src.namespace': present(source.namespace),
    'src.identity': entry.sourceIdentity ?? undefined,
    'src.cluster': present(source.cluster),
    'dst.addr': formatSocketAddress(entry.destinationAddress),
    'dst.hbone_addr': entry.hboneAddress,
    'dst.service': entry.service?.hostname,
    'dst.workload': present(destination.workload),
    'dst.namespace': present(destination.namespace),
    'dst.identity': entry.destinationIdentity ?? undefined,
    'dst.cluster': present(destination.cluster),
    direction: entry.direction,
    bytes_sent: entry.bytesSent,
    bytes_recv: entry.bytesReceived,
    duration: `${Math.round(entry.durationMs)}ms`,
    probe: entry.probe?.kind,
    'probe.result': entry.probe?.verdict,
    via: entry.via,
    error: entry.error,
  };
  return `${JSON.stringify(line)}\n`;
}

function present(text: string): string | undefined {
  return text === '' ? undefined : text;
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
