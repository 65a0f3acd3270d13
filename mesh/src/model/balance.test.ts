import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildService } from '../testing/service-builder.ts';
import { buildWorkload, type WorkloadOptions } from '../testing/workload-builder.ts';
import { endpointPort, preferNear, takesConnections, takesEveryPort } from './balance.ts';
import type { BalanceScope, LoadBalancing } from './service.ts';
import type { Workload } from './workload.ts';

const source = buildWorkload({
  ...{ name: 'client', node: 'n1', network: 'here', clusterId: 'c1' },
  locality: { region: 'r1', zone: 'z1', subzone: 's1' },
});
const at = (name: string, network: string, region: string, zone: string, more: WorkloadOptions = {}): Workload =>
  buildWorkload({ ...{ name, network, node: `node-${name}` }, locality: { region, zone, subzone: 's1' }, ...more });

const farZone = at('far-zone', 'there', 'r1', 'z1');
const farRegion = at('far-region', 'there', 'r1', 'z2');
const farAway = at('far-away', 'there', 'r2', 'z2');
const hereZone = at('here-zone', 'here', 'r1', 'z1');
const hereAway = at('here-away', 'here', 'r2', 'z2');

const balancing = (mode: LoadBalancing['mode'], ...routingPreference: BalanceScope[]): LoadBalancing => ({
  mode,
  routingPreference,
  healthPolicy: 'only-healthy',
});
const near = (all: readonly Workload[], by: LoadBalancing | undefined): readonly string[] =>
  preferNear(
    all.map((workload) => ({ workload })),
    source,
    by,
  ).map(({ workload }) => workload.name);

describe('preferNear()', () => {
  const all = [farZone, farRegion, farAway, hereZone, hereAway];
  const everybody = all.map(({ name }) => name);
  const close = balancing('failover', 'network', 'region', 'zone');
  const rows: readonly (readonly [string, readonly Workload[], LoadBalancing | undefined, readonly string[]])[] = [
    ['nothing said: everybody', all, undefined, everybody],
    ['no scope: everybody', all, balancing('failover'), everybody],
    ['the network comes first, before zone and region', all, close, ['here-zone']],
    ['one of the own network wins over a nearer one of another', [farZone, hereAway], close, ['here-away']],
    ['others are told apart by what follows the network', [farZone, farRegion, farAway], close, ['far-zone']],
    ['and by the region alone when the zone fails', [farRegion, farAway], close, ['far-region']],
    ['and are all the same when nothing matches', [farAway], close, ['far-away']],
    [
      'a network that is not named first ends the run',
      [farZone, farRegion],
      balancing('failover', 'region', 'network', 'zone'),
      ['far-zone', 'far-region'],
    ],
    ['strict wants the network too', all, balancing('strict', 'network', 'region'), ['here-zone']],
    ['strict takes nobody rather than somebody far', [farZone], balancing('strict', 'network', 'region'), []],
  ];
  for (const [name, candidates, by, expected] of rows) {
    test(name, () => assert.deepEqual(near(candidates, by), expected));
  }
});

describe('an endpoint', () => {
  const service = buildService({ ports: ['80:8080', '81:0'] });

  test('takes connections while it is healthy and has capacity', () => {
    const unready = buildService({ loadBalancing: { ...balancing('unspecified'), healthPolicy: 'allow-all' } });
    const sick = buildWorkload({ status: 'unhealthy' });
    assert.deepEqual(
      [
        takesConnections(buildWorkload(), service),
        takesConnections(sick, service),
        takesConnections(sick, unready),
        takesConnections(buildWorkload({ capacity: 0 }), unready),
      ],
      [true, false, true, false],
    );
  });

  test('serves a port by its own mapping, then by that of the service, then under its own number in one tunnel', () => {
    const own = buildWorkload({ services: { [service.key]: ['80:9090'] } });
    const tunnelled = buildWorkload({ applicationTunnel: { protocol: 'proxy', port: 15088 } });
    const anyPort = buildWorkload({ applicationTunnel: { protocol: 'proxy', port: 0 } });
    assert.deepEqual(
      [own, buildWorkload(), tunnelled, anyPort].map((workload) =>
        [80, 81, 82].map((port) => endpointPort(workload, service, port)),
      ),
      [
        [9090, 0, 0],
        [8080, 0, 0],
        [8080, 81, 0],
        [8080, 0, 0],
      ],
    );
    assert.deepEqual([own, tunnelled, anyPort].map(takesEveryPort), [false, true, false]);
  });
});
