import { createHbonePool } from '@ambit/mesh/hbone';
import { createMeshViewStore, createTrustDomains, DEFAULT_TRUST_DOMAIN, type MeshViewStore } from '@ambit/mesh/model';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { type TunnelPeer, TunnelPeers } from '@ambit/mesh/tls';
import { Deadlines } from '../src/http/deadlines.ts';
import { ClusterTable, type ClusterTableOptions } from '../src/upstream/cluster-table.ts';
import { DEFAULT_UPSTREAM_LIMITS } from '../src/upstream/limits.ts';

/** A table of clusters of a view with nothing in it. */
export interface OpenTable extends AsyncDisposable {
  readonly table: ClusterTable;
  readonly store: MeshViewStore;
}

/** `options` in place of what tests mostly do not care about. Disposing it closes the table. */
export function openTable(options: Partial<ClusterTableOptions> = {}): OpenTable {
  const { clock = new ManualClock() } = options;
  const stack = new AsyncDisposableStack();
  const table = new ClusterTable({
    clock,
    logger: silentLogger,
    deadlines: stack.use(new Deadlines(clock)),
    limits: DEFAULT_UPSTREAM_LIMITS,
    hbone: stack.use(createHbonePool<TunnelPeer>({ clock, logger: silentLogger })),
    svid: () => undefined,
    peers: new TunnelPeers({ domains: createTrustDomains(DEFAULT_TRUST_DOMAIN), watchesRevocation: false }),
    network: '',
    random: () => 0,
    place: () => undefined,
    securityOf: () => null,
    ...options,
  });
  stack.defer(() => table.close());
  return { table, store: createMeshViewStore(), [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
