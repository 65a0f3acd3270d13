import {
  type CertificateRequest,
  GrpcError,
  type GrpcPeer,
  type GrpcServices,
  type ReadRequest,
} from '@ambit/mesh/grpc';
import { parseSpiffeId, spiffeIdParts, type TrustDomain } from '@ambit/mesh/model';
import type { Clock, LogFields, Logger } from '@ambit/mesh/runtime';
import { parseCertificateRequest, splitPemCertificates } from '@ambit/mesh/tls';
import { type Caller, callerName, type CallerRefusal, refusalKey } from './caller.ts';
import type { IdentityMetrics } from './metrics.ts';
import {
  decideIssue,
  type IssueDecision,
  type IssueRefusal,
  type IssueRequest,
  type WorkloadsByNode,
} from './node-authorization.ts';
import type { SigningAuthority } from './signing-authority.ts';

export interface IssueOptions {
  readonly authority: SigningAuthority;
  readonly trustDomain: TrustDomain;
  readonly workloads: WorkloadsByNode;
  readonly validityMsMax: number;
  readonly identifyCaller: (peer: GrpcPeer) => Caller | Promise<Caller>;
  /** Asked when `workloads` knows of no such pod: our copy of the cluster may be a moment behind. */
  readonly lookAgain?: WorkloadLookup;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: IdentityMetrics;
}

/** Whether a pod of that service account runs on the node right now. @throws GrpcError when that cannot be told. */
export type WorkloadLookup = (node: string, namespace: string, serviceAccount: string) => Promise<boolean>;

/**
 * `CreateCertificate`: leaf, intermediates, roots. A refusal tells the caller only whether it is known; the reason goes to
 * our log. Nothing waits once the decision is made, so that no more than one certificate is in the making.
 */
export function createCertificateService(options: IssueOptions): NonNullable<GrpcServices['certificates']> {
  return { createCertificate: async (read, peer) => issue(options, read, peer) };
}

async function issue(
  options: IssueOptions,
  read: ReadRequest<CertificateRequest>,
  peer: GrpcPeer,
): Promise<readonly string[]> {
  const caller = await options.identifyCaller(peer);
  if (caller.kind === 'refused') {
    reportRefusal(options, caller.reason, peer, { node: caller.node });
    throw new GrpcError('unauthenticated');
  }
  const request = await read(callerName(caller));
  const csr = parseCertificateRequest(request.csrPem);
  const { impersonatedIdentity, validitySeconds } = request;
  const asked = { caller, impersonatedIdentity, csr, validitySeconds };
  let decision = decide(options, asked, options.workloads);
  if (decision.kind === 'refuse' && decision.reason === 'no-such-workload-on-node') {
    decision = await decideAgain(options, asked);
  }
  if (decision.kind === 'refuse') {
    const identity = impersonatedIdentity?.slice(0, 512);
    reportRefusal(options, decision.reason, peer, { node: caller.node, identity });
    throw new GrpcError('permission-denied');
  }
  const { authority, logger } = options;
  const issued = authority.issueWorkload(decision);
  options.metrics.issued.add(['workload']);
  logger.info('certificate issued', {
    node: caller.node,
    identity: decision.identity,
    serial: issued.serial,
    'valid.until': new Date(issued.notAfterMs),
  });
  return [issued.leafPem, ...splitPemCertificates(authority.intermediatePem), authority.trustBundle.rootsPem.join('')];
}

function reportRefusal(
  { metrics, logger }: IssueOptions,
  reason: IssueRefusal | CallerRefusal,
  peer: GrpcPeer,
  fields: LogFields,
): void {
  metrics.refused.add(['workload', reason]);
  logger.warn(
    'certificate refused',
    { reason, 'peer.address': peer.address, ...fields },
    { limitBy: refusalKey(reason, peer) },
  );
}

function decide(options: IssueOptions, request: IssueRequest, workloads: WorkloadsByNode): IssueDecision {
  const { trustDomain, validityMsMax, clock, authority } = options;
  const world = { trustDomain, workloads, validityMsMax, nowMs: clock.now() };
  return decideIssue({ ...world, authorityNotAfterMs: authority.intermediateNotAfterMs }, request);
}

async function decideAgain(options: IssueOptions, request: IssueRequest): Promise<IssueDecision> {
  const refusal: IssueDecision = { kind: 'refuse', reason: 'no-such-workload-on-node' };
  const { lookAgain } = options;
  const { caller, impersonatedIdentity } = request;
  if (lookAgain === undefined || impersonatedIdentity === undefined) return refusal;
  const { namespace, serviceAccount } = spiffeIdParts(parseSpiffeId(impersonatedIdentity));
  if (!(await lookAgain(caller.node, namespace, serviceAccount))) return refusal;
  return decide(options, request, { runsServiceAccount: () => true });
}
