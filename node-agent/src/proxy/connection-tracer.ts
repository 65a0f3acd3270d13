import { formatSocketAddress, type SocketAddress } from '@ambit/mesh/model';
import type { SpanQueue, SpanRecord } from '@ambit/mesh/otlp';
import { parseTraceparent } from '@ambit/mesh/wire';
import type { ConnectionSubject } from './connection-record.ts';
import { FAILURES, type FailureReason } from './failures.ts';
import type { Party } from './party.ts';
import { drawTraceContext } from './trace-ids.ts';

/** The part of a trace that one recorded connection is. */
export interface ConnectionTrace {
  readonly traceId: string;
  readonly spanId: string;
  /** Of the other side of the tunnel, which recorded it too. */
  readonly parentSpanId: string | null;
}

/** How a connection went that is over or was refused. */
export interface ConnectionEnding {
  /** Milliseconds of the epoch. */
  readonly startMs: number;
  readonly endMs: number;
  readonly reason: FailureReason | null;
  readonly sent: number;
  readonly received: number;
}

export interface ConnectionTracerOptions {
  /** Of the connections that begin a trace, 0-100. */
  readonly samplingPercent: number;
  /** [0, 1). */
  readonly random: () => number;
  readonly spans: Pick<SpanQueue, 'add'>;
}

/** Bit of a trace context: whoever sent it has recorded its part. */
const SAMPLED = 1;

/** Decides which connections are recorded as spans, and makes the spans. */
export class ConnectionTracer {
  readonly #options: ConnectionTracerOptions;

  constructor(options: ConnectionTracerOptions) {
    this.#options = options;
  }

  /** For a connection that nobody has a trace for; `null`: it is not recorded. */
  begin(): ConnectionTrace | null {
    const { random, samplingPercent } = this.#options;
    if (random() * 100 >= samplingPercent) return null;
    const { traceId, spanId } = drawTraceContext();
    return { traceId, spanId, parentSpanId: null };
  }

  /** For a tunnel request with this `traceparent`: recorded if its sender has recorded it. */
  join(traceparent: string): ConnectionTrace | null {
    const parent = parseTraceparent(traceparent);
    if (parent === undefined) return this.begin();
    if ((parent.flags & SAMPLED) === 0) return null;
    return { traceId: parent.traceId, spanId: drawTraceContext().spanId, parentSpanId: parent.spanId };
  }

  /** The connection is over. Does nothing for one that is not recorded. */
  end(subject: ConnectionSubject, ending: ConnectionEnding): void {
    if (subject.trace !== null) this.#options.spans.add(spanOf(subject, subject.trace, ending));
  }
}

/** Names of attributes: OpenTelemetry's where it has one. */
function spanOf(subject: ConnectionSubject, trace: ConnectionTrace, ending: ConnectionEnding): SpanRecord {
  const { direction, service, hboneAddress, encrypted } = subject;
  const { startMs, endMs, reason, sent, received } = ending;
  const to = service?.hostname ?? formatSocketAddress(subject.destinationAddress);
  return {
    ...trace,
    name: `tcp ${direction} ${to}`,
    kind: direction === 'outbound' ? 'client' : 'server',
    startMs,
    endMs,
    attributes: {
      'network.transport': 'tcp',
      'ambit.direction': direction,
      'ambit.connection_security_policy': encrypted ? 'mutual_tls' : 'none',
      ...attributesOf('source', subject.sourceAddress, subject.source, subject.sourceIdentity),
      ...attributesOf('destination', subject.destinationAddress, subject.destination, subject.destinationIdentity),
      ...(service === undefined ? {} : { 'ambit.destination.service': service.hostname }),
      ...(hboneAddress === undefined ? {} : { 'ambit.hbone.authority': hboneAddress }),
      'ambit.bytes_sent': sent,
      'ambit.bytes_received': received,
      ...(reason === null ? {} : { 'error.type': reason, 'ambit.response_flags': FAILURES[reason].flag }),
    },
    error: reason === null ? null : FAILURES[reason].message,
  };
}

function attributesOf(
  end: 'source' | 'destination',
  address: SocketAddress,
  { description: { workload, namespace, cluster } }: Party,
  identity: string | null,
): Record<string, string | number> {
  return {
    [`${end}.address`]: address.ip,
    [`${end}.port`]: address.port,
    ...(workload === '' ? {} : { [`ambit.${end}.workload`]: workload }),
    ...(namespace === '' ? {} : { [`ambit.${end}.namespace`]: namespace }),
    ...(cluster === '' ? {} : { [`ambit.${end}.cluster`]: cluster }),
    ...(identity === null ? {} : { [`ambit.${end}.identity`]: identity }),
  };
}
