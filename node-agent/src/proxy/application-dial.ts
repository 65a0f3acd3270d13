import type { DialOptions } from '@ambit/mesh/linux';
import { type IpAddress, isLoopback, type SocketAddress } from '@ambit/mesh/model';
import type { TimedDial } from './dial.ts';
import type { PodContext } from './pod-context.ts';

/** How an application of the pod is connected to for a caller at `sourceIp`. */
export function applicationDial(
  { settings, clock }: Pick<PodContext, 'settings' | 'clock'>,
  sourceIp: IpAddress,
  destination: SocketAddress,
): TimedDial {
  return {
    destination,
    mark: settings.packetMark,
    inside: true,
    clock,
    timeoutMs: settings.connectTimeoutMs,
    ...spoofedSource(sourceIp, destination.ip),
  };
}

/** The application sees the true peer, unless it is dialled on loopback or by itself (protocol.md 2.4). */
function spoofedSource(source: IpAddress, destination: IpAddress): Pick<DialOptions, 'source'> {
  const sameFamily = source.includes(':') === destination.includes(':');
  return source === destination || isLoopback(destination) || !sameFamily ? {} : { source: { ip: source } };
}
