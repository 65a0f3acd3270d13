import type { OriginalDestination, Probe, Service, SocketAddress, SpiffeId, WorkloadUid } from '@ambit/mesh/model';
import { type Clock, type LineSink, WIDE } from '@ambit/mesh/runtime';
import type { TunnelPeer } from '@ambit/mesh/tls';
import {
  type AccessLogEntry,
  type AccessLogFormat,
  type AccessLogLevel,
  formatAccessLogEntry,
  isLogged,
} from './access-log-line.ts';
import type { PodAccount } from '../accounting/pod-account.ts';
import type { ConnectionTrace, ConnectionTracer } from './connection-tracer.ts';
import { FAILURES, type FailureReason } from './failures.ts';
import type { InboundConnection } from './inbound-admission.ts';
import type { RequestTable } from '../requests/request-table.ts';
import type { RequestTap } from '../requests/request-tap.ts';
import type { Party } from './party.ts';
import type { TrafficTable } from './traffic-table.ts';

/** What carries a connection's bytes: a tunnel stream or a pair of plaintext sockets. */
export interface Carrier {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Pieces in which the bytes passed. */
  readonly segments: number;
  /** Bytes that wait in memory. */
  readonly waitingBytes: number;
  /** Ends the connection now, both ways. */
  cut(reason: string): void;
}

/** Counters of refusals, kept by reason; the worker's metrics snapshot carries them. */
export type ReasonCounts = Map<FailureReason, number>;

/** Where the records of one worker end up. */
export interface WorkerSinks {
  readonly clock: Clock;
  readonly traffic: TrafficTable;
  /** Null when requests are not counted. */
  readonly requests: RequestTable | null;
  readonly accessLog: Pick<LineSink, 'write'>;
  readonly accessLogFormat: AccessLogFormat;
  /** May change while connections live. */
  readonly accessLogLevel: { current: AccessLogLevel };
  readonly refusals: { readonly inbound: ReasonCounts; readonly outbound: ReasonCounts };
  readonly probes: ProbeCounts;
  /** `null`: no connection is recorded. */
  readonly tracer: Pick<ConnectionTracer, 'begin' | 'join' | 'end'> | null;
}

/** Where those of one pod do. */
export interface RecordSinks extends WorkerSinks {
  readonly account: PodAccount;
}

/** Probes served in place of connections, by `kind` and then whether they passed. */
export type ProbeCounts = Map<Probe['kind'], { passed: number; failed: number }>;

/** What is known about a connection when it is admitted or refused; the same for its whole life. */
export interface ConnectionSubject {
  readonly direction: 'inbound' | 'outbound';
  readonly sourceAddress: SocketAddress;
  readonly source: Party;
  readonly sourceIdentity: SpiffeId | null;
  readonly destinationAddress: SocketAddress;
  readonly hboneAddress?: string | undefined;
  readonly destination: Party;
  readonly destinationIdentity: SpiffeId | null;
  readonly service?: Service | undefined;
  readonly encrypted: boolean;
  /** `null`: it is not recorded. */
  readonly trace: ConnectionTrace | null;
  /** By the shortcut of the node: authenticated as by a tunnel, and not encrypted, as it leaves neither pod. */
  readonly isLocal?: boolean;
}

/** Why policy admitted a live inbound connection, so that it can be asked again. */
export interface Admitted {
  readonly workload: WorkloadUid;
  readonly connection: InboundConnection;
  readonly policyTarget: SocketAddress;
}

/**
 * One carried connection: counted once when it opens, logged and counted once when it ends, whatever ends it. Bytes
 * are read from the carrier, at the end and whenever metrics are asked for in between.
 */
export class ConnectionRecord {
  readonly subject: ConnectionSubject;
  readonly openedAtMs: number;
  /** Only for inbound connections. */
  readonly admitted: Admitted | null;
  /** The other end of the tunnel that carries it; null in plaintext. */
  readonly peer: TunnelPeer | null;
  /** What the application called, where that was connected to without a tunnel: it may be outside the mesh. */
  readonly calledPlain: OriginalDestination | null;
  readonly #sinks: RecordSinks;
  readonly #carrier: Carrier;
  /** Whether the carrier sends towards the destination, as an outbound tunnel does. */
  readonly #sendsRequest: boolean;
  readonly #openedMonotonicMs: number;
  readonly #tap: RequestTap | null;
  readonly #row: number;
  #received: number = WIDE;
  #sent: number = WIDE;
  #segments: number = WIDE;
  #failure: FailureReason | null = null;
  #ended = false;

  constructor(
    sinks: RecordSinks,
    subject: ConnectionSubject,
    carrier: Carrier,
    options: {
      readonly sendsRequest: boolean;
      readonly admitted: Admitted | null;
      readonly peer?: TunnelPeer;
      readonly tap: RequestTap | null;
      readonly calledPlain?: OriginalDestination;
    },
  ) {
    this.#received = 0;
    this.#sent = 0;
    this.#segments = 0;
    this.#sinks = sinks;
    this.subject = subject;
    this.#carrier = carrier;
    this.#sendsRequest = options.sendsRequest;
    this.admitted = options.admitted;
    this.peer = options.peer ?? null;
    this.#tap = options.tap;
    this.#tap?.begin(subject);
    this.calledPlain = options.calledPlain ?? null;
    this.openedAtMs = sinks.clock.now();
    this.#openedMonotonicMs = sinks.clock.monotonic();
    this.#row = sinks.traffic.row(subject, '-');
    sinks.traffic.add(this.#row, 'opened', 1);
    sinks.account.open(subject);
    if (sinks.accessLogLevel.current === 'debug') {
      writeLine(sinks, subject, { event: 'opened', reason: null, durationMs: 0, sent: 0, received: 0 });
    }
  }

  /** Carried so far, named as in the access log: sent is what the destination sent. */
  get bytes(): { readonly bytesSent: number; readonly bytesReceived: number } {
    const { bytesSent, bytesReceived } = this.#carrier;
    return this.#sendsRequest ? { bytesSent: bytesReceived, bytesReceived: bytesSent } : { bytesSent, bytesReceived };
  }

  get waitingBytes(): number {
    return this.#carrier.waitingBytes;
  }

  /** Adds the bytes carried since the last call to the counters. */
  countBytes(): void {
    const request = this.#sendsRequest ? this.#carrier.bytesSent : this.#carrier.bytesReceived;
    const response = this.#sendsRequest ? this.#carrier.bytesReceived : this.#carrier.bytesSent;
    if (request !== this.#received) this.#sinks.traffic.add(this.#row, 'received', request - this.#received);
    if (response !== this.#sent) this.#sinks.traffic.add(this.#row, 'sent', response - this.#sent);
    const { segments } = this.#carrier;
    this.#sinks.account.carry(this.subject, {
      request: request - this.#received,
      response: response - this.#sent,
      segments: segments - this.#segments,
    });
    this.#received = request;
    this.#sent = response;
    this.#segments = segments;
  }

  /** Ends the connection for `reason`, which its record will show in place of what the carrier makes of it. */
  cut(reason: FailureReason): void {
    if (this.#ended) return;
    this.#failure ??= reason;
    this.#carrier.cut(FAILURES[reason].message);
  }

  /** The connection is over; the first call counts. `failure` is null when it ended in order. */
  end(failure: FailureReason | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#tap?.end();
    this.countBytes();
    const { traffic, clock, account } = this.#sinks;
    account.close();
    const reason = this.#failure ?? failure;
    const flag = reason === null ? '-' : FAILURES[reason].flag;
    const row = flag === '-' ? this.#row : traffic.row(this.subject, flag);
    traffic.add(row, 'closed', 1);
    if (reason !== null) traffic.add(row, 'failed', 1);
    const durationMs = clock.monotonic() - this.#openedMonotonicMs;
    writeLine(this.#sinks, this.subject, {
      event: 'complete',
      reason,
      durationMs,
      sent: this.#sent,
      received: this.#received,
    });
    this.#sinks.tracer?.end(this.subject, {
      startMs: this.openedAtMs,
      endMs: this.openedAtMs + durationMs,
      reason,
      sent: this.#sent,
      received: this.#received,
    });
  }
}

/** Counts and logs a connection that was never carried. Call once per connection, instead of making a record. */
export function recordRefusal(
  sinks: RecordSinks,
  subject: ConnectionSubject,
  reason: FailureReason,
  durationMs: number,
  detail?: string,
): void {
  const row = sinks.traffic.row(subject, FAILURES[reason].flag);
  sinks.traffic.add(row, 'failed', 1);
  sinks.account.refuse();
  const counts = sinks.refusals[subject.direction];
  counts.set(reason, (counts.get(reason) ?? 0) + 1);
  writeLine(sinks, subject, { event: 'failed', reason, durationMs, sent: 0, received: 0, detail });
  if (sinks.tracer === null || subject.trace === null) return;
  const endMs = sinks.clock.now();
  sinks.tracer.end(subject, { startMs: endMs - durationMs, endMs, reason, sent: 0, received: 0 });
}

/** Counts and logs a connection that was served as a probe. A kubelet probes every few seconds: for debugging only. */
export function recordProbe(
  sinks: RecordSinks,
  subject: ConnectionSubject,
  probe: {
    readonly kind: Probe['kind'];
    readonly passed: boolean;
    readonly durationMs: number;
    readonly detail?: string | undefined;
  },
): void {
  const { kind, passed, durationMs, detail } = probe;
  const counts = sinks.probes.get(kind) ?? { passed: 0, failed: 0 };
  counts[passed ? 'passed' : 'failed']++;
  sinks.probes.set(kind, counts);
  const verdict = `${passed ? 'passed' : 'failed'}${detail === undefined ? '' : `: ${detail}`}`;
  writeLine(sinks, subject, {
    event: 'probed',
    reason: null,
    durationMs,
    sent: 0,
    received: 0,
    probe: { kind, verdict },
  });
}

interface Ending {
  readonly event: AccessLogEntry['event'];
  readonly reason: FailureReason | null;
  readonly durationMs: number;
  readonly sent: number;
  readonly received: number;
  readonly detail?: string | undefined;
  readonly probe?: AccessLogEntry['probe'];
}

function writeLine(sinks: RecordSinks, subject: ConnectionSubject, ending: Ending): void {
  if (!isLogged(sinks.accessLogLevel.current, ending.event, ending.reason !== null)) return;
  const message = ending.reason === null ? undefined : FAILURES[ending.reason].message;
  sinks.accessLog.write(
    formatAccessLogEntry(
      {
        timeMs: sinks.clock.now(),
        event: ending.event,
        direction: subject.direction,
        sourceAddress: subject.sourceAddress,
        source: subject.source,
        sourceIdentity: subject.sourceIdentity,
        destinationAddress: subject.destinationAddress,
        hboneAddress: subject.hboneAddress,
        service: subject.service,
        destination: subject.destination,
        destinationIdentity: subject.destinationIdentity,
        bytesSent: ending.sent,
        bytesReceived: ending.received,
        durationMs: ending.durationMs,
        probe: ending.probe,
        via: subject.isLocal === true ? 'same-node' : undefined,
        error: message !== undefined && ending.detail !== undefined ? `${message}: ${ending.detail}` : message,
      },
      sinks.accessLogFormat,
    ),
  );
}
