import { X509Certificate } from 'node:crypto';
import type { AccessPolicy, PodProbes, Service, Workload } from '@ambit/mesh/model';
import { splitPemCertificates } from '@ambit/mesh/tls';
import type { HeldCertificate } from '../app.ts';
import type { ConnectionSummary } from '../worker/worker-protocol.ts';
import type { AdminOptions } from './admin.ts';

/** Connections shown per dump. */
const CONNECTIONS_MAX = 10_000;

/**
 * Everything the agent works with, in the shape that ztunnel's tools read (protocol.md 4.4). Keys are left out by
 * construction: certificates are shown by their chain alone.
 */
export async function createConfigDump(options: AdminOptions): Promise<Record<string, unknown>> {
  const { workers, mesh, source, supervisor, config, version } = options;
  const { view } = mesh;
  const connections = (await workers.callAll('connections', { filter: {}, limit: CONNECTIONS_MAX })).flat();
  const byPod = Map.groupBy(connections, ({ pod }) => pod);
  return {
    workloads: Array.from(view.workloads(), dumpWorkload),
    services: Array.from(view.services(), dumpService),
    policies: Array.from(view.policies(), dumpPolicy),
    stagedServices: {},
    staticConfig: {},
    version: { version, component: 'node-agent' },
    config: {
      ...config,
      meshRanges: config.meshRanges.map(({ bytes, prefixLength }) => `${bytes.join('.')}/${prefixLength}`),
    },
    certificates: source.certificates().map(dumpCertificate),
    workloadState: Object.fromEntries(
      supervisor.pods().map(({ spec, state }) => [
        spec.uid,
        {
          state: state === 'up' ? 'Up' : 'Pending',
          connections: dumpConnections(byPod.get(spec.uid) ?? []),
          info: {
            name: spec.name,
            namespace: spec.namespace,
            serviceAccount: spec.serviceAccount,
            trustDomain: config.trustDomains.own,
          },
        },
      ]),
    ),
    source: source.status(),
  };
}

function dumpWorkload(workload: Workload): Record<string, unknown> {
  return {
    ...workload,
    workloadIps: workload.addresses,
    protocol: workload.tunnelProtocol === 'hbone' ? 'HBONE' : 'TCP',
    status: workload.status === 'healthy' ? 'Healthy' : 'Unhealthy',
    services: Object.fromEntries(workload.services),
    ...(workload.probes === undefined ? {} : { probes: dumpProbes(workload.probes) }),
  };
}

/** Values of headers may be secrets. */
function dumpProbes({ nodeAddresses, probes }: PodProbes): unknown {
  return {
    nodeAddresses,
    probes: probes.map((probe) =>
      probe.kind === 'http' ? { ...probe, headers: probe.headers.map(({ name }) => name) } : probe,
    ),
  };
}

export function dumpService(service: Service): Record<string, unknown> {
  const { portNames, callerWaypoints } = service;
  return {
    ...service,
    ...(portNames === undefined ? {} : { portNames: Object.fromEntries(portNames) }),
    ...(callerWaypoints === undefined ? {} : { callerWaypoints: Object.fromEntries(callerWaypoints) }),
    vips: service.addresses.map(
      ({ network, ip, cidr }) => `${network}/${ip}${cidr === undefined ? '' : `/${cidr.prefixLength}`}`,
    ),
    addresses: undefined,
  };
}

function dumpPolicy(policy: AccessPolicy): unknown {
  return JSON.parse(
    JSON.stringify(policy, (key, value: unknown) =>
      key === 'bytes' && value instanceof Uint8Array ? [...value] : value,
    ),
  );
}

function dumpCertificate({ identity, state, svid }: HeldCertificate): Record<string, unknown> {
  return {
    identity,
    state,
    certChain: svid === undefined ? [] : splitPemCertificates(svid.chainPem).map(dumpPem),
    rootCerts: svid?.trustBundle.rootsPem.map(dumpPem) ?? [],
  };
}

function dumpPem(pem: string): Record<string, string> {
  const { serialNumber, validFromDate, validToDate } = new X509Certificate(pem);
  return {
    pem: Buffer.from(pem).toString('base64'),
    serialNumber,
    validFrom: validFromDate.toISOString(),
    expirationTime: validToDate.toISOString(),
  };
}

function dumpConnections(connections: readonly ConnectionSummary[]): Record<string, unknown> {
  const of = (direction: ConnectionSummary['direction']): readonly unknown[] =>
    connections
      .filter((connection) => connection.direction === direction)
      .map(({ source, destination, hboneAddress, service, sourceIdentity, destinationIdentity }) => ({
        src: source,
        originalDst: hboneAddress ?? destination,
        actualDst: destination,
        srcIdentity: sourceIdentity,
        dstIdentity: destinationIdentity,
        service,
        protocol: hboneAddress === null ? 'TCP' : 'HBONE',
      }));
  return { inbound: of('inbound'), outbound: of('outbound') };
}
