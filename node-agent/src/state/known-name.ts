import { isIP } from 'node:net';
import { addresseeOf, type MeshView, parseIpAddress, parseWorkloadUid, serviceKey } from '@ambit/mesh/model';

/** Whether the view has something that goes by the name: the uid of a workload, `namespace/hostname` or `network/address` (protocol.md 3.5). */
export function isKnownName(view: MeshView, name: string): boolean {
  const slash = name.indexOf('/');
  const scope = name.slice(0, slash);
  const rest = name.slice(slash + 1);
  if (isIP(rest) !== 0) return addresseeOf(view, scope, parseIpAddress(rest)) !== undefined;
  if (scope === '*') return view.servicesByHostname(rest).length > 0;
  const hostname = { namespace: scope, hostname: rest };
  return (
    view.workload(parseWorkloadUid(name)) !== undefined ||
    view.service(serviceKey(hostname)) !== undefined ||
    view.workloadByHostname(hostname) !== undefined
  );
}
