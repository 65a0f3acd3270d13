import type { ConnectionSummary } from '../worker/worker-protocol.ts';

/** What `/connections` is asked for; an absent one is not asked about. Plain data, it crosses a thread boundary. */
export interface ConnectionFilter {
  readonly direction?: 'inbound' | 'outbound';
  /** Of the pod that this agent serves the connection for. */
  readonly namespace?: string;
  /** Of that pod: its name or its uid. */
  readonly pod?: string;
  /** Of either end, by SPIFFE ID. */
  readonly identity?: string;
  /** Host name of the service that was called. */
  readonly service?: string;
  /** `IP`, or `IP:port` as the connection is shown. */
  readonly source?: string;
  /** The same, of the address that was gone to or of what the tunnel request asked for. */
  readonly destination?: string;
  /** Open for at least so long. */
  readonly minAgeMs?: number;
  /** Has carried at least so many, both ways together. */
  readonly minBytes?: number;
}

/** Whether `connection` is one that is asked for. `nowMs` is of the clock of its `openedAtMs`. */
export function matchesConnection(filter: ConnectionFilter, connection: ConnectionSummary, nowMs: number): boolean {
  const { direction, namespace, pod, identity, service, source, destination, minAgeMs, minBytes } = filter;
  return (
    (direction === undefined || direction === connection.direction) &&
    (namespace === undefined || namespace === connection.podNamespace) &&
    (pod === undefined || pod === connection.pod || pod === connection.podName) &&
    (identity === undefined || identity === connection.sourceIdentity || identity === connection.destinationIdentity) &&
    (service === undefined || service === connection.service) &&
    (source === undefined || isAt(source, connection.source)) &&
    (destination === undefined ||
      isAt(destination, connection.destination) ||
      (connection.hboneAddress !== null && isAt(destination, connection.hboneAddress))) &&
    (minAgeMs === undefined || nowMs - connection.openedAtMs >= minAgeMs) &&
    (minBytes === undefined || connection.bytesSent + connection.bytesReceived >= minBytes)
  );
}

/** `wanted` is `address`, or the address without its port, with or without the brackets of IPv6. */
function isAt(wanted: string, address: string): boolean {
  if (wanted === address) return true;
  const host = address.slice(0, address.lastIndexOf(':'));
  return wanted === host || `[${wanted}]` === host;
}
