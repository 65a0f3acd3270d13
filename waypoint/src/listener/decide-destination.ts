import {
  addresseeOf,
  type AppProtocol,
  type MeshView,
  preferredService,
  type Service,
  type Workload,
} from '@ambit/mesh/model';
import type { Authority } from '@ambit/mesh/wire';

/** Whom a client wants: a port of a service, or a workload itself. */
export type Destination =
  | { readonly kind: 'service'; readonly service: Service; readonly port: number; readonly protocol: AppProtocol }
  | { readonly kind: 'workload'; readonly workload: Workload; readonly port: number }
  | { readonly kind: 'unknown'; readonly reason: 'unknown-address' | 'unknown-hostname' | 'unknown-port' };

/**
 * Finds who is meant by the authority of a tunnel: the address that the client dialled, untranslated (protocol.md 1.4), or the name of a
 * service, as clients of other networks have it; of several of that name, that of the waypoint's own namespace first.
 */
export function decideDestination(
  view: MeshView,
  network: string,
  authority: Authority,
  ownNamespace?: string,
): Destination {
  if (authority.kind === 'hostname') {
    const service = preferredService(view.servicesByHostname(authority.hostname), ownNamespace);
    return service === undefined ? { kind: 'unknown', reason: 'unknown-hostname' } : portOf(service, authority.port);
  }
  const { ip, port } = authority.address;
  const addressee = addresseeOf(view, network, ip);
  if (addressee === undefined) return { kind: 'unknown', reason: 'unknown-address' };
  return addressee.kind === 'service'
    ? portOf(addressee.service, port)
    : { kind: 'workload', workload: addressee.workload, port };
}

function portOf(service: Service, port: number): Destination {
  const found = service.ports.find(({ servicePort }) => servicePort === port);
  if (found === undefined) return { kind: 'unknown', reason: 'unknown-port' };
  return { kind: 'service', service, port, protocol: found.appProtocol };
}
