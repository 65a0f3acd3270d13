import type { PodCaller, RefusedCaller } from './caller.ts';

/** Why a token does not make its bearer somebody we know. For our log alone. */
export type TokenRefusal =
  | 'no-token'
  | 'token-malformed'
  | 'token-other-audience'
  | 'token-expired'
  | 'token-not-accepted'
  | 'token-not-of-a-service-account'
  | 'token-not-bound-to-a-pod'
  | 'token-of-a-deleted-pod'
  | 'token-of-another-node'
  | 'too-many-tokens';

/** Whom the API server says a token belongs to. */
export interface TokenBearer {
  readonly kind: 'bearer';
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly podName: string;
  readonly podUid: string;
  /** Empty where the API server is too old to put it into tokens. */
  readonly nodeName: string;
}

/** What the API server says about a token. */
export type TokenVerdict = TokenBearer | { readonly kind: 'refused'; readonly reason: TokenRefusal };

/** A pod as it is now. */
export interface LivePod {
  readonly uid: string;
  readonly nodeName: string;
  readonly serviceAccountName: string;
}

/**
 * Who the bearer of a confirmed token is. The pod the token is bound to must still be that very pod, by UID, on that node,
 * for a token that was confirmed a moment ago may be of a pod that is gone since. `pod` is null when it is.
 */
export function admitTokenCaller(
  bearer: TokenBearer,
  pod: LivePod | null,
  nodeAgentAccounts: ReadonlySet<string>,
): PodCaller | RefusedCaller {
  const { namespace, serviceAccount, podName, podUid, nodeName } = bearer;
  const refused = (reason: TokenRefusal): RefusedCaller =>
    nodeName === '' ? { kind: 'refused', reason } : { kind: 'refused', reason, node: nodeName };
  if (pod === null || pod.uid !== podUid || pod.serviceAccountName !== serviceAccount) {
    return refused('token-of-a-deleted-pod');
  }
  if (pod.nodeName === '' || (nodeName !== '' && nodeName !== pod.nodeName)) return refused('token-of-another-node');
  return {
    kind: 'pod',
    node: pod.nodeName,
    namespace,
    serviceAccount,
    podName,
    podUid,
    isNodeAgent: nodeAgentAccounts.has(`${namespace}/${serviceAccount}`),
  };
}
