import { KubeApiError, type KubeApiErrorCode } from '@ambit/mesh/kube';

/** What fails for every object alike. All else is of the one, and must not keep the others waiting. */
const OF_NO_OBJECT: readonly KubeApiErrorCode[] = ['unreachable', 'unauthenticated', 'too-many-requests'];

/** Whether a failure says something of the object that was written or read, rather than of the API server. */
export function concernsObject(error: unknown): error is KubeApiError {
  return error instanceof KubeApiError && !OF_NO_OBJECT.includes(error.code);
}
