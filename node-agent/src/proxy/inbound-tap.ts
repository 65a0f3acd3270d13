import { decideInboundCounting } from '../requests/decide-request-counting.ts';
import { RequestTap } from '../requests/request-tap.ts';
import type { Admission, InboundConnection } from './inbound-admission.ts';
import type { PodContext } from './pod-context.ts';

/** What counts the requests of an admitted inbound connection; null when they are not to be counted here. */
export function inboundTap(
  { sinks, state, settings }: PodContext,
  connection: InboundConnection,
  admission: Extract<Admission, { kind: 'allowed' }>,
  sendsRequest: boolean,
): RequestTap | null {
  if (sinks.requests === null) return null;
  const source = state.view.workloadByAddress(settings.network, connection.source.ip);
  if (!decideInboundCounting(state.view, source, admission)) return null;
  return RequestTap.create(sinks, { direction: 'inbound', sendsRequest });
}
