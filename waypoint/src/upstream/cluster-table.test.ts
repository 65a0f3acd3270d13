import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHbonePool } from '@ambit/mesh/hbone';
import { createMeshViewStore, type SpiffeId } from '@ambit/mesh/model';
import { buildService, buildWorkload, environment } from '@ambit/mesh/testing';
import { Deadlines } from '../http/deadlines.ts';
import { ClusterTable } from './cluster-table.ts';
import { DEFAULT_UPSTREAM_LIMITS } from './limits.ts';

test('a cluster of one version has the endpoints of that version, and shares their connections with the whole service', async () => {
  const { clock, logger } = environment;
  await using hbone = createHbonePool<SpiffeId>({ clock, logger });
  using deadlines = new Deadlines(clock);
  const table = new ClusterTable({
    clock,
    logger,
    deadlines,
    limits: DEFAULT_UPSTREAM_LIMITS,
    hbone,
    svid: () => undefined,
    network: '',
    random: () => 0,
  });
  const service = buildService();
  const services = { [service.key]: ['80:8080'] };
  const store = createMeshViewStore();
  store.apply({
    services: [service],
    workloads: ['v1', 'v2', 'v2'].map((canonicalRevision, index) =>
      buildWorkload({ name: `web-${index}`, addresses: [`10.0.0.${index + 1}`], canonicalRevision, services }),
    ),
  });
  const addresses = (version: string | null): readonly string[] =>
    table.ofService(store.view, service, 80, version).endpoints.map(({ address }) => address);
  assert.deepEqual(
    [addresses(null), addresses('v1'), addresses('v2'), addresses('v3')],
    [['10.0.0.1:8080', '10.0.0.2:8080', '10.0.0.3:8080'], ['10.0.0.1:8080'], ['10.0.0.2:8080', '10.0.0.3:8080'], []],
  );
  assert.equal(table.ofService(store.view, service, 80, 'v1').name, 'shop/web:80@v1');
  assert.equal([...table.endpoints].length, 3);
});
