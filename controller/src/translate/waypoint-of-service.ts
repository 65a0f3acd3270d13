import type { KubeService, Namespace } from '@ambit/mesh/kinds';
import { WAYPOINT_LABEL, WAYPOINT_NAMESPACE_LABEL } from '@ambit/mesh/kinds';
import { parsePort, type WaypointRef } from '@ambit/mesh/model';
import { type MeshSettings, serviceHostname } from './mesh-settings.ts';

const HBONE_PORT = parsePort(15008);
const OPT_OUT = 'none';

/**
 * The waypoint a service is bound to, by its own label or its namespace's. Published whether or not the Gateway exists, so
 * that agents refuse rather than go direct while it is missing.
 */
export function waypointOfService(
  service: KubeService,
  namespace: Namespace | undefined,
  settings: MeshSettings,
): WaypointRef | undefined {
  for (const labels of [service.meta.labels, namespace?.meta.labels]) {
    const name = labels?.get(WAYPOINT_LABEL);
    if (name === OPT_OUT) return undefined;
    if (name === undefined || name === '') continue;
    const home = labels?.get(WAYPOINT_NAMESPACE_LABEL) ?? service.meta.namespace;
    const hostname = { namespace: home, hostname: serviceHostname(name, home, settings) };
    return { destination: { kind: 'hostname', hostname }, hboneMtlsPort: HBONE_PORT };
  }
  return undefined;
}
