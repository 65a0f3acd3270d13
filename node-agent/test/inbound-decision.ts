import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type AccessPolicy,
  createMeshViewStore,
  type MeshView,
  type MeshViewUpdate,
  parseSocketAddress,
  parseSpiffeId,
  type PolicyKey,
  type SocketAddress,
  type SpiffeId,
} from '@ambit/mesh/model';
import { buildPolicy, buildWorkload, type WorkloadOptions } from '@ambit/mesh/testing';
import { type Admission, admitInbound, type InboundConnection } from '../src/proxy/inbound-admission.ts';

// What tables of inbound admissions share.

export const client: SpiffeId = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/client');
export function viewOf(update: MeshViewUpdate): MeshView {
  const store = createMeshViewStore();
  store.apply(update);
  return store.view;
}

export function connectionTo(
  destination: string,
  peer: SpiffeId = client,
  source = '10.0.0.9:40000',
): InboundConnection {
  return { source: parseSocketAddress(source), destination: parseSocketAddress(destination), peer };
}

export const OPEN: { readonly verdict: 'allow'; readonly reason: 'no-allow-policy'; readonly dryRun: readonly [] } = {
  verdict: 'allow',
  reason: 'no-allow-policy',
  dryRun: [],
};

export const address = (text: string): SocketAddress => parseSocketAddress(text);
export const refused400 = (reason: string): object => ({ kind: 'refused', status: 400, flag: '-', reason });
export const refused503 = (reason: string): object => ({ kind: 'refused', status: 503, flag: '-', reason });
export const key = (name: string): PolicyKey => `shop/${name}` as PolicyKey;
export const denied = (reason: string, more: object = {}): object => ({
  kind: 'refused',
  status: 401,
  flag: 'DENY',
  reason,
  decision: { verdict: 'deny', reason, dryRun: [], ...more },
});

export function allowedTo(target: string, more: object = {}): object {
  return { kind: 'allowed', policyTarget: address(target), target: address(target), ...more, decision: OPEN };
}

export const denyPort: AccessPolicy = buildPolicy({ name: 'deny-port', action: 'deny', match: [{ ports: [8080] }] });

export interface AdmissionRow {
  readonly name: string;
  /** The captured workload; null while it is unknown. */
  readonly local?: WorkloadOptions | null;
  readonly world?: MeshViewUpdate;
  readonly connection?: InboundConnection;
  readonly authority: string;
  /** Default: true. */
  readonly localhostApplicationTunnel?: boolean;
  /** The whole admission, its workload left out. */
  readonly expected: object;
}

/** One test per row, which tells the whole admission. */
export function testAdmissions(name: string, rows: readonly AdmissionRow[]): void {
  describe(name, () => {
    for (const row of rows) {
      test(row.name, () => {
        const local = row.local === null ? undefined : buildWorkload(row.local);
        const world = row.world ?? {};
        const view = viewOf({
          ...world,
          workloads: [...(local === undefined ? [] : [local]), ...(world.workloads ?? [])],
        });
        const admission = admitInbound(view, local, row.connection ?? connectionTo('10.0.0.1:15008'), row.authority, {
          localhostApplicationTunnel: row.localhostApplicationTunnel ?? true,
        });
        assert.deepEqual(admission, withWorkload(row.expected, local, row.authority));
      });
    }
  });
}

/** An admission names the workload it is about once that is known and the authority could be read. */
function withWorkload(expected: object, workload: Admission['workload'], authority: string): object {
  const unreadable = 'reason' in expected && expected.reason === 'bad-authority';
  return workload === undefined || unreadable || authority === '' ? expected : { ...expected, workload };
}
