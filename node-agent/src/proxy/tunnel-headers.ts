import type { HeaderList } from '@ambit/mesh/hbone';
import type { Service, SocketAddress, Workload } from '@ambit/mesh/model';
import {
  BAGGAGE_HEADER,
  baggageOf,
  FORWARDED_HEADER,
  FORWARDED_NETWORK_HEADER,
  formatBaggage,
  formatForwarded,
  formatTraceparent,
  parseBaggage,
  TRACEPARENT_HEADER,
} from '@ambit/mesh/wire';
import type { ConnectionTrace } from './connection-tracer.ts';
import type { PartyDescription } from './party.ts';
import { drawTraceContext } from './trace-ids.ts';

type Header = readonly [name: string, value: string];

const NO_HEADERS: readonly Header[] = [];
const baggageByWorkload = new WeakMap<Workload, readonly Header[]>();

/**
 * What our CONNECT says beside its authority: who we are and who called, and towards another network which one we are in (protocol.md
 * 1.4). Labels, no claims.
 */
export function outboundHeaders(
  source: Workload,
  client: SocketAddress,
  trace: ConnectionTrace | null,
  service: Service | undefined,
  ownNetwork?: string,
): HeaderList {
  const forwarded = formatForwarded({
    client,
    ...(service === undefined ? {} : { serviceHostname: service.hostname }),
  });
  const headers: HeaderList = [
    ...baggageOfWorkload(source),
    [FORWARDED_HEADER, forwarded],
    [TRACEPARENT_HEADER, traceparentOf(trace)],
  ];
  return ownNetwork === undefined ? headers : [...headers, [FORWARDED_NETWORK_HEADER, ownNetwork]];
}

/** What our 200 says of the workload that was reached. */
export function destinationHeaders(workload: Workload): HeaderList {
  return baggageOfWorkload(workload);
}

/** A peer as it describes itself. */
export function partyOfBaggage(header: string): PartyDescription {
  const baggage = parseBaggage(header);
  return {
    workload: baggage.workloadName ?? '',
    namespace: baggage.namespace ?? '',
    canonicalService: baggage.canonicalName ?? '',
    canonicalRevision: baggage.canonicalRevision ?? '',
    cluster: baggage.clusterId ?? '',
    region: baggage.region ?? '',
    zone: baggage.zone ?? '',
  };
}

function baggageOfWorkload(workload: Workload): readonly Header[] {
  const known = baggageByWorkload.get(workload);
  if (known !== undefined) return known;
  const text = formatBaggage(baggageOf(workload));
  const headers: readonly Header[] = text === '' ? NO_HEADERS : [[BAGGAGE_HEADER, text]];
  baggageByWorkload.set(workload, headers);
  return headers;
}

/** Recorded: the flags say so, and the peer's part belongs to this one. */
function traceparentOf(trace: ConnectionTrace | null): string {
  return formatTraceparent(trace === null ? drawTraceContext() : { ...trace, flags: 1 });
}
