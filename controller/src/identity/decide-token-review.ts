import { jsonAt, jsonItems, jsonText } from '../json.ts';
import type { TokenVerdict } from './admit-token-caller.ts';

const USER_NAME = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/;
const POD_NAME = 'authentication.kubernetes.io/pod-name';
const POD_UID = 'authentication.kubernetes.io/pod-uid';
const NODE_NAME = 'authentication.kubernetes.io/node-name';

/** What to ask the API server about a token. */
export function tokenReviewFor(token: string, audiences: readonly string[]): Readonly<Record<string, unknown>> {
  return { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } };
}

/**
 * Reads the answer. A server that does not know audiences answers without any; then nobody checked that the token is for us,
 * and it is refused.
 */
export function decideTokenReview(answer: unknown, audiences: readonly string[]): TokenVerdict {
  if (jsonAt(answer, 'status', 'authenticated') !== true) return { kind: 'refused', reason: 'token-not-accepted' };
  const confirmed = jsonItems(answer, 'status', 'audiences');
  if (!audiences.some((audience) => confirmed.includes(audience))) {
    return { kind: 'refused', reason: 'token-other-audience' };
  }
  const [, namespace, serviceAccount] = USER_NAME.exec(jsonText(answer, 'status', 'user', 'username')) ?? [];
  if (namespace === undefined || serviceAccount === undefined) {
    return { kind: 'refused', reason: 'token-not-of-a-service-account' };
  }
  const extra = (name: string): string => {
    const [value] = jsonItems(answer, 'status', 'user', 'extra', name);
    return typeof value === 'string' ? value : '';
  };
  const [podName, podUid] = [extra(POD_NAME), extra(POD_UID)];
  if (podName === '' || podUid === '') return { kind: 'refused', reason: 'token-not-bound-to-a-pod' };
  return { kind: 'bearer', namespace, serviceAccount, podName, podUid, nodeName: extra(NODE_NAME) };
}
