import type { AppProtocol, MeshView, Service, Workload } from '@ambit/mesh/model';
import type { Authority } from '@ambit/mesh/wire';

/** Whom a client wants: a port of a service, or a workload itself. */
export type Destination =
  | { readonly kind: 'service'; readonly service: Service; readonly port: number; readonly protocol: AppProtocol }
  | { readonly kind: 'workload'; readonly workload: Workload; readonly port: number }
  | { readonly kind: 'unknown'; readonly reason: 'unknown-address' | 'unknown-hostname' | 'unknown-port' };

/** Finds who is meant by the authority of a tunnel: the address that the client dialled, untranslated (protocol.md 1.3). */
export function decideDestination(view: MeshView, network: string, authority: Authority): Destination {
  if (authority.kind === 'hostname') {
    const [service] = view.servicesByHostname(authority.hostname);
    return service === undefined ? { kind: 'unknown', reason: 'unknown-hostname' } : portOf(service, authority.port);
  }
  const { ip, port } = authority.address;
  const service = view.serviceByAddress(network, ip);
  if (service !== undefined) return portOf(service, port);
  const workload = view.workloadByAddress(network, ip);
  return workload === undefined ? { kind: 'unknown', reason: 'unknown-address' } : { kind: 'workload', workload, port };
}

function portOf(service: Service, port: number): Destination {
  const found = service.ports.find(({ servicePort }) => servicePort === port);
  if (found === undefined) return { kind: 'unknown', reason: 'unknown-port' };
  return { kind: 'service', service, port, protocol: found.appProtocol };
}
