import {
  createSpiffeId,
  ModelError,
  parseSpiffeId,
  type SpiffeId,
  spiffeIdParts,
  type TrustDomain,
} from '@ambit/mesh/model';
import type { CertificateRequestRefusal, ParsedCertificateRequest } from '@ambit/mesh/tls';
import type { KeyObject } from 'node:crypto';
import type { NodeCaller, PodCaller } from './caller.ts';

/** Which service accounts have a pod on which node. */
export interface WorkloadsByNode {
  runsServiceAccount(node: string, namespace: string, serviceAccount: string): boolean;
}

/** Everything the decision depends on besides the request. */
export interface IssueWorld {
  readonly trustDomain: TrustDomain;
  readonly workloads: WorkloadsByNode;
  /** Longest life of a workload certificate; also the usual one. */
  readonly validityMsMax: number;
  readonly nowMs: number;
  /** End of the authority that will sign. */
  readonly authorityNotAfterMs: number;
}

export interface IssueRequest {
  readonly caller: NodeCaller | PodCaller;
  /** Text from outside. */
  readonly impersonatedIdentity: string | undefined;
  readonly csr: ParsedCertificateRequest;
  /** 0 asks for the usual life. */
  readonly validitySeconds: number;
}

/** Why nothing is issued. For our log alone. */
export type IssueRefusal =
  | CertificateRequestRefusal
  | 'no-impersonated-identity'
  | 'not-a-node-agent'
  | 'not-a-spiffe-id'
  | 'other-trust-domain'
  | 'identity-differs-from-request'
  | 'no-such-workload-on-node'
  | 'authority-expired';

export type IssueDecision =
  | {
      readonly kind: 'issue';
      readonly identity: SpiffeId;
      readonly publicKey: KeyObject;
      readonly validityMs: number;
    }
  | { readonly kind: 'refuse'; readonly reason: IssueRefusal };

/**
 * May this caller have that certificate? A node may if a pod with the service account runs on it, and the request proves the
 * key and names the same identity; a pod may have that of its own service account. The life is what was asked for, at most
 * the limit and the end of the authority.
 */
export function decideIssue(world: IssueWorld, request: IssueRequest): IssueDecision {
  const { caller, csr, impersonatedIdentity } = request;
  if (caller.kind === 'pod' && impersonatedIdentity === undefined) return issueOwn(world, request, caller);
  if (caller.kind === 'pod' && !caller.isNodeAgent) return refuse('not-a-node-agent');
  if (impersonatedIdentity === undefined) return refuse('no-impersonated-identity');
  const identity = parseIdentity(impersonatedIdentity);
  if (identity === undefined) return refuse('not-a-spiffe-id');
  const { trustDomain, namespace, serviceAccount } = spiffeIdParts(identity);
  if (trustDomain !== world.trustDomain) return refuse('other-trust-domain');
  if (csr.kind === 'refused') return refuse(csr.reason);
  if (csr.uri !== identity) return refuse('identity-differs-from-request');
  if (!world.workloads.runsServiceAccount(caller.node, namespace, serviceAccount)) {
    return refuse('no-such-workload-on-node');
  }
  return issue(world, request, identity, csr.publicKey);
}

/** A pod speaks for itself. Its request may leave the name to us. */
function issueOwn(world: IssueWorld, request: IssueRequest, caller: PodCaller): IssueDecision {
  const { csr } = request;
  if (csr.kind === 'refused') return refuse(csr.reason);
  const { namespace, serviceAccount } = caller;
  const identity = createSpiffeId({ trustDomain: world.trustDomain, namespace, serviceAccount });
  if (csr.uri !== undefined && csr.uri !== identity) return refuse('identity-differs-from-request');
  return issue(world, request, identity, csr.publicKey);
}

function issue(world: IssueWorld, request: IssueRequest, identity: SpiffeId, publicKey: KeyObject): IssueDecision {
  const wantedMs = request.validitySeconds > 0 ? request.validitySeconds * 1000 : world.validityMsMax;
  const validityMs = Math.min(wantedMs, world.validityMsMax, world.authorityNotAfterMs - world.nowMs);
  if (!(validityMs >= 1000)) return refuse('authority-expired');
  return { kind: 'issue', identity, publicKey, validityMs };
}

function parseIdentity(text: string): SpiffeId | undefined {
  try {
    return parseSpiffeId(text);
  } catch (error) {
    if (error instanceof ModelError) return undefined;
    throw error;
  }
}

function refuse(reason: IssueRefusal): IssueDecision {
  return { kind: 'refuse', reason };
}
