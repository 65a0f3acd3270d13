import type { IpAddress, SpiffeId, WorkloadUid } from '@ambit/mesh/model';
import type { TunnelRoute } from './next-hop.ts';

/** What tunnels of a pod share a connection by: who it is for both ends, and whose the other end is. */
export function tunnelKey(bind: IpAddress | null, identity: SpiffeId, route: TunnelRoute): string {
  const { hboneAddress, expectedIdentities, workload } = route;
  return `${bind ?? ''}|${identity}|${expectedIdentities.join(',')}|${hboneAddress.ip}|${hboneAddress.port}|${workload.uid}`;
}

/** Whether both lead to the same address and expect the same there. */
export function isSameWay(a: TunnelRoute, b: TunnelRoute): boolean {
  return (
    a.expectedIdentities === b.expectedIdentities &&
    a.hboneAddress.ip === b.hboneAddress.ip &&
    a.hboneAddress.port === b.hboneAddress.port
  );
}

/** Whether a key is of a workload among these. */
export function leadsToOneOf(key: string, workloads: ReadonlySet<WorkloadUid>): boolean {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `tunnelKey` put there
  return workloads.has(key.slice(key.lastIndexOf('|') + 1) as WorkloadUid);
}
