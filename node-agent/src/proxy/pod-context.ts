import { type HboneEnvironment, type HbonePool, type PlainSocket, resetSocket } from '@ambit/mesh/hbone';
import type { Cidr, IpAddress, SpiffeId, TrustDomains, Workload, WorkloadUid } from '@ambit/mesh/model';
import type { NetnsHandle } from '@ambit/mesh/linux';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { Svid, TunnelPeer, TunnelPeers } from '@ambit/mesh/tls';
import type { DnsSettings, DnsWorld } from '../dns/dns-proxy.ts';
import type { Shortcuts } from '../same-node/shortcuts.ts';
import type { SvidLookup, SvidTable } from '../identity/svid-table.ts';
import type { ResolvedNames } from '../names/resolved-names.ts';
import type { MeshState } from '../state/mesh-state.ts';
import type { NameDemand } from '../state/name-demand.ts';
import type { BufferGuard } from '../accounting/buffer-guard.ts';
import type { Accounts } from '../accounting/accounts.ts';
import type { ConnectionRecord, RecordSinks, WorkerSinks } from './connection-record.ts';
import type { Admission, InboundConnection, ProbeAdmission } from './inbound-admission.ts';
import type { DryRunReporter } from './dry-run-reporter.ts';
import type { FairStarts } from './fair-starts.ts';
import type { PodStarts } from './pod-starts.ts';
import type { FailureReason } from './failures.ts';
import type { OpenConnections } from './open-connections.ts';
import type { PartyTable } from './party.ts';
import type { SendRate } from './send-rate.ts';

/** A captured pod as the CNI agent announced it; nothing here comes from the pod itself. */
export interface PodSpec {
  /** Kubernetes' uid of the pod: the key between CNI agent and node agent. */
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Its name in the mesh view. */
  readonly workload: WorkloadUid;
  /** The identity its SVID carries. */
  readonly identity: SpiffeId;
  /** Where its node connects to it from, as the CNI agent found; empty when it does not say. */
  readonly nodeAddresses: readonly IpAddress[];
}

export interface ProxySettings {
  readonly network: string;
  readonly trustDomains: TrustDomains;
  /** Lists of revoked certificates may come. */
  readonly watchesRevocation: boolean;
  readonly meshRanges: readonly Cidr[];
  /** The view has what was asked for, not the whole mesh. */
  readonly onDemand: boolean;
  /** Of the names of the cluster's services. */
  readonly clusterDomain: string;
  readonly packetMark: number;
  /** Applications that are told by PROXY headers who calls are dialled on loopback. */
  readonly localhostApplicationTunnel: boolean;
  /** How long a connection waits for what its decision needs: a workload or a certificate. */
  readonly patienceMs: number;
  /** How long a connection is tried again whose peer does not listen, from when the application connected. */
  readonly notListeningMs: number;
  /** To tunnel peers, to the application, and to plaintext destinations. */
  readonly connectTimeoutMs: number;
  readonly connectionsPerPodMax: number;
  /** Connections of one pod that begin in a second and worker, in the long run. */
  readonly connectionsPerSecondMax: number;
  /** Bytes that may wait in the connections of one pod and worker, since one side is slower than the other. */
  readonly bufferedBytesMax: number;
  /** That one pod may send in a second and worker; 0: no limit. */
  readonly bytesPerSecondMax: number;
  /** Null: DNS is not served. */
  readonly dns: DnsSettings | null;
  /** Of connections that begin a trace, 0-100; `null`: nothing is recorded. */
  readonly traceSamplingPercent: number | null;
  /** Connections between two pods of this agent are encrypted like all others. */
  readonly sameNodeEncryption: boolean;
  /** Requests that applications exchange in plaintext are counted. */
  readonly httpMetrics: boolean;
}

/** What every connection of a data worker shares. */
export interface ProxyDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: ProxySettings;
  readonly state: MeshState;
  readonly svids: SvidTable;
  readonly names: ResolvedNames;
  /** Null: the view has the whole mesh. */
  readonly demand: NameDemand | null;
  readonly openConnections: OpenConnections;
  readonly peers: TunnelPeers;
  readonly parties: PartyTable;
  readonly sinks: WorkerSinks;
  readonly accounts: Accounts;
  /** [0, 1). */
  readonly random: () => number;
  readonly dryRun: DryRunReporter;
  readonly fairStarts: FairStarts;
  readonly bufferGuard: BufferGuard;
  /** Null: DNS is not served. */
  readonly dns: DnsWorld | null;
  /** Null where connections of one node are encrypted too. */
  readonly shortcuts: Shortcuts | null;
}

/** One pod while its proxy runs; shared by its three listeners. */
export interface PodContext extends ProxyDependencies {
  readonly pod: PodSpec;
  /** Those of the worker, and the account of this pod. */
  readonly sinks: RecordSinks;
  readonly instance: number;
  /** What `workloadOf` found last. */
  readonly found: FoundWorkload;
  readonly netns: NetnsHandle;
  readonly pool: HbonePool<TunnelPeer>;
  /** What tunnels outside the pool are made with. */
  readonly tunnels: HboneEnvironment;
  /** Null: it may send as fast as it can. */
  readonly sendRate: SendRate | null;
  /** Its turns among the pods of this worker. */
  readonly starts: PodStarts;
  /** Every connection being carried. */
  readonly live: Set<ConnectionRecord>;
  /** True once the pod is gone or its proxy is closed: nothing new may start. */
  readonly isClosed: () => boolean;
}

/** The pod's workload in an epoch of the mesh view: a connection asks many times. */
export interface FoundWorkload {
  epoch: number;
  workload: Workload | undefined;
}

export type SvidForUse =
  | { readonly kind: 'valid'; readonly svid: Svid }
  | { readonly kind: 'none'; readonly reason: FailureReason };

/** The pod's workload, provided the mesh view agrees with the CNI agent on whose pod it is. */
export function workloadOf({ state: { view }, pod, found }: PodContext): Workload | undefined {
  if (found.epoch !== view.epoch) {
    const workload = view.workload(pod.workload);
    found.epoch = view.epoch;
    found.workload = workload?.serviceAccount === pod.serviceAccount ? workload : undefined;
  }
  return found.workload;
}

/** The pod's SVID, unless it has to be waited for. */
export function svidNow(context: PodContext): (SvidForUse & { readonly kind: 'valid' }) | null {
  const found = context.svids.lookup(context.pod.identity);
  return found.kind === 'valid' ? found : null;
}

/** The pod's SVID as soon as there is one, or why there is none once patience ends. */
export async function svidLater(context: PodContext): Promise<SvidForUse> {
  return toUse(await context.svids.wait(context.pod.identity, context.settings.patienceMs));
}

function toUse(lookup: SvidLookup): SvidForUse {
  if (lookup.kind === 'valid') return lookup;
  return { kind: 'none', reason: lookup.kind === 'expired' ? 'svid-expired' : 'no-svid' };
}

/** The source address to bind to: only where the kernel would choose another one of the pod's addresses. */
export function ownSource(workload: Workload, sourceIp: IpAddress, destinationIp: IpAddress): IpAddress | null {
  const sameFamily = (ip: IpAddress): boolean => ip.includes(':') === destinationIp.includes(':');
  if (!sameFamily(sourceIp) || !workload.addresses.includes(sourceIp)) return null;
  return workload.addresses.find(sameFamily) === sourceIp ? null : sourceIp;
}

/** Reports what policies in dry run would have made of a connection; most often there are none. */
export function reportDryRun(
  { dryRun }: PodContext,
  admission: Admission | ProbeAdmission,
  connection: InboundConnection,
): void {
  const verdicts = admission.decision?.dryRun;
  if (verdicts === undefined || verdicts.length === 0) return;
  const destination = admission.kind === 'refused' ? connection.destination : admission.policyTarget;
  for (const verdict of verdicts) {
    dryRun.report(verdict, { source: connection.source, sourceIdentity: connection.peer, destination });
  }
}

/** The application sees a reset rather than an orderly end: nothing was served. */
export function refuseSocket(socket: PlainSocket): void {
  if (!socket.destroyed) resetSocket(socket);
}
