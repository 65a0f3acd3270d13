import type { TunnelRequest } from '@ambit/mesh/hbone';
import { type IpAddress, type Service, type Workload, workloadIdentity } from '@ambit/mesh/model';
import {
  BAGGAGE_HEADER,
  FORWARDED_HEADER,
  FORWARDED_NETWORK_HEADER,
  parseForwardedHost,
  TRACEPARENT_HEADER,
} from '@ambit/mesh/wire';
import type { TunnelPeer } from '@ambit/mesh/tls';
import type { ConnectionSubject } from './connection-record.ts';
import type { ConnectionTrace } from './connection-tracer.ts';
import type { Admission, InboundConnection } from './inbound-admission.ts';
import type { Party } from './party.ts';
import { type PodContext, workloadOf } from './pod-context.ts';
import { partyOfBaggage } from './tunnel-headers.ts';

type Request = Pick<TunnelRequest<TunnelPeer>, 'authority' | 'header' | 'isLocal'>;

/** How metrics and the access log name one tunnel request. Headers are read for this only: they label, never decide. */
export function inboundSubject(
  context: PodContext,
  connection: InboundConnection,
  admission: Admission,
  request: Request | null,
): ConnectionSubject {
  const service =
    admission.kind === 'refused' ? undefined : (admission.service ?? guessService(context, admission, request));
  return subjectOf(context, connection, request !== null, request, service);
}

/** The same for a connection that ended before it asked for anything. */
export function refusedSubject(
  context: PodContext,
  connection: InboundConnection,
  encrypted: boolean,
): ConnectionSubject {
  return subjectOf(context, connection, encrypted, null, undefined);
}

function subjectOf(
  context: PodContext,
  connection: InboundConnection,
  encrypted: boolean,
  request: Request | null,
  service: Service | undefined,
): ConnectionSubject {
  return {
    direction: 'inbound',
    sourceAddress: connection.source,
    source: sourceParty(context, connection, request),
    sourceIdentity: connection.peer,
    destinationAddress: connection.destination,
    hboneAddress: request?.authority,
    destination: context.parties.ofWorkload(workloadOf(context)),
    destinationIdentity: encrypted ? context.pod.identity : null,
    service,
    encrypted,
    trace: traceOf(context, request),
    isLocal: request?.isLocal === true,
  };
}

/** What asks for a tunnel says whether it has recorded its part; of everything else a trace may begin here. */
function traceOf({ sinks }: PodContext, request: Request | null): ConnectionTrace | null {
  if (sinks.tracer === null) return null;
  const parent = request?.header(TRACEPARENT_HEADER);
  return parent === undefined ? sinks.tracer.begin() : sinks.tracer.join(parent);
}

/** The address to look for the source by: null where that is one of another network. */
export function sourceOf(
  context: PodContext,
  { source }: InboundConnection,
  request: Pick<Request, 'header'> | null,
): IpAddress | null {
  const from = request?.header(FORWARDED_NETWORK_HEADER);
  return from === undefined || from === networkOf(context) ? source.ip : null;
}

function networkOf(context: PodContext): string {
  return workloadOf(context)?.network ?? context.settings.network;
}

/** By its address where the mesh knows it there under the very identity it proved, else by what it says of itself. */
function sourceParty(context: PodContext, connection: InboundConnection, request: Request | null): Party {
  const { state, parties } = context;
  const ip = sourceOf(context, connection, request);
  const workload = ip === null ? undefined : state.view.workloadByAddress(networkOf(context), ip);
  if (workload !== undefined && (connection.peer === null || isIdentityOf(workload, connection))) {
    return parties.ofWorkload(workload);
  }
  const baggage = request?.header(BAGGAGE_HEADER);
  return baggage === undefined ? parties.unknown : parties.ofDescription(partyOfBaggage(baggage));
}

function isIdentityOf(workload: Workload, { peer, peerAliases }: InboundConnection): boolean {
  const identity = workloadIdentity(workload);
  return identity === peer || peerAliases?.includes(identity) === true;
}

/** An address names no service: the one the client says it called, if the workload backs it, else the first that maps the port. */
function guessService(
  context: PodContext,
  admission: Admission & { readonly kind: 'allowed' },
  request: Request | null,
): Service | undefined {
  const { workload, policyTarget } = admission;
  if (workload.services.size === 0) return undefined;
  const forwarded = request?.header(FORWARDED_HEADER);
  const hostname = forwarded === undefined ? undefined : parseForwardedHost(forwarded);
  let first: Service | undefined;
  for (const [key, ports] of workload.services) {
    const service = context.state.view.service(key);
    if (service === undefined) continue;
    if (service.hostname === hostname) return service;
    if (first === undefined && mapsTo(workload, service, ports, policyTarget.port)) first = service;
  }
  return first;
}

function mapsTo(
  workload: Workload,
  service: Service,
  ports: readonly { readonly targetPort: number }[],
  port: number,
): boolean {
  if (ports.some((candidate) => candidate.targetPort === port)) return true;
  return workload.services.has(service.key) && service.ports.some((candidate) => candidate.targetPort === port);
}
