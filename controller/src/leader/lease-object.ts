import type { KubeName, KubeResource } from '@ambit/mesh/kube';
import { isRecord, jsonAt, jsonText } from '../json.ts';
import type { LeaseRecord } from './decide-lease.ts';

export const LEASE_RESOURCE: KubeResource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  scope: 'namespaced',
};

/** A Lease of the API server with what a replacement must name. */
export interface StoredLease {
  readonly record: LeaseRecord;
  readonly resourceVersion: string;
}

/** Longest a holder may claim: a record that says more, by mistake or not, must not stop elections for long. */
const DURATION_MS_MAX = 60_000;

/** Reads a Lease; fields that are absent or make no sense are as good as a lease nobody holds. */
export function readLease(object: unknown): StoredLease | null {
  if (!isRecord(object)) return null;
  const seconds = Number(jsonAt(object, 'spec', 'leaseDurationSeconds') ?? 0);
  const transitions = Number(jsonAt(object, 'spec', 'leaseTransitions') ?? 0);
  return {
    resourceVersion: jsonText(object, 'metadata', 'resourceVersion'),
    record: {
      holder: jsonText(object, 'spec', 'holderIdentity'),
      durationMs: seconds > 0 ? Math.min(DURATION_MS_MAX, seconds * 1000) : 0,
      transitions: Number.isSafeInteger(transitions) ? transitions : 0,
      acquireTime: jsonText(object, 'spec', 'acquireTime'),
    },
  };
}

/** A Lease to be written; `resourceVersion` is that of the one it replaces, or empty. */
export function formatLease(
  name: KubeName,
  record: LeaseRecord,
  renewedAtMs: number,
  resourceVersion: string,
): Readonly<Record<string, unknown>> {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...name, ...(resourceVersion === '' ? {} : { resourceVersion }) },
    spec: {
      holderIdentity: record.holder,
      leaseDurationSeconds: Math.max(1, Math.round(record.durationMs / 1000)),
      leaseTransitions: record.transitions,
      ...(record.acquireTime === '' ? {} : { acquireTime: record.acquireTime }),
      renewTime: microTime(renewedAtMs),
    },
  };
}

/** Kubernetes' MicroTime. */
export function microTime(atMs: number): string {
  return new Date(atMs).toISOString().replace('Z', '000Z');
}
