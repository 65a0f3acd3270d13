import { type CertificateRequest, GrpcError, type GrpcPeer, type GrpcServices } from '@ambit/mesh/grpc';
import type { TrustDomain } from '@ambit/mesh/model';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { parseCertificateRequest } from '@ambit/mesh/tls';
import type { Caller } from './caller.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import type { IdentityMetrics } from './metrics.ts';
import { decideIssue, type WorkloadsByNode } from './node-authorization.ts';

export interface IssueOptions {
  readonly authority: CertificateAuthority;
  readonly trustDomain: TrustDomain;
  readonly workloads: WorkloadsByNode;
  readonly validityMsMax: number;
  readonly identifyCaller: (peer: GrpcPeer) => Caller;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: IdentityMetrics;
}

/**
 * `CreateCertificate`: leaf, intermediate, root. A refusal tells the caller only whether it is known; the reason goes to
 * our log. Nothing waits in here, so that no more than one certificate is in the making.
 */
export function createCertificateService(options: IssueOptions): NonNullable<GrpcServices['certificates']> {
  return { createCertificate: async (request, peer) => issue(options, request, peer) };
}

function issue(options: IssueOptions, request: CertificateRequest, peer: GrpcPeer): readonly string[] {
  const { authority, clock, logger } = options;
  const caller = options.identifyCaller(peer);
  const decision = decideIssue(
    {
      trustDomain: options.trustDomain,
      workloads: options.workloads,
      validityMsMax: options.validityMsMax,
      nowMs: clock.now(),
      authorityNotAfterMs: authority.intermediateNotAfterMs,
    },
    {
      caller,
      impersonatedIdentity: request.impersonatedIdentity,
      csr: parseCertificateRequest(request.csrPem),
      validitySeconds: request.validitySeconds,
    },
  );
  if (decision.kind === 'refuse') {
    options.metrics.refused.add(['workload', decision.reason]);
    logger.warn('certificate refused', {
      reason: decision.reason,
      'peer.address': peer.address,
      node: caller.node,
      identity: request.impersonatedIdentity?.slice(0, 512),
    });
    throw new GrpcError(caller.kind === 'refused' ? 'unauthenticated' : 'permission-denied');
  }
  const issued = authority.issueWorkload(decision);
  options.metrics.issued.add(['workload']);
  logger.info('certificate issued', {
    node: caller.node,
    identity: decision.identity,
    serial: issued.serial,
    'valid.until': new Date(issued.notAfterMs),
  });
  return [issued.leafPem, authority.intermediatePem, authority.rootPem];
}
