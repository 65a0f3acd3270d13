import { GrpcError, type GrpcPeer, type GrpcServices } from '@ambit/mesh/grpc';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import {
  nodeUri,
  parseCertificateRequest,
  type ParsedCertificateRequest,
  type PrivateDirectory,
} from '@ambit/mesh/tls';
import type { KeyObject } from 'node:crypto';
import { callerName, type NodeCaller, refusalKey, type RefusedCaller } from './caller.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import { checkJoinToken } from './join-tokens.ts';
import type { IdentityMetrics } from './metrics.ts';
import type { NodeRegister } from './node-register.ts';

export interface NodeCertificatesOptions {
  readonly state: PrivateDirectory;
  readonly authority: CertificateAuthority;
  readonly register: NodeRegister;
  readonly identifyCaller: (peer: GrpcPeer) => NodeCaller | RefusedCaller;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: IdentityMetrics;
}

/**
 * `Join` and `Renew`: node certificates in exchange for a token or for the current one. A refusal tells the caller
 * nothing; the reason goes to our log.
 */
export function createNodeService(options: NodeCertificatesOptions): NonNullable<GrpcServices['nodes']> {
  const { state, authority, register, clock, logger, metrics } = options;
  const refuse = (what: string, peer: GrpcPeer, reason: string, node: string | undefined): never => {
    metrics.refused.add(['node', reason]);
    logger.warn(what, { reason, 'peer.address': peer.address, node }, { limitBy: refusalKey(reason, peer) });
    throw new GrpcError('permission-denied');
  };
  const issue = (publicKey: KeyObject, node: string, admittedAtMs: number): readonly string[] => {
    const issued = authority.issueNode({ publicKey, node });
    register.recordIssued(issued.serial, { node, notAfterMs: issued.notAfterMs, admittedAtMs }, clock.now());
    metrics.issued.add(['node']);
    return [issued.leafPem, authority.nodeRootPem];
  };
  return {
    async join({ token, csrPem }, peer) {
      const check = checkJoinToken(state, token, authority.rootSha256, clock.now());
      if (check.kind === 'refused') return refuse('node not admitted', peer, check.reason, check.node);
      const csr = checkRequest(parseCertificateRequest(csrPem), check.node);
      if (csr.kind === 'refused') return refuse('node not admitted', peer, csr.reason, check.node);
      if (check.createdAtMs <= (register.revokedAtMs(check.node) ?? Number.NEGATIVE_INFINITY)) {
        return refuse('node not admitted', peer, 'node-revoked', check.node);
      }
      if (!check.claim()) return refuse('node not admitted', peer, 'token-used', check.node);
      logger.info('node admitted', { node: check.node, 'peer.address': peer.address });
      return issue(csr.publicKey, check.node, check.createdAtMs);
    },
    async renew(read, peer) {
      const caller = options.identifyCaller(peer);
      if (caller.kind === 'refused') return refuse('node certificate not renewed', peer, caller.reason, caller.node);
      const { csrPem } = await read(callerName(caller));
      const csr = checkRequest(parseCertificateRequest(csrPem), caller.node);
      if (csr.kind === 'refused') return refuse('node certificate not renewed', peer, csr.reason, caller.node);
      logger.info('node certificate renewed', { node: caller.node });
      return issue(csr.publicKey, caller.node, register.admittedAtMs(caller.serial, caller.notBeforeMs));
    },
  };
}

/** A node's request names nothing, or the node it is for. */
function checkRequest(
  csr: ParsedCertificateRequest,
  node: string,
):
  | { readonly kind: 'accepted'; readonly publicKey: KeyObject }
  | { readonly kind: 'refused'; readonly reason: string } {
  if (csr.kind === 'refused') return csr;
  if (csr.uri !== undefined && csr.uri !== nodeUri(node)) return { kind: 'refused', reason: 'token-for-other-node' };
  return { kind: 'accepted', publicKey: csr.publicKey };
}
