import type { ClosedRoutes, PortRoutes, ServiceRoutes } from '@ambit/mesh/routes';
import type { WorkerPool } from '@ambit/mesh/runtime';
import type { Svid } from '@ambit/mesh/tls';
import type { Source } from '../source.ts';
import type { WorkerCalls } from '../worker/worker-protocol.ts';

/** Everything that requests are decided by. Keys are left out by construction: of the certificate there is its chain alone. */
export async function createConfigDump(workers: WorkerPool<WorkerCalls>, source: Source): Promise<unknown> {
  const dumps = await workers.callAll('dump-config', {});
  const svid = source.svid();
  return {
    // Every worker has the same; each makes clusters as its own requests need them.
    routes: dumps[0]?.routes.map(dumpRoutes) ?? [],
    clusters: dumps.flatMap(({ clusters }, worker) => clusters.map((cluster) => ({ worker, ...cluster }))),
    certificate: svid === undefined ? null : dumpCertificate(svid),
    source: source.status(),
  };
}

function dumpRoutes({ service, ports }: ServiceRoutes | ClosedRoutes): unknown {
  if (ports === 'unknown') return { service, ports };
  return {
    service,
    ports: [...ports].map(([port, { producer, consumers }]: readonly [number, PortRoutes]) => ({
      port,
      producer,
      consumers: Object.fromEntries(consumers),
    })),
  };
}

function dumpCertificate({ id, chainPem, notAfterMs }: Svid): unknown {
  return { identity: id, validUntil: new Date(notAfterMs).toISOString(), chain: chainPem };
}
